import { canonicalName, type Headers } from "./forwarded-headers.ts";
import type { Filter, HeaderChange, PathChange } from "./types.ts";

/** A request on its way through a router's filters. */
export interface Filtered {
  /** Path and query. */
  target: string;
  /** As the client wrote it, or as it was rewritten. */
  host: string;
  headers: Headers;
  /** Changes the headers of whatever answer there will be. */
  change?: (headers: Headers) => void;
  /** The answer, where a filter gives it. */
  redirect?: { status: number; location: string };
}

/** What Traefik's middlewares of the Gateway API make of a request, in their order; headers are changed where they are. */
export function applyFilters(filters: readonly Filter[], request: Filtered): Filtered {
  let at = request;
  for (const filter of filters) {
    switch (filter.kind) {
      case "request-headers":
        changeHeaders(at.headers, filter.change);
        break;
      case "response-headers": {
        const outer = at.change;
        const change = (headers: Headers): void => {
          changeHeaders(headers, filter.change);
          outer?.(headers);
        };
        at = { ...at, change };
        break;
      }
      case "redirect":
        return { ...at, redirect: { status: filter.status, location: locationOf(filter, at) } };
      case "rewrite":
        at = { ...at, target: changedTarget(at.target, filter.path), host: filter.hostname ?? at.host };
        break;
    }
  }
  return at;
}

function changeHeaders(headers: Headers, { set, add, remove }: HeaderChange): void {
  for (const [name, value] of set) headers.set(canonicalName(name), [value]);
  for (const [name, value] of add) {
    const key = canonicalName(name);
    headers.set(key, [...(headers.get(key) ?? []), value]);
  }
  for (const name of remove) headers.delete(canonicalName(name));
  // Who is asked is no header there.
  headers.delete("Host");
}

/** Go's URL.String of a URL that has the scheme that was said, or none. */
function locationOf(
  { scheme, hostname, port, path }: Filter & { kind: "redirect" },
  { target, host }: Filtered,
): string {
  const [, bracketed, plain = "", asked = ""] = /^(?:\[(.*)\]|([^:]*))(?::(\d*))?$/.exec(host) ?? [];
  const name = hostname ?? bracketed ?? plain;
  const wanted = port ?? asked;
  const place = wanted === "" ? name : `${name.includes(":") ? `[${name}]` : name}:${wanted}`;
  return `${scheme === undefined ? "" : `${scheme}:`}//${place}${changedTarget(target, path)}`;
}

/** The query stays. */
function changedTarget(target: string, change: PathChange | undefined): string {
  if (change === undefined) return target;
  const mark = target.indexOf("?");
  const [path, query] = mark < 0 ? [target, ""] : [target.slice(0, mark), target.slice(mark)];
  const written = encoded(changedPath(decoded(path), change));
  return `${written.startsWith("/") ? "" : "/"}${written}${query}`;
}

function changedPath(path: string, { path: to, prefix }: PathChange): string {
  const bytes = bytesOf(to);
  if (prefix === undefined) return bytes;
  const start = bytesOf(prefix);
  const rest = path.startsWith(start) ? path.slice(start.length) : path;
  const joined = joinedPath(bytes, rest);
  return path.endsWith("/") && !joined.endsWith("/") ? `${joined}/` : joined;
}

/** Go's path.Join: of two parts without empty ones, `.` and `..`. */
function joinedPath(one: string, other: string): string {
  const kept: string[] = [];
  for (const segment of `${one}/${other}`.split("/")) {
    if (segment === "..") kept.pop();
    else if (segment !== "" && segment !== ".") kept.push(segment);
  }
  return `/${kept.join("/")}`;
}

/** A text as its bytes, each a character. */
function bytesOf(text: string): string {
  return Buffer.from(text).toString("latin1");
}

function decoded(path: string): string {
  return bytesOf(path).replaceAll(/%([0-9A-Fa-f]{2})/g, (_escape, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}

/** Go's EscapedPath of a path that was written by nobody. */
function encoded(bytes: string): string {
  return bytes.replaceAll(
    /[^A-Za-z0-9\-_.~$&+,/:;=@]/g,
    (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}
