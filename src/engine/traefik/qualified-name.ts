import { normalize } from "./normalize.ts";

/** What reads Traefik's own kinds, as names that others call them by end. */
export const CRD_PROVIDER = "kubernetescrd";

/** The name of a thing with its provider: one that is named without is of who names it (pkg/server/provider GetQualifiedName). */
export function qualifiedName(name: string, provider: string): string {
  return name.includes("@") ? name : `${name}@${provider}`;
}

/** Under which name an object of one of Traefik's own kinds is known. */
export function crdName(namespace: string, name: string): string {
  return qualifiedName(normalize(`${namespace}-${name}`), CRD_PROVIDER);
}
