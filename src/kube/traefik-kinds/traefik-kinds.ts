import type { CustomSchema } from "../custom-resource/custom-schema.ts";
import type { KubeObject } from "../types.ts";
import { TRAEFIK_API, TRAEFIK_GROUP } from "./middleware-types.ts";

const TEXT: CustomSchema = { type: "string" };
const SWITCH: CustomSchema = { type: "boolean" };
const TEXTS: CustomSchema = { type: "array", items: TEXT };
const TEXT_MAP: CustomSchema = { type: "object", additionalProperties: TEXT };
const FREE: CustomSchema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };

const object = (properties: Record<string, CustomSchema>, required: string[] = []): CustomSchema => ({
  type: "object",
  properties,
  ...(required.length === 0 ? {} : { required }),
});

/** What middlewares are modelled of, each with the fields that are. */
const MODELLED: Readonly<Record<string, Readonly<Record<string, CustomSchema>>>> = {
  addPrefix: { prefix: TEXT },
  stripPrefix: { prefixes: TEXTS, forceSlash: SWITCH },
  stripPrefixRegex: { regex: TEXTS },
  replacePath: { path: TEXT },
  replacePathRegex: { regex: TEXT, replacement: TEXT },
  redirectScheme: { scheme: TEXT, port: TEXT, permanent: SWITCH },
  redirectRegex: { regex: TEXT, replacement: TEXT, permanent: SWITCH },
  headers: { customRequestHeaders: TEXT_MAP, customResponseHeaders: TEXT_MAP },
  ipAllowList: { sourceRange: TEXTS, rejectStatusCode: { type: "integer" } },
  chain: { middlewares: { type: "array", items: object({ name: TEXT, namespace: TEXT }, ["name"]) } },
};

/** Fields of modelled ones that are not, and all the others that Traefik has. */
const OTHER_FIELDS: Readonly<Record<string, Readonly<Record<string, CustomSchema>>>> = {
  headers: {
    accessControlAllowCredentials: SWITCH,
    accessControlAllowHeaders: TEXTS,
    accessControlAllowMethods: TEXTS,
    accessControlAllowOriginList: TEXTS,
    accessControlAllowOriginListRegex: TEXTS,
    accessControlExposeHeaders: TEXTS,
    accessControlMaxAge: { type: "integer", format: "int64" },
    addVaryHeader: SWITCH,
    allowedHosts: TEXTS,
    browserXssFilter: SWITCH,
    contentSecurityPolicy: TEXT,
    contentSecurityPolicyReportOnly: TEXT,
    contentTypeNosniff: SWITCH,
    customBrowserXSSValue: TEXT,
    customFrameOptionsValue: TEXT,
    featurePolicy: TEXT,
    forceSTSHeader: SWITCH,
    frameDeny: SWITCH,
    hostsProxyHeaders: TEXTS,
    isDevelopment: SWITCH,
    permissionsPolicy: TEXT,
    publicKey: TEXT,
    referrerPolicy: TEXT,
    sslForceHost: SWITCH,
    sslHost: TEXT,
    sslProxyHeaders: TEXT_MAP,
    sslRedirect: SWITCH,
    sslTemporaryRedirect: SWITCH,
    stsIncludeSubdomains: SWITCH,
    stsPreload: SWITCH,
    stsSeconds: { type: "integer", format: "int64" },
  },
  ipAllowList: { ipStrategy: FREE },
};
const OTHERS = [
  "basicAuth",
  "buffering",
  "circuitBreaker",
  "compress",
  "contentType",
  "digestAuth",
  "errors",
  "forwardAuth",
  "grpcWeb",
  "inFlightReq",
  "ipWhiteList",
  "passTLSClientCert",
  "plugin",
  "rateLimit",
  "retry",
];

const SPEC = object({
  ...Object.fromEntries(
    Object.entries(MODELLED).map(([type, fields]) => [type, object({ ...fields, ...OTHER_FIELDS[type] })]),
  ),
  ...Object.fromEntries(OTHERS.map((type) => [type, FREE])),
});

/** Of a Middleware, with types and required fields as Traefik's own definition has them. */
export const MIDDLEWARE_SCHEMA: CustomSchema = object({ spec: SPEC }, ["metadata", "spec"]);

/** Where a specification has what is not modelled: `basicAuth`, `headers.frameDeny`. */
export function notModelled(spec: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(spec).flatMap(([type, value]) => {
    const known = Object.hasOwn(MODELLED, type) ? MODELLED[type] : undefined;
    if (known === undefined) return [type];
    const fields = typeof value === "object" && value !== null ? Object.keys(value) : [];
    return fields.filter((field) => !Object.hasOwn(known, field)).map((field) => `${type}.${field}`);
  });
}

/** Kinds that Traefik waits for until it can list them, though nothing here reads them. */
const UNREAD = [
  "IngressRoute",
  "IngressRouteTCP",
  "IngressRouteUDP",
  "MiddlewareTCP",
  "ServersTransport",
  "ServersTransportTCP",
  "TLSOption",
  "TLSStore",
  "TraefikService",
];

/** Plural names of all of them, as rights are given for. */
export const TRAEFIK_RESOURCES: readonly string[] = ["Middleware", ...UNREAD].map((kind) => pluralOf(kind));

/** The definitions of Traefik's own kinds: of Middleware its fields, of the others that there are some. */
export function traefikDefinitions(): KubeObject[] {
  const free = object({ spec: FREE }, ["metadata", "spec"]);
  return [definition("Middleware", MIDDLEWARE_SCHEMA), ...UNREAD.map((kind) => definition(kind, free))];
}

function pluralOf(kind: string): string {
  return `${kind.toLowerCase()}s`;
}

function definition(kind: string, schema: CustomSchema): KubeObject {
  const [, version = ""] = TRAEFIK_API.split("/");
  const own = { apiVersion: TEXT, kind: TEXT, metadata: { type: "object" } };
  const openAPIV3Schema = { ...schema, properties: { ...own, ...schema.properties } };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${pluralOf(kind)}.${TRAEFIK_GROUP}` },
    spec: {
      group: TRAEFIK_GROUP,
      scope: "Namespaced",
      names: { kind, listKind: `${kind}List`, plural: pluralOf(kind), singular: kind.toLowerCase() },
      versions: [{ name: version, served: true, storage: true, schema: { openAPIV3Schema } }],
    },
  };
}
