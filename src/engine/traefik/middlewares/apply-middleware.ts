import { cidrContains, parseCidr, parseIp } from "../../../core/ip.ts";
import { changingAnswers, type Filtering } from "../filtered.ts";
import { canonicalName, type Headers } from "../forwarded-headers.ts";
import { brokenEscape, bytesOf, decoded, encoded, escapedPath, isWritable, textOf, unescaped } from "../go-path.ts";
import { regexOf, replaceAll } from "../go-regexp.ts";
import type { MiddlewareFilter } from "../types.ts";

/** What one of Traefik's own middlewares makes of a request; headers are changed where they are. */
export function applyMiddleware(filter: MiddlewareFilter, at: Filtering): Filtering {
  switch (filter.kind) {
    case "add-prefix": {
      const path = { decoded: slashed(bytesOf(filter.prefix) + at.path.decoded), raw: "" };
      return { ...at, path: { ...path, ...(at.path.raw === "" ? {} : { raw: slashed(filter.prefix + at.path.raw) }) } };
    }
    case "strip-prefix":
      return stripPrefix(filter, at);
    case "strip-prefix-regex":
      return stripPrefixRegex(filter.regexes, at);
    case "replace-path": {
      const { path, query } = at;
      addHeader(at.headers, "X-Replaced-Path", path.raw === "" ? escapedPath(path) + query : path.raw);
      return replaced(at, filter.path);
    }
    case "replace-path-regex": {
      const current = escapedPath(at.path);
      const regex = regexOf(filter.regex);
      if (filter.replacement === "" || regex?.test(current) !== true) return at;
      addHeader(at.headers, "X-Replaced-Path", current);
      return replaced(at, replaceAll(regex, current, filter.replacement));
    }
    case "redirect-scheme":
    case "redirect-regex":
      return redirected(filter, at);
    case "custom-headers": {
      const host = setHeaders(at.headers, filter.request);
      const asked = host === undefined ? at : { ...at, host };
      return filter.response.length === 0
        ? asked
        : changingAnswers(asked, (headers) => void setHeaders(headers, filter.response));
    }
    case "allow-addresses":
      return isAllowed(filter.ranges, at.clientAddress) ? at : { ...at, refused: filter.status };
  }
}

function slashed(path: string): string {
  return path === "" || path.startsWith("/") ? path : `/${path}`;
}

function addHeader(headers: Headers, name: string, value: string): void {
  headers.set(name, [...(headers.get(name) ?? []), value]);
}

function stripPrefix({ prefixes, forceSlash }: MiddlewareFilter & { kind: "strip-prefix" }, at: Filtering): Filtering {
  const prefix = prefixes.find((each) => at.path.decoded.startsWith(bytesOf(each)));
  if (prefix === undefined) return at;
  const without = (path: string, start: string): string => {
    const rest = path.startsWith(start) ? path.slice(start.length) : path;
    return forceSlash ? `/${rest.replace(/^\//, "")}` : slashed(rest);
  };
  addHeader(at.headers, "X-Forwarded-Prefix", prefix.trim());
  const { raw } = at.path;
  const path = { decoded: without(at.path.decoded, bytesOf(prefix)), raw: raw === "" ? "" : without(raw, prefix) };
  return { ...at, path };
}

function stripPrefixRegex(regexes: readonly string[], at: Filtering): Filtering {
  const path = textOf(at.path.decoded);
  for (const each of regexes) {
    const [prefix = ""] = regexOf(each)?.exec(path) ?? [];
    if (prefix === "" || !path.startsWith(prefix)) continue;
    addHeader(at.headers, "X-Forwarded-Prefix", prefix);
    const { raw } = at.path;
    const rest = { decoded: slashed(at.path.decoded.slice(bytesOf(prefix).length)), raw: "" };
    return { ...at, path: { ...rest, ...(raw === "" ? {} : { raw: slashed(behind(raw, bytesOf(prefix).length)) }) } };
  }
  return at;
}

