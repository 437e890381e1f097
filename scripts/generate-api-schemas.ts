/**
 * Derives src/kube/api-schemas.json and src/kube/api-texts.json from the OpenAPI v3 documents and the discovery of a running API
 * server, which it asks through kubectl and the current kubeconfig:
 *
 *     KUBECONFIG=… npx tsx scripts/generate-api-schemas.ts
 *
 * The first has the structure: types, list and map types, merge keys, defaults and enumerations. The second has the descriptions of the
 * same types, by their names in OpenAPI, a type's own under the empty name. They are Kubernetes', under the Apache License 2.0.
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";

/** Kinds an embedded cluster can serve, by group version. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  v1: [
    "ConfigMap",
    "Endpoints",
    "Event",
    "LimitRange",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Pod",
    "ReplicationController",
    "ResourceQuota",
    "Secret",
    "Service",
    "ServiceAccount",
  ],
  "apiextensions.k8s.io/v1": ["CustomResourceDefinition"],
  "apps/v1": ["ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"],
  "authorization.k8s.io/v1": ["SelfSubjectAccessReview", "SelfSubjectRulesReview"],
  "autoscaling/v1": ["Scale"],
  "autoscaling/v2": ["HorizontalPodAutoscaler"],
  "batch/v1": ["CronJob", "Job"],
  "coordination.k8s.io/v1": ["Lease"],
  "discovery.k8s.io/v1": ["EndpointSlice"],
  "events.k8s.io/v1": ["Event"],
  "networking.k8s.io/v1": ["Ingress", "IngressClass", "NetworkPolicy"],
  "node.k8s.io/v1": ["RuntimeClass"],
  "policy/v1": ["PodDisruptionBudget"],
  "rbac.authorization.k8s.io/v1": ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"],
  "scheduling.k8s.io/v1": ["PriorityClass"],
  "storage.k8s.io/v1": ["StorageClass"],
};

/** Types that a document of any group version needs besides its kinds. */
const COMMON = ["DeleteOptions", "ListMeta", "Status"];

interface Schema {
  $ref?: string;
  allOf?: Schema[];
  type?: string;
  format?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  additionalProperties?: Schema | boolean;
  default?: unknown;
  enum?: string[];
  [extension: `x-${string}`]: unknown;
}

interface Document {
  components: { schemas: Record<string, Schema> };
}

interface Resource {
  name: string;
  kind: string;
  namespaced: boolean;
  group?: string;
}

function get<T>(path: string): T {
  return JSON.parse(execFileSync("kubectl", ["get", "--raw", path], { encoding: "utf8", maxBuffer: 64 << 20 })) as T;
}

/** Package prefixes of OpenAPI's names, by how the table begins a name of them. */
const PREFIXES: Readonly<Record<string, string>> = {
  "meta.": "io.k8s.apimachinery.pkg.apis.meta.",
  "runtime.": "io.k8s.apimachinery.pkg.runtime.",
  "resource.": "io.k8s.apimachinery.pkg.api.resource.",
  "intstr.": "io.k8s.apimachinery.pkg.util.intstr.",
  "apiextensions.": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.",
  "": "io.k8s.api.",
};

function shortName(name: string): string {
  for (const [short, long] of Object.entries(PREFIXES)) {
    if (name.startsWith(long)) return short + name.slice(long.length);
  }
  throw new Error(`no prefix for ${name}`);
}

const types: Record<string, unknown> = {};
const texts: Record<string, Record<string, string>> = {};
const schemas: Record<string, Schema> = {};

function addType(name: string): void {
  const short = shortName(name);
  if (types[short] !== undefined) return;
  const schema = schemas[name];
  if (schema === undefined) throw new Error(`no schema ${name}`);
  texts[name] = textsOf(schema);
  if (schema.properties === undefined) {
    types[short] = field(schema, false);
    return;
  }
  const fields: Record<string, unknown> = {};
  types[short] = fields;
  const required = new Set(schema.required);
  for (const [property, member] of Object.entries(schema.properties).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    fields[property] = field(member, required.has(property));
  if (schema["x-kubernetes-map-type"] !== undefined) fields["$map"] = schema["x-kubernetes-map-type"];
}

function textsOf({ description, properties = {} }: Schema): Record<string, string> {
  const all = [["", description], ...Object.entries(properties).map(([field, member]) => [field, member.description])];
  return Object.fromEntries(
    all.filter(([, text]) => text !== undefined).toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1)),
  );
}

const OPTIONS: Readonly<Record<string, string>> = {
  "x-kubernetes-list-type": "list",
  "x-kubernetes-list-map-keys": "keys",
  "x-kubernetes-patch-strategy": "patch",
  "x-kubernetes-patch-merge-key": "key",
  "x-kubernetes-map-type": "map",
};

