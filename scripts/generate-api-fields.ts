/**
 * Derives src/kube/api-fields.json from the generated models of @kubernetes/client-node, which no lab needs at run time:
 *
 *     npm install --prefix /tmp/client-node @kubernetes/client-node@1.4.0
 *     npx tsx scripts/generate-api-fields.ts /tmp/client-node
 */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

interface Attribute {
  name: string;
  baseName: string;
  type: string;
  format: string;
}

type Model = { getAttributeTypeMap(): Attribute[] };

/** Kinds whose manifests are checked field by field. */
const KINDS: Readonly<Record<string, { apiVersion: string; model: string; namespaced: boolean }>> = {
  Namespace: { apiVersion: "v1", model: "V1Namespace", namespaced: false },
  Pod: { apiVersion: "v1", model: "V1Pod", namespaced: true },
  Service: { apiVersion: "v1", model: "V1Service", namespaced: true },
  Endpoints: { apiVersion: "v1", model: "V1Endpoints", namespaced: true },
  ConfigMap: { apiVersion: "v1", model: "V1ConfigMap", namespaced: true },
  Secret: { apiVersion: "v1", model: "V1Secret", namespaced: true },
  ServiceAccount: { apiVersion: "v1", model: "V1ServiceAccount", namespaced: true },
  Deployment: { apiVersion: "apps/v1", model: "V1Deployment", namespaced: true },
  ReplicaSet: { apiVersion: "apps/v1", model: "V1ReplicaSet", namespaced: true },
  StatefulSet: { apiVersion: "apps/v1", model: "V1StatefulSet", namespaced: true },
  DaemonSet: { apiVersion: "apps/v1", model: "V1DaemonSet", namespaced: true },
  EndpointSlice: { apiVersion: "discovery.k8s.io/v1", model: "V1EndpointSlice", namespaced: true },
  NetworkPolicy: { apiVersion: "networking.k8s.io/v1", model: "V1NetworkPolicy", namespaced: true },
  Ingress: { apiVersion: "networking.k8s.io/v1", model: "V1Ingress", namespaced: true },
  IngressClass: { apiVersion: "networking.k8s.io/v1", model: "V1IngressClass", namespaced: false },
  HorizontalPodAutoscaler: { apiVersion: "autoscaling/v2", model: "V2HorizontalPodAutoscaler", namespaced: true },
};

/** Quantities are strings in the models, but the API reads numbers too (`cpu: 1`). A name that others have is written with its type. */
const QUANTITY_FIELDS = new Set([
  "limits",
  "requests",
  "overhead",
  "sizeLimit",
  "divisor",
  "capacity",
  "allocatedResources",
  "averageValue",
  "tolerance",
  "V2MetricTarget.value",
]);

const root = process.argv[2];
if (root === undefined)
  throw new Error("usage: generate-api-fields.ts FOLDER with @kubernetes/client-node installed in it");
const packageFolder = path.resolve(root, "node_modules/@kubernetes/client-node");
const modelFolder = path.join(packageFolder, "dist/gen/models");
const models = (await import(pathToFileURL(path.join(modelFolder, "all.js")).href)) as Record<string, Model>;

const types: Record<string, Record<string, string>> = {};

function addType(name: string): void {
  if (types[name] !== undefined) return;
  const fields: Record<string, string> = {};
  types[name] = fields;
  const declaration = readFileSync(path.join(modelFolder, `${name}.d.ts`), "utf8");
  const model = models[name];
  if (model === undefined) throw new Error(`no model ${name}`);
  for (const { name: property, baseName, type, format } of model.getAttributeTypeMap()) {
    const isRequired = new RegExp(`^    '${property.replace(/\$/g, "\\$")}': `, "m").test(declaration);
    const whole = `${name}.${baseName}`;
    fields[baseName] = fieldType(QUANTITY_FIELDS.has(whole) ? whole : baseName, type, format) + (isRequired ? "!" : "");
  }
}

/** `T[]` is a list, `{T}` a map from text to T, `#` a whole number, `*` anything. */
function fieldType(name: string, type: string, format: string): string {
  const list = /^Array<(.*)>$/.exec(type);
  if (list !== null) return `${fieldType(name, list[1] as string, format)}[]`;
  const map = /^\{ \[key: string\]: (.*); \}$/.exec(type);
  if (map !== null) return `{${fieldType(name, map[1] as string, format)}}`;
  if (type === "string" && QUANTITY_FIELDS.has(name)) return "quantity";
  if (type === "string" || type === "boolean") return type;
  if (type === "number") return format.startsWith("int") ? "#" : "number";
  if (type === "Date" || type === "V1MicroTime") return "string";
  if (type === "IntOrString") return "int-or-string";
  if (type === "any" || type === "object") return "*";
  addType(type);
  return type;
}

for (const { model } of Object.values(KINDS)) addType(model);

const declaration = readFileSync(path.join(modelFolder, "V1Pod.d.ts"), "utf8");
const table = {
  openapi: /OpenAPI spec version: (\S+)/.exec(declaration)?.[1] ?? "unknown",
  source: `@kubernetes/client-node ${(JSON.parse(readFileSync(path.join(packageFolder, "package.json"), "utf8")) as { version: string }).version}`,
  kinds: Object.fromEntries(
    Object.entries(KINDS).map(([kind, { apiVersion, model, namespaced }]) => [
      kind,
      { apiVersion, type: model, namespaced },
    ]),
  ),
  types: Object.fromEntries(Object.entries(types).toSorted(([a], [b]) => (a < b ? -1 : 1))),
};
// One type a line keeps diffs of a new release readable.
const typeLines = Object.entries(table.types).map(
  ([name, fields]) => `    ${JSON.stringify(name)}: ${JSON.stringify(fields)}`,
);
const kindLines = Object.entries(table.kinds).map(
  ([kind, facts]) => `    ${JSON.stringify(kind)}: ${JSON.stringify(facts)}`,
);
writeFileSync(
  new URL("../src/kube/api-fields.json", import.meta.url),
  `{
  "openapi": ${JSON.stringify(table.openapi)},
  "source": ${JSON.stringify(table.source)},
  "kinds": {
${kindLines.join(",\n")}
  },
  "types": {
${typeLines.join(",\n")}
  }
}
`,
);
