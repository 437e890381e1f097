import { createHash } from "node:crypto";

/** The name of a service's sticky cookie: the given one with strange characters replaced, else six characters of a digest (pkg/server/cookie). */
export function cookieName(given: string, service: string): string {
  if (given !== "") return given.replaceAll(/[^!#$%&'*+\-.^`|~a-zA-Z0-9]/gu, "_");
  const digest = createHash("sha1").update(`_TRAEFIK_BACKEND_${service}`).digest("hex");
  return `_${digest}`.slice(0, 6);
}
