import { changingAnswers, type Asked, type Filtered, type Filtering } from "./filtered.ts";
import { canonicalName, type Headers } from "./forwarded-headers.ts";
import { bytesOf, encoded, escapedPath, goPath, type GoPath } from "./go-path.ts";
import { applyMiddleware } from "./middlewares/apply-middleware.ts";
import type { Filter, HeaderChange, PathChange } from "./types.ts";

/** What Traefik's middlewares make of a request, in their order; headers are changed where they are. */
export function applyFilters(filters: readonly Filter[], asked: Asked): Filtered {
  // Most routers have none.
  if (filters.length === 0) return asked;
  const mark = asked.target.indexOf("?");
  const [path, query] = mark < 0 ? [asked.target, ""] : [asked.target.slice(0, mark), asked.target.slice(mark)];
  let at: Filtering = { ...asked, path: goPath(path), query };
  for (const filter of filters) {
    const next = applyFilter(filter, at);
    at = next.path === at.path ? next : { ...next, target: requestUri(next) };
    if (at.redirect !== undefined || at.refused !== undefined) return at;
  }
  return at;
}

/** Go's URL.RequestURI. */
function requestUri({ path, query }: Filtering): string {
  const written = escapedPath(path);
  return `${written === "" ? "/" : written}${query}`;
}

function applyFilter(filter: Filter, at: Filtering): Filtering {
  switch (filter.kind) {
    case "request-headers":
      changeHeaders(at.headers, filter.change);
      return at;
    case "response-headers":
      return changingAnswers(at, (headers) => changeHeaders(headers, filter.change));
    case "redirect":
      return { ...at, redirect: { status: filter.status, location: locationOf(filter, at) } };
    case "rewrite": {
      const host = filter.hostname ?? at.host;
      return {
        ...at,
        host,
        ...(filter.path === undefined ? {} : { path: goPath(changedWriting(at.path, filter.path)) }),
      };
    }
    default:
      return applyMiddleware(filter, at);
  }
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
function locationOf({ scheme, hostname, port, path }: Filter & { kind: "redirect" }, at: Filtering): string {
  const [, bracketed, plain = "", asked = ""] = /^(?:\[(.*)\]|([^:]*))(?::(\d*))?$/.exec(at.host) ?? [];
  const name = hostname ?? bracketed ?? plain;
  const wanted = port ?? asked;
  const place = wanted === "" ? name : `${name.includes(":") ? `[${name}]` : name}:${wanted}`;
  const target = path === undefined ? at.target : changedWriting(at.path, path) + at.query;
  return `${scheme === undefined ? "" : `${scheme}:`}//${place}${target}`;
}

/** Another path as it is written. */
function changedWriting(path: GoPath, change: PathChange): string {
  const written = encoded(changedPath(path.decoded, change));
  return written.startsWith("/") ? written : `/${written}`;
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
