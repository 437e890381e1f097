/**
 * Writes src/engine/api/protobuf-fields.json: by message, field number → JSON name and type, read off the struct tags of Go's API types.
 * Usage: npx tsx scripts/generate-protobuf-fields.ts API APIMACHINERY, the folders of the Go modules k8s.io/api and k8s.io/apimachinery.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [api = "", machinery = ""] = process.argv.slice(2);
if (machinery === "") throw new Error("usage: generate-protobuf-fields.ts API-FOLDER APIMACHINERY-FOLDER");

/** What clients create as typed objects. */
const roots = {
  core: [
    "Namespace",
    "Pod",
    "Service",
    "ConfigMap",
    "Secret",
    "ServiceAccount",
    "ResourceQuota",
    "Event",
    "Endpoints",
    "Node",
  ],
  apps: ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ControllerRevision"],
  batch: ["Job", "CronJob"],
  networking: ["Ingress", "IngressClass", "NetworkPolicy"],
  rbac: ["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"],
  policy: ["PodDisruptionBudget", "Eviction"],
  scheduling: ["PriorityClass"],
  discovery: ["EndpointSlice"],
  coordination: ["Lease"],
  storage: ["StorageClass"],
  autoscaling: ["Scale"],
  autoscalingv2: ["HorizontalPodAutoscaler"],
  meta: ["DeleteOptions"],
  authorization: ["SelfSubjectAccessReview", "SelfSubjectRulesReview"],
  authentication: ["SelfSubjectReview"],
} as const;

/** Go's own name of a package where a type is imported under another. */
const aliases: Readonly<Record<string, string>> = {
  v1: "core",
  apiv1: "core",
  corev1: "core",
  metav1: "meta",
  rbacv1: "rbac",
};

const structs = new Map<string, string>();
const scalars = new Map<string, string>();
/** Where the types of a group are, if not in its v1. */
const elsewhere: Readonly<Record<string, string>> = {
  autoscalingv2: join(api, "autoscaling/v2/types.go"),
  meta: join(machinery, "pkg/apis/meta/v1/types.go"),
};
for (const group of Object.keys(roots)) {
  const source = readFileSync(elsewhere[group] ?? join(api, group, "v1", "types.go"), "utf8");
  for (const [, name = "", body = ""] of source.matchAll(/^type (\w+) struct \{\n([\s\S]*?)^\}/gm))
    structs.set(`${group}.${name}`, body);
  for (const [, name = "", type = ""] of source.matchAll(
    /^(?:type|\t)\s*(\w+) (string|int32|int64|bool|\[\]string|map\[\w+\][\w.]+|\[\][A-Z]\w*)$/gm,
  ))
    scalars.set(`${group}.${name}`, type);
}

/** Types that are no messages of fields, by what the decoder makes of them. */
const special: Readonly<Record<string, string>> = {
  "meta.Time": "time",
  "meta.MicroTime": "time",
  "meta.Duration": "duration",
  "meta.FieldsV1": "raw",
  "resource.Quantity": "quantity",
  "intstr.IntOrString": "int-or-string",
  "runtime.RawExtension": "raw",
};

const messages: Record<string, Record<string, string>> = {};

/** A Go type as the table has it: `*` marks a pointer, whose zero is a value; then `[]`, `{}`, a scalar or a message. */
function typeOf(go: string, group: string): string {
  if (go.startsWith("*")) return `*${typeOf(go.slice(1), group)}`;
  if (go === "[]byte") return "bytes";
  if (go.startsWith("[]")) return `[]${typeOf(go.slice(2), group)}`;
  const map = /^map\[[\w.]+\](.*)$/.exec(go);
  if (map !== null) return `{}${typeOf(map[1] ?? "", group)}`;
  if (["string", "bool", "int32", "int64"].includes(go)) return go.replace(/\d+$/, "");
  if (["uint16", "int", "uint8", "int16"].includes(go)) return "int";
  if (go === "types.UID" || go === "types.NodeName") return "string";
  const [first = "", second] = go.split(".");
  const full = second === undefined ? `${group}.${first}` : `${aliases[first] ?? first}.${second}`;
  const known = special[full];
  if (known !== undefined) return known;
  const alias = scalars.get(full);
  // A named list is a message of its own, with its items as field 1.
  if (alias !== undefined)
    return /^\[\]|^map/.test(alias) && alias !== "[]string" && !alias.startsWith("map[ResourceName")
      ? `items:${typeOf(alias, full.split(".")[0] ?? "")}`
      : alias === "[]string"
        ? "items:[]string"
        : typeOf(alias, full.split(".")[0] ?? "");
  read(full);
  return full;
}

function read(full: string): void {
  if (messages[full] !== undefined) return;
  const body = structs.get(full);
  if (body === undefined) throw new Error(`no Go type ${full}`);
  const fields: Record<string, string> = {};
  messages[full] = fields;
  for (const [, words = "", tag = ""] of body.matchAll(/^\t(\S.*?)\s+`([^`]*)`/gm)) {
    const json = /json:"([^"]*)"/.exec(tag)?.[1] ?? "";
    const number = /protobuf:"\w+,(\d+)/.exec(tag)?.[1];
    if (number === undefined || words.startsWith("//")) continue;
    const parts = words.split(/\s+/);
    const name = json.split(",")[0] ?? "";
    // A field of no name, or "inline", lays its own fields into the object.
    fields[number] =
      `${name}:${json.includes("omitempty") ? "" : "!"}${typeOf(parts.at(-1) ?? "", full.split(".")[0] ?? "")}`;
  }
}

for (const [group, kinds] of Object.entries(roots)) for (const kind of kinds) read(`${group}.${kind}`);
const lines = Object.entries(messages)
  .toSorted(([left], [right]) => (left < right ? -1 : 1))
  .map(([name, fields]) => `    ${JSON.stringify(name)}: ${JSON.stringify(fields)}`);
const source = `k8s.io/api ${/v[\d.]+$/.exec(api)?.[0] ?? ""}`.trim();
writeFileSync(
  join(import.meta.dirname, "../src/engine/api/protobuf-fields.json"),
  `{\n  "source": ${JSON.stringify(source)},\n  "messages": {\n${lines.join(",\n")}\n  }\n}\n`,
);
