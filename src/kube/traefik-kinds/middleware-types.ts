import type { KubeObject } from "../types.ts";

export const TRAEFIK_GROUP = "traefik.io";
export const TRAEFIK_API = `${TRAEFIK_GROUP}/v1alpha1`;

/** What a middleware does, one of these (doc.traefik.io/traefik/v3.5/reference/dynamic-configuration/kubernetes-crd, MiddlewareSpec). */
export interface MiddlewareSpec {
  addPrefix?: { prefix?: string };
  stripPrefix?: { prefixes?: string[]; forceSlash?: boolean };
  stripPrefixRegex?: { regex?: string[] };
  replacePath?: { path?: string };
  replacePathRegex?: { regex?: string; replacement?: string };
  redirectScheme?: { scheme?: string; port?: string; permanent?: boolean };
  redirectRegex?: { regex?: string; replacement?: string; permanent?: boolean };
  headers?: { customRequestHeaders?: Record<string, string>; customResponseHeaders?: Record<string, string> };
  ipAllowList?: { sourceRange?: string[]; rejectStatusCode?: number };
  chain?: { middlewares?: { name: string; namespace?: string }[] };
}

export interface Middleware extends KubeObject {
  spec: MiddlewareSpec;
}
