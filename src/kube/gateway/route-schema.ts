import type { CustomSchema } from "../custom-resource/custom-schema.ts";
import {
  FILTER_HAS_ITS_FIELD,
  FILTER_TYPES,
  FILTERS_ONCE,
  MODIFIER_HAS_ITS_FIELD,
  PARENTS_DIFFER,
  PATH_IS_ABSOLUTE,
  PATH_IS_CLEAN,
  PREFIX_TO_REPLACE,
  REDIRECT_OR_REWRITE,
  REDIRECT_WITHOUT_BACKENDS,
  SERVICE_HAS_PORT,
} from "./gateway-rules.ts";
import { GATEWAY_GROUP } from "./gateway-types.ts";
import {
  conditions,
  groupName,
  hostname,
  integer,
  kindName,
  list,
  listBy,
  mapOf,
  namespaceName,
  object,
  objectName,
  port,
  preciseHostname,
  rules,
  sectionName,
  text,
  words,
} from "./schema-parts.ts";

/** RFC 9110's token. */
const HEADER_NAME: CustomSchema = text(256, { minLength: 1, pattern: "^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$" });

const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
const ANY_PATH = { type: "PathPrefix", value: "/" };

const parentRef = (): CustomSchema =>
  object({
    group: groupName({ default: GATEWAY_GROUP }),
    kind: kindName({ default: "Gateway" }),
    namespace: namespaceName(),
    "name!": objectName(),
    sectionName: sectionName(),
    port: port(),
  });

const backendFields = (): Record<string, CustomSchema> => ({
  group: groupName({ default: "" }),
  kind: kindName({ default: "Service" }),
  namespace: namespaceName(),
  "name!": objectName(),
  port: port(),
});

const headers = (): CustomSchema =>
  listBy("name", object({ "name!": HEADER_NAME, "value!": text(4096, { minLength: 1 }) }), 16);

const headerFilter = (): CustomSchema =>
  object({ set: headers(), add: headers(), remove: list({ type: "string" }, 16, { "x-kubernetes-list-type": "set" }) });

const pathModifier = (): CustomSchema =>
  object(
    {
      "type!": words("ReplaceFullPath", "ReplacePrefixMatch"),
      replaceFullPath: text(1024),
      replacePrefixMatch: text(1024),
    },
    rules(...MODIFIER_HAS_ITS_FIELD),
  );

/** RequestMirror has its fields so that it can be asked for, and refused by who does not serve it. */
const filters = (): CustomSchema =>
  list(
    object(
      {
        "type!": words(...FILTER_TYPES),
        requestHeaderModifier: headerFilter(),
        responseHeaderModifier: headerFilter(),
        requestMirror: object({
          "backendRef!": object(backendFields(), rules(SERVICE_HAS_PORT)),
          percent: integer(0, 100),
          fraction: object({
            "numerator!": integer(0, 2_147_483_647),
            denominator: integer(1, 2_147_483_647, { default: 100 }),
          }),
        }),
        requestRedirect: object({
          scheme: words("http", "https"),
          hostname: preciseHostname(),
          path: pathModifier(),
          port: port(),
          statusCode: { type: "integer", enum: [301, 302], default: 302 },
        }),
        urlRewrite: object({ hostname: preciseHostname(), path: pathModifier() }),
        extensionRef: object({ "group!": groupName(), "kind!": kindName(), "name!": objectName() }),
      },
      rules(...FILTER_HAS_ITS_FIELD),
    ),
    16,
    rules(REDIRECT_OR_REWRITE, ...FILTERS_ONCE),
  );

const valueMatches = (name: CustomSchema, maxValue: number): CustomSchema =>
  listBy(
    "name",
    object({
      type: { ...words("Exact", "RegularExpression"), default: "Exact" },
      "name!": name,
      "value!": text(maxValue, { minLength: 1 }),
    }),
    16,
  );

const match = (): CustomSchema =>
  object({
    path: object(
      {
        type: { ...words("Exact", "PathPrefix", "RegularExpression"), default: "PathPrefix" },
        value: text(1024, { default: "/" }),
      },
      { default: ANY_PATH, ...rules(PATH_IS_ABSOLUTE, PATH_IS_CLEAN) },
    ),
    headers: valueMatches(HEADER_NAME, 4096),
    queryParams: valueMatches(HEADER_NAME, 1024),
    method: words(...METHODS),
  });

const routeRule = (): CustomSchema =>
  object(
    {
      name: sectionName(),
      matches: list(match(), 64, { default: [{ path: ANY_PATH }] }),
      filters: filters(),
      backendRefs: list(
        object(
          { ...backendFields(), weight: integer(0, 1_000_000, { default: 1 }), filters: filters() },
          rules(SERVICE_HAS_PORT),
        ),
        16,
      ),
      timeouts: object({ request: text(32), backendRequest: text(32) }),
    },
    rules(REDIRECT_WITHOUT_BACKENDS, PREFIX_TO_REPLACE),
  );

const routeStatus = (): CustomSchema =>
  object({
    "parents!": list(object({ "parentRef!": parentRef(), "controllerName!": text(253), conditions: conditions() }), 32),
  });

/** HTTPRoute. */
export const httpRouteSchema = (): CustomSchema =>
  object({
    "spec!": object({
      parentRefs: list(parentRef(), 32, rules(...PARENTS_DIFFER)),
      hostnames: list(hostname(), 16),
      rules: list(routeRule(), 16, { default: [{ matches: [{ path: ANY_PATH }] }] }),
    }),
    status: routeStatus(),
  });

/** GRPCRoute, whose rules nothing here reads: Traefik does not begin before it can list them. */
export const grpcRouteSchema = (): CustomSchema =>
  object({
    spec: object(
      { parentRefs: list(parentRef(), 32), hostnames: list(hostname(), 16) },
      { "x-kubernetes-preserve-unknown-fields": true },
    ),
    status: routeStatus(),
  });

/** ReferenceGrant. */
export const referenceGrantSchema = (): CustomSchema =>
  object({
    spec: object({
      "from!": list(object({ "group!": groupName(), "kind!": kindName(), "namespace!": namespaceName() }), 16, {
        minItems: 1,
      }),
      "to!": list(object({ "group!": groupName(), "kind!": kindName(), name: objectName() }), 16, { minItems: 1 }),
    }),
  });

/** A selector of labels, as listeners have it. */
export const labelSelector = (): CustomSchema =>
  object({
    matchLabels: mapOf({ type: "string" }, 64),
    matchExpressions: list(
      object({ "key!": text(316), "operator!": text(32), values: list({ type: "string" }, 64) }),
      64,
    ),
  });