/** What is left of a written path behind so many of its bytes. */
function behind(raw: string, bytes: number): string {
  const written = raw.match(/%[0-9A-Fa-f]{2}|[^]/g) ?? [];
  return written.slice(bytes).join("");
}

/** With another path, which may have escapes; one that is none is answered with 500. */
function replaced(at: Filtering, raw: string): Filtering {
  const path = unescaped(raw);
  if (path !== undefined) return { ...at, path: { decoded: path, raw } };
  return { ...at, refused: 500, why: `invalid URL escape ${JSON.stringify(brokenEscape(raw))}` };
}

const URI = /^(https?:\/\/)?(\[[\w:.]+\]|[\w._-]+)?(:\d+)?(.*)$/s;

function redirected(
  filter: MiddlewareFilter & { kind: "redirect-scheme" | "redirect-regex" },
  at: Filtering,
): Filtering {
  const [asked, wanted] = filter.kind === "redirect-scheme" ? toScheme(filter, at) : byRegex(filter, at);
  if (wanted === undefined || wanted === asked) return at;
  const location = writtenUrl(wanted);
  if (location === undefined) return { ...at, refused: 500 };
  const [get, other] = filter.isPermanent ? [301, 308] : [302, 307];
  return { ...at, redirect: { status: at.method === "GET" ? get : other, location } };
}

/** The URL that was asked for, and the same with another scheme and port. */
function toScheme(
  { scheme, port }: MiddlewareFilter & { kind: "redirect-scheme" },
  at: Filtering,
): [asked: string, wanted: string | undefined] {
  const own = at.isTls ? "https" : "http";
  const [, name = at.host, ownPort = ""] = /^(.*?):(\d*)$/.exec(at.host) ?? [];
  const isUsual = ownPort === "" || ownPort === usualPort(own);
  const asked = `${own}://${name}${isUsual ? "" : `:${ownPort}`}${at.target}`;
  const [, , host = "", , rest = ""] = URI.exec(asked) ?? [];
  const wantedPort = port === "" || port === usualPort(scheme) ? "" : `:${port}`;
  return [asked, `${scheme}://${host}${wantedPort}${rest}`];
}

function usualPort(scheme: string): string | undefined {
  return { http: "80", https: "443" }[scheme];
}

function byRegex(
  { regex: text, replacement }: MiddlewareFilter & { kind: "redirect-regex" },
  at: Filtering,
): [asked: string, wanted: string | undefined] {
  const asked = `${at.isTls ? "https" : "http"}://${at.host}${at.target}`;
  const regex = regexOf(text);
  return [asked, regex?.test(asked) === true ? replaceAll(regex, asked, replacement) : undefined];
}

/** Go's String of what url.Parse reads: what a path may not have is escaped. Undefined where it is no URL. */
function writtenUrl(text: string): string | undefined {
  const [, before = "", path = "", after = ""] = /^([a-z][a-z0-9+.-]*:\/\/[^/?#]*)?([^?#]*)(.*)$/is.exec(text) ?? [];
  if (brokenEscape(path) !== undefined) return undefined;
  return `${before}${isWritable(path) ? path : encoded(decoded(path))}${after}`;
}

/** Sets headers, or takes them away; returns the Host that is wanted, which is none of them. */
function setHeaders(headers: Headers, changes: readonly (readonly [string, string])[]): string | undefined {
  let host: string | undefined;
  for (const [name, value] of changes) {
    if (value === "") headers.delete(canonicalName(name));
    else if (name.toLowerCase() === "host") host = value;
    else headers.set(canonicalName(name), [value]);
  }
  return host;
}

function isAllowed(ranges: readonly string[], client: string): boolean {
  const address = parseIp(client);
  if (address === undefined) return false;
  return ranges.some((range) => {
    const cidr = parseCidr(range.includes("/") ? range : `${range}/${address.family === 4 ? 32 : 128}`);
    return cidr !== undefined && cidrContains(cidr, address);
  });
}
