import type { HttpAsked } from "./http-apps.ts";

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/**
 * One request in the `main` format of the nginx image's nginx.conf: the combined log format (httpd.apache.org/docs/2.4/logs.html)
 * and the client that a proxy says it asks for. All modelled HTTP servers write it.
 */
export function accessLine(
  { remoteAddress, method, target, headers, nowMs }: HttpAsked,
  httpVersion: string,
  status: number,
  bodyBytes: number,
): string {
  const [referrer, agent, forwarded] = ["referer", "user-agent", "x-forwarded-for"].map((name) => {
    const value = headers[name];
    return `"${(Array.isArray(value) ? value.join(", ") : (value ?? "-")).replaceAll('"', String.raw`\x22`)}"`;
  });
  const request = `"${method} ${target.replaceAll('"', String.raw`\x22`)} HTTP/${httpVersion}"`;
  return `${remoteAddress} - - [${localTime(nowMs)}] ${request} ${status} ${bodyBytes} ${referrer} ${agent} ${forwarded}`;
}

/** `23/Nov/2026:14:05:09 +0000`. */
function localTime(nowMs: number): string {
  const [date = "", time = ""] = new Date(nowMs).toISOString().split(/[T.]/);
  const [year, month, day] = date.split("-");
  return `${day}/${MONTHS[Number(month) - 1]}/${year}:${time} +0000`;
}