/** A field's type, or with options a list of type and options. */
function field(schema: Schema, isRequired: boolean): unknown {
  const options: Record<string, unknown> = {};
  for (const [extension, option] of Object.entries(OPTIONS)) {
    const value = schema[extension as `x-${string}`];
    if (value !== undefined) options[option] = value;
  }
  if (schema.enum !== undefined) options["enum"] = schema.enum;
  const values = typeof schema.additionalProperties === "object" ? schema.additionalProperties : schema.items;
  if (values?.enum !== undefined) options["values"] = values.enum;
  // What Go writes for a field that it never leaves out: `{}` for a structure; of a required scalar it goes without saying.
  const isZero = schema.default === "" || schema.default === 0 || schema.default === false;
  const isEmptyObject = typeof schema.default === "object" && Object.keys(schema.default ?? {}).length === 0;
  const type = notation(schema) + (isEmptyObject ? "{}" : "") + (isRequired ? "!" : "");
  if (schema.default !== undefined && !isEmptyObject && !(isRequired && isZero)) options["default"] = schema.default;
  if (isRequired && !isZero && schema.type !== undefined && schema.type !== "array" && schema.type !== "object")
    options["default"] ??= null;
  return Object.keys(options).length === 0 ? type : [type, options];
}

/** `T[]` is a list, `{T}` a map from text to T, `T{}` an object that is never absent, `#` a whole number, `*` anything. */
function notation(schema: Schema): string {
  const reference = schema.$ref ?? (schema.allOf?.length === 1 ? schema.allOf[0]?.$ref : undefined);
  if (reference !== undefined) {
    const name = reference.replace("#/components/schemas/", "");
    addType(name);
    return shortName(name);
  }
  if (schema.type === "array") return `${notation(schema.items ?? {})}[]`;
  if (schema.type === "object") {
    if (schema.properties !== undefined) throw new Error("an object type without a name");
    return typeof schema.additionalProperties === "object" ? `{${notation(schema.additionalProperties)}}` : "object";
  }
  if (schema.type === undefined) return "*";
  const base = schema.type === "integer" ? "#" : schema.type;
  return schema.format === undefined ? base : `${base}:${schema.format}`;
}

const kinds: Record<string, unknown> = {};
for (const [groupVersion, names] of Object.entries(KINDS)) {
  const path = groupVersion.includes("/") ? `apis/${groupVersion}` : `api/${groupVersion}`;
  // Kept from one document to the next: a subresource's kind, such as Scale, stands in those of its resources alone.
  Object.assign(schemas, get<Document>(`/openapi/v3/${path}`).components.schemas);
  const [version, group] = groupVersion.split("/").toReversed() as [string, string | undefined];
  const { resources } = get<{ resources: Resource[] }>(`/${path}`);
  for (const kind of names) {
    const isKind = (gvk: { group: string; version: string; kind: string }): boolean =>
      gvk.group === (group ?? "") && gvk.version === version && gvk.kind === kind;
    const type = Object.keys(schemas).find(
      (name) =>
        name === `io.k8s.api.${group}.${version}.${kind}` ||
        (schemas[name]?.["x-kubernetes-group-version-kind"] as Parameters<typeof isKind>[0][] | undefined)?.some(
          isKind,
        ),
    );
    if (type === undefined) throw new Error(`no schema of ${groupVersion} ${kind}`);
    addType(type);
    const resource = resources.find((one) => one.kind === kind && !one.name.includes("/"));
    const subresources = resources.filter((one) => one.name.startsWith(`${resource?.name}/`));
    kinds[`${groupVersion} ${kind}`] = {
      type: shortName(type),
      ...(resource && {
        resource: resource.name,
        namespaced: resource.namespaced,
        subresources: subresources
          .map(({ name }) => name.slice(resource.name.length + 1))
          .filter((name) => name !== "proxy"),
      }),
    };
  }
  for (const name of COMMON) addType(`io.k8s.apimachinery.pkg.apis.meta.v1.${name}`);
}

const { gitVersion } = get<{ gitVersion: string }>("/version");
// One type a line keeps diffs of a new release readable.
const lines = (entries: Record<string, unknown>): string =>
  Object.entries(entries)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `    ${JSON.stringify(name)}: ${JSON.stringify(value)}`)
    .join(",\n");
writeFileSync(
  new URL("../src/kube/api-schemas.json", import.meta.url),
  `{
  "source": "OpenAPI v3 of kube-apiserver ${gitVersion}",
  "prefixes": ${JSON.stringify(PREFIXES)},
  "kinds": {
${lines(kinds)}
  },
  "types": {
${lines(types)}
  }
}
`,
);
writeFileSync(
  new URL("../src/kube/api-texts.json", import.meta.url),
  `{
  "source": "OpenAPI v3 of kube-apiserver ${gitVersion}, Copyright The Kubernetes Authors, Apache License 2.0",
  "types": {
${lines(texts)}
  }
}
`,
);
