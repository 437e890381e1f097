import { apiVersionOf, groupVersionPath } from "./group-version.ts";
import {
  type GroupVersionKind,
  type OpenApiSchema,
  openApiSchema,
  type ServedKind,
  servedKinds,
} from "./api-schemas.ts";
import { describedSchema } from "./api-texts.ts";

/*
 * The OpenAPI v3 documents that an API server gives: a document of each group version (KEP-2896). They hold what
 * kubectl and other clients read in them: the schemas with list types, merge keys and descriptions, and the paths of the resources, with
 * the parameters that say what the server understands.
 */

/** A kind of a custom resource definition, with its version's schema where it has one. */
export interface CustomKind extends ServedKind {
  openApi?: OpenApiSchema | undefined;
}

/** An OpenAPI v3 document of a group version. */
export interface OpenApiDocument {
  openapi: "3.0.0";
  info: { title: string; version: string };
  paths: Record<string, Record<string, unknown>>;
  components: { schemas: Record<string, OpenApiSchema> };
}

const META = "io.k8s.apimachinery.pkg.apis.meta.v1.";

/** The document of a group version, such as `apps/v1`, with those of the served kinds that are in `kinds`. */
export function openApiDocument(
  apiVersion: string,
  kinds: readonly (ServedKind | CustomKind)[] = servedKinds,
): OpenApiDocument {
  const schemas: Record<string, OpenApiSchema> = {};
  const paths: OpenApiDocument["paths"] = {};
  for (const name of ["DeleteOptions", "Status", "ListMeta", "ObjectMeta"]) addSchema(schemas, META + name);
  for (const kind of kinds.filter((one) => apiVersionOf(one) === apiVersion)) {
    if ("openApi" in kind) schemas[kind.schema] = customSchema(kind);
    else addSchema(schemas, kind.schema);
    if (kind.resource === undefined) continue;
    const list = `${kind.schema}List`;
    schemas[list] = listSchema(kind);
    addPaths(paths, kind, list);
  }
  const sorted = Object.fromEntries(Object.entries(schemas).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  const info = { title: "Kubernetes", version: "unversioned" };
  return { openapi: "3.0.0", info, paths, components: { schemas: sorted } };
}

/** A schema and all that it refers to. */
function addSchema(schemas: Record<string, OpenApiSchema>, name: string): void {
  if (schemas[name] !== undefined) return;
  const schema = openApiSchema(name);
  schemas[name] = describedSchema(name, schema);
  for (const reference of references(schema)) addSchema(schemas, reference);
}

function references(schema: OpenApiSchema): string[] {
  const { $ref, allOf, items, properties, additionalProperties } = schema;
  const parts = [...(allOf ?? []), ...Object.values(properties ?? {})];
  if (items !== undefined) parts.push(items);
  if (typeof additionalProperties === "object") parts.push(additionalProperties);
  const own = $ref === undefined ? [] : [$ref.slice("#/components/schemas/".length)];
  return [...own, ...parts.flatMap(references)];
}

function gvkOf({ group, version, kind }: GroupVersionKind): GroupVersionKind {
  return { group, version, kind };
}

function customSchema(kind: CustomKind): OpenApiSchema {
  return {
    type: "object",
    ...(kind.openApi ?? { "x-kubernetes-preserve-unknown-fields": true }),
    properties: {
      ...kind.openApi?.properties,
      ...COMMON_PROPERTIES,
    },
    "x-kubernetes-group-version-kind": [gvkOf(kind)],
  };
}

/** As the fields of a kind that is built in (apiextensions-apiserver, openapi builder). */
const COMMON_PROPERTIES = describedSchema("io.k8s.api.core.v1.ConfigMap", {
  properties: { apiVersion: { type: "string" }, kind: { type: "string" }, metadata: reference(`${META}ObjectMeta`) },
}).properties;

function reference(name: string): OpenApiSchema {
  return { $ref: `#/components/schemas/${name}` };
}

function listSchema(kind: ServedKind): OpenApiSchema {
  return {
    type: "object",
    required: ["items"],
    properties: {
      apiVersion: { type: "string" },
      items: { type: "array", items: reference(kind.schema) },
      kind: { type: "string" },
      metadata: reference(`${META}ListMeta`),
    },
    "x-kubernetes-group-version-kind": [{ ...gvkOf(kind), kind: `${kind.kind}List` }],
  };
}

const PATCH_TYPES = ["json-patch+json", "merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml"];

/** Query parameters by what they are for; kubectl asks the document whether the server knows dryRun and fieldValidation. */
const PARAMETERS = {
  read: ["pretty"],
  list: ["allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion", "watch"],
  write: ["dryRun", "fieldManager", "fieldValidation"],
  patch: ["dryRun", "fieldManager", "fieldValidation", "force"],
  delete: ["dryRun", "gracePeriodSeconds", "propagationPolicy"],
} as const;

type ParameterSet = keyof typeof PARAMETERS;

const TYPES: Readonly<Record<string, string>> = {
  allowWatchBookmarks: "boolean",
  force: "boolean",
  watch: "boolean",
  limit: "integer",
  gracePeriodSeconds: "integer",
};

function addPaths(paths: OpenApiDocument["paths"], kind: ServedKind, list: string): void {
  const isCustom = "openApi" in kind;
  const gvk = gvkOf(kind);
  const place = (name: string): unknown => ({ in: "path", name, required: true, schema: { type: "string" } });
  const operation = (action: string, parameters: ParameterSet, answer: string, body?: string): unknown => ({
    parameters: PARAMETERS[parameters].map((name) => ({
      in: "query",
      name,
      schema: { type: TYPES[name] ?? "string" },
    })),
    ...(body !== undefined && { requestBody: { content: bodyContent(action, body, isCustom) } }),
    responses: { 200: { description: "OK", content: { "application/json": { schema: reference(answer) } } } },
    "x-kubernetes-action": action,
    "x-kubernetes-group-version-kind": gvk,
  });
  const base = `/${groupVersionPath(apiVersionOf(kind))}`;
  const collection = kind.namespaced ? `${base}/namespaces/{namespace}/${kind.resource}` : `${base}/${kind.resource}`;
  const namespace = kind.namespaced ? [place("namespace")] : [];
  const { schema } = kind;
  const item = {
    get: operation("get", "read", schema),
    put: operation("put", "write", schema, schema),
    patch: operation("patch", "patch", schema, `${META}Patch`),
  };
  paths[collection] = {
    get: operation("list", "list", list),
    post: operation("post", "write", schema, schema),
    delete: operation("deletecollection", "delete", `${META}Status`, `${META}DeleteOptions`),
    parameters: namespace,
  };
  paths[`${collection}/{name}`] = {
    ...item,
    delete: operation("delete", "delete", `${META}Status`, `${META}DeleteOptions`),
    parameters: [...namespace, place("name")],
  };
  if (kind.subresources.includes("status"))
    paths[`${collection}/{name}/status`] = { ...item, parameters: [...namespace, place("name")] };
  if (kind.namespaced) paths[`${base}/${kind.resource}`] = { get: operation("list", "list", list), parameters: [] };
}

function bodyContent(action: string, schema: string, isCustom: boolean): Record<string, unknown> {
  if (action !== "patch") return { "*/*": { schema: reference(schema) } };
  // Custom resources have no strategic merge patches.
  const types = PATCH_TYPES.filter((type) => !isCustom || !type.startsWith("strategic"));
  return Object.fromEntries(types.map((type) => [`application/${type}`, { schema: { type: "object" } }]));
}
