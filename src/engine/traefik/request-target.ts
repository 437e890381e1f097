/** A request's target, cleaned as Traefik cleans it before it looks at it. */
export interface RequestTarget {
  /** What is asked of the server: path and query. */
  target: string;
  /** What rules are compared with: all but reserved characters are decoded. */
  routingPath: string;
  /** Of a target in absolute form (RFC 9112 3.2.2); it counts instead of the Host header. */
  host?: string;
}

/** %41 to %7A without brackets, digits, `-._~` (RFC 3986 2.3). */
const UNRESERVED = /[A-Za-z0-9\-._~]/;
/** RFC 3986 2.2, and the percent sign. */
const RESERVED = new Set(":/?#[]@!$&'()*+,;=%");

/**
 * Traefik's view of a request target: escapes of unreserved characters are undone, `/../`, `/./` and double slashes taken out
 * (pkg/server/server_entrypoint_tcp.go normalizePath, sanitizePath; pkg/muxer/http withRoutingPath). Undefined where the target is none.
 */
export function requestTarget(text: string): RequestTarget | undefined {
  const absolute = /^https?:\/\/([^/?#]*)(.*)$/i.exec(text);
  const rest = absolute === null ? text : absolute[2] === "" ? "/" : (absolute[2] ?? "");
  const host = absolute?.[1];
  const mark = rest.indexOf("?");
  const path = mark < 0 ? rest : rest.slice(0, mark);
  const query = mark < 0 ? "" : rest.slice(mark).replaceAll(";", "&");
  if (path === "*") return { target: rest, routingPath: "*" };
  if (!path.startsWith("/") || path.includes("#") || /%(?![0-9A-Fa-f]{2})/.test(path)) return undefined;
  const clean = cleanPath(normalized(path));
  return { target: clean + query, routingPath: decoded(clean), ...(host === undefined ? {} : { host }) };
}

function normalized(path: string): string {
  return path.replaceAll(/%[0-9A-Fa-f]{2}/g, (escape) => {
    const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16));
    return UNRESERVED.test(character) ? character : escape.toUpperCase();
  });
}

/** Go's path.Clean, which here keeps a slash at the end. */
function cleanPath(path: string): string {
  const kept: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "..") kept.pop();
    else if (segment !== "" && segment !== ".") kept.push(segment);
  }
  const clean = `/${kept.join("/")}`;
  return path.endsWith("/") && clean !== "/" ? `${clean}/` : clean;
}

/** Bytes that are no UTF-8 are replaced: no rule has them. */
function decoded(path: string): string {
  const parts = path.split(/(%[0-9A-F]{2})/).map((part) => {
    const byte = /^%[0-9A-F]{2}$/.test(part) ? Number.parseInt(part.slice(1), 16) : undefined;
    const isKept = byte === undefined || RESERVED.has(String.fromCharCode(byte));
    return isKept ? Buffer.from(part) : Buffer.from([byte]);
  });
  return Buffer.concat(parts).toString("utf8");
}
