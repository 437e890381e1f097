import { badRequest, noSuchPath } from "./api-error.ts";

/** A path below /api or /apis; `group` is empty for the core one. */
export interface ResourcePath {
  group: string;
  version: string;
  namespace?: string;
  /** Plural. */
  resource: string;
  name?: string;
  subresource?: string;
}

/** A request's path: something of a resource, or one of the few other places, by its segments. */
export type RequestPath = { kind: "resource"; path: ResourcePath } | { kind: "other"; segments: string[] };

/**
 * Reads a request's target. Segments are decoded one by one, so that an encoded slash never becomes a separator; one that
 * could not be a name (`.`, `..`, a slash, a percent sign or a control character in it) leads nowhere. Throws ApiError.
 */
export function parsePath(target: string): { path: RequestPath; query: URLSearchParams } {
  const question = target.indexOf("?");
  const text = question < 0 ? target : target.slice(0, question);
  const query = new URLSearchParams(question < 0 ? "" : target.slice(question + 1));
  if (!text.startsWith("/")) throw badRequest("the request's target is no path");
  const segments = text
    .slice(1)
    .split("/")
    .map((segment) => decoded(segment));
  if (segments.at(-1) === "") segments.pop();
  if (segments.some((segment) => !isPathSegment(segment))) throw noSuchPath();
  return { path: pathOf(segments), query };
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw badRequest("the request's path has a percent sign that encodes nothing");
  }
}

/** apimachinery path.IsValidPathSegmentName, and nothing that a terminal would take for more than text. */
function isPathSegment(segment: string): boolean {
  // eslint-disable-next-line no-control-regex
  return segment !== "" && segment !== "." && segment !== ".." && !/[/%\u0000-\u001f\u007f]/.test(segment);
}

function pathOf(segments: string[]): RequestPath {
  const isCore = segments[0] === "api";
  const rest = segments.slice(isCore ? 2 : 3);
  if ((!isCore && segments[0] !== "apis") || rest.length === 0) return { kind: "other", segments };
  const group = isCore ? "" : (segments[1] ?? "");
  const version = segments[isCore ? 1 : 2] ?? "";
  return { kind: "resource", path: { group, version, ...resourcePart(group, rest) } };
}

function resourcePart(group: string, rest: readonly string[]): Omit<ResourcePath, "group" | "version"> {
  const [first = "", second, third] = rest;
  const isWithin =
    first === "namespaces" &&
    second !== undefined &&
    third !== undefined &&
    !(group === "" && (third === "status" || third === "finalize") && rest.length === 3);
  const [resource = "", name, subresource, ...more] = isWithin ? rest.slice(2) : rest;
  if (more.length > 0) throw noSuchPath();
  return {
    resource,
    ...(isWithin ? { namespace: second } : {}),
    ...(name === undefined ? {} : { name }),
    ...(subresource === undefined ? {} : { subresource }),
  };
}
