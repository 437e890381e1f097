import { badRequest } from "../api-error.ts";
import type { LogLine } from "../../servers/access-log.ts";
import { flagOf } from "./pod-of-request.ts";

/** What of a log is wanted (core/v1 PodLogOptions). */
export interface LogOptions {
  container: string;
  follow: boolean;
  previous: boolean;
  timestamps: boolean;
  /** Milliseconds since the epoch. */
  sinceMs: number | undefined;
  tailLines: number | undefined;
  limitBytes: number | undefined;
}

/** Reads the query of a log request; throws ApiError (400). */
export function logOptionsOf(query: URLSearchParams, nowMs: number): LogOptions {
  const sinceSeconds = numberOf(query, "sinceSeconds", 1);
  const sinceTime = query.get("sinceTime") ?? undefined;
  if (sinceSeconds !== undefined && sinceTime !== undefined)
    throw badRequest("at most one of `sinceTime` or `sinceSeconds` may be specified");
  const timeMs = sinceTime === undefined ? undefined : Date.parse(sinceTime);
  if (Number.isNaN(timeMs)) throw badRequest(`sinceTime: ${JSON.stringify(sinceTime)} is no time`);
  return {
    container: query.get("container") ?? "",
    follow: flagOf(query, "follow"),
    previous: flagOf(query, "previous"),
    timestamps: flagOf(query, "timestamps"),
    sinceMs: sinceSeconds === undefined ? timeMs : nowMs - sinceSeconds * 1000,
    tailLines: numberOf(query, "tailLines", 0),
    limitBytes: numberOf(query, "limitBytes", 1),
  };
}

function numberOf(query: URLSearchParams, name: string, least: number): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (!/^\d{1,15}$/.test(text) || Number(text) < least)
    throw badRequest(`${name}: must be a whole number of at least ${least}`);
  return Number(text);
}

/** The lines that were there when the request came, as far as they are wanted. */
export function wantedLines(lines: readonly LogLine[], { sinceMs, tailLines }: LogOptions): LogLine[] {
  const since = sinceMs === undefined ? [...lines] : lines.filter(({ atMs }) => atMs >= sinceMs);
  if (tailLines === undefined) return since;
  return tailLines === 0 ? [] : since.slice(-tailLines);
}

/** Lines as they are sent, after the line of number `after`; what was pushed out before it could be read is said. */
export function logText(lines: readonly LogLine[], after: number | undefined, timestamps: boolean): string {
  const [first] = lines;
  const gone = first === undefined || after === undefined ? 0 : first.number - after - 1;
  const gap = gone > 0 ? `[${gone} lines came faster than they were read, and are gone]\n` : "";
  return gap + lines.map(({ atMs, text }) => `${timestamps ? `${timestampOf(atMs)} ` : ""}${text}\n`).join("");
}

/** RFC 3339 with nanoseconds, as a kubelet prefixes lines. */
function timestampOf(atMs: number): string {
  return new Date(atMs).toISOString().replace("Z", "000000Z");
}
