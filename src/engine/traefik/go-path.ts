/**
 * A path as Go's net/url keeps it: decoded, each byte a character, and as it was written; that is empty where it was written as Go
 * would write it.
 */
export interface GoPath {
  decoded: string;
  raw: string;
}

/** Go's URL.setPath. */
export function goPath(written: string): GoPath {
  const bytes = decoded(written);
  return { decoded: bytes, raw: encoded(bytes) === bytesOf(written) ? "" : written };
}

/** Go's URL.EscapedPath: as it was written where that is a writing of this path. */
export function escapedPath({ decoded: bytes, raw }: GoPath): string {
  if (raw !== "" && isWritable(raw) && decoded(raw) === bytes) return raw;
  return bytes === "*" ? bytes : encoded(bytes);
}

/** A text as its bytes, each a character. */
export function bytesOf(text: string): string {
  return Buffer.from(text).toString("latin1");
}

/** Bytes as the text they are. */
export function textOf(bytes: string): string {
  return Buffer.from(bytes, "latin1").toString("utf8");
}

/** The bytes of a path whose escapes are sound. */
export function decoded(path: string): string {
  return bytesOf(path).replaceAll(/%([0-9A-Fa-f]{2})/g, (_escape, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}

/** Go's url.PathUnescape of a text that may be no path: undefined where an escape is none. */
export function unescaped(text: string): string | undefined {
  return brokenEscape(text) === undefined ? decoded(text) : undefined;
}

/** The first escape that is none. */
export function brokenEscape(text: string): string | undefined {
  return /%(?![0-9A-Fa-f]{2}).{0,2}/s.exec(text)?.[0];
}

/** Go's EscapedPath of a path that was written by nobody. */
export function encoded(bytes: string): string {
  return bytes.replaceAll(
    /[^A-Za-z0-9\-_.~$&+,/:;=@]/g,
    (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}

/** Go's validEncoded: characters that a path may have besides escapes. */
export function isWritable(raw: string): boolean {
  return brokenEscape(raw) === undefined && /^[A-Za-z0-9\-_.~!$&'()*+,;=:@[\]/%]*$/.test(raw);
}
