import { LabError, type LabWarning, type Span } from "../core/errors.ts";
import { isRecord } from "../core/is-record.ts";
import { nearestName } from "../core/suggest.ts";
import type { YamlDocument, YamlPath } from "../core/yaml-document.ts";
import { checkAdminPolicy } from "./admin-policy-rules.ts";
import { isAdminPolicy } from "./admin-policy-types.ts";
import { isMetallbObject } from "./address-pools.ts";
import { checkIngress } from "./ingress-rules.ts";
import { isByDefinition, isNamesake, kindFacts, knownKinds } from "./api-fields.ts";
import { checkGatewayObject } from "./gateway/check-gateway.ts";
import { checkMeshObject } from "./mesh/mesh-rules.ts";
import { ManifestFindings } from "./manifest-findings.ts";
import { checkStructure, describeValue } from "./manifest-structure.ts";
import { dns1035LabelProblem, dnsLabelProblem, dnsSubdomainProblem, labelKeyProblem } from "./names.ts";
import { checkNetworkPolicy } from "./network-policy-rules.ts";
import { warnNotModelled } from "./not-modelled.ts";
import { checkPodSpec, checkWorkload } from "./pod-rules.ts";
import { checkLabels } from "./selector-rules.ts";
import { checkDaemonSet, checkStatefulSet } from "./set-rules.ts";
import { checkEndpoints, checkEndpointSlice, checkService, type ServiceNetwork } from "./service-rules.ts";
import type { DaemonSet, StatefulSet } from "./set-types.ts";
import type { Deployment, Endpoints, EndpointSlice, KubeObject, NetworkPolicy, Pod, Service } from "./types.ts";

/** An object of a manifest with its places in the file. */
export interface ManifestObject {
  object: KubeObject;
  file: string;
  /** Line the object begins on. */
  line: number;
  readonly nameSpan: Span;
  /** Where a field is, by its path in the object. */
  spanAt(path: YamlPath): Span;
}

/** What {@link checkManifest} found; with problems there, objects are those without any. */
export interface CheckedManifest {
  objects: ManifestObject[];
  /** Names of all Namespaces in the file, those with problems included. */
  namespaces: string[];
  problems: LabError[];
  warnings: LabWarning[];
}

/** Kinds of the built-in API that are stored and otherwise left alone, so that their names are never taken for typos. */
const STORED_KINDS = new Set([
  "Job",
  "CronJob",
  "PersistentVolume",
  "PersistentVolumeClaim",
  "StorageClass",
  "Role",
  "RoleBinding",
  "ClusterRole",
  "ClusterRoleBinding",
  "PodDisruptionBudget",
  "LimitRange",
  "ResourceQuota",
  "CustomResourceDefinition",
  "PriorityClass",
  "RuntimeClass",
  "ReplicationController",
  "Event",
  "Lease",
  "GRPCRoute",
  "TCPRoute",
  "TLSRoute",
]);

/**
 * Checks the documents of one manifest file, as the API server would: structure, names, labels, selectors, ports. A
 * `kind: List` is taken apart; empty documents are skipped. Namespaced objects without a namespace get "default".
 */
export function checkManifest(documents: readonly YamlDocument[], network: ServiceNetwork = {}): CheckedManifest {
  const result: CheckedManifest = { objects: [], namespaces: [], problems: [], warnings: [] };
  for (const document of documents) {
    for (const [value, base] of objectsIn(document)) checkObject(value, base, document, network, result);
  }
  return result;
}

function objectsIn(document: YamlDocument): [unknown, YamlPath][] {
  const { value } = document;
  if (value === null) return [];
  if (isRecord(value) && value["kind"] === "List" && Array.isArray(value["items"])) {
    return value["items"].map((item: unknown, index): [unknown, YamlPath] => [item, ["items", index]]);
  }
  return [[value, []]];
}

function checkObject(
  value: unknown,
  base: YamlPath,
  document: YamlDocument,
  network: ServiceNetwork,
  result: CheckedManifest,
): void {
  const findings = new ManifestFindings(document, base);
  const object = checkIdentity(value, findings);
  if (object !== undefined) checkBody(object, isNameWritten(value), network, findings);
  result.problems.push(...findings.problems);
  result.warnings.push(...findings.warnings);
  if (object?.kind === "Namespace" && typeof object.metadata.name === "string")
    result.namespaces.push(object.metadata.name);
  if (object === undefined || findings.problems.length > 0) return;
  // Places cost a syntax tree (YamlDocument), and most objects are never asked for theirs.
  const { file, line } = base.length === 0 ? document : findings.spanAt([]);
  result.objects.push({
    object,
    file,
    line,
    get nameSpan() {
      return findings.spanAt(["metadata", "name"]);
    },
    spanAt: (path) => findings.spanAt(path),
  });
}

/** The object with its structure checked, or undefined where kind and metadata are too broken to go on. */
export function checkIdentity(value: unknown, findings: ManifestFindings): KubeObject | undefined {
  if (!isRecord(value)) {
    findings.error("MANIFEST_NOT_AN_OBJECT", [], `a Kubernetes object must be a map, not ${describeValue(value)}`);
    return undefined;
  }
  const { apiVersion, kind } = value;
  for (const field of ["apiVersion", "kind"]) {
    const given = value[field];
    if (given === undefined || given === null)
      findings.error("MANIFEST_MISSING_FIELD", [field], `the object needs ${field}`, undefined, "missing");
    else if (typeof given !== "string")
      findings.error("MANIFEST_WRONG_TYPE", [field], `${field} must be a text, not ${describeValue(given)}`);
  }
  if (typeof apiVersion !== "string" || typeof kind !== "string") return undefined;
  if (kind === "Node") {
    findings.error("MANIFEST_NODE", ["kind"], "nodes cannot be applied", "they come from the lab's topology");
    return undefined;
  }
  const facts = isNamesake(kind, apiVersion) ? undefined : kindFacts(kind);
  if (facts === undefined) return checkUnknownKind(value, kind, findings);
  if (apiVersion !== facts.apiVersion) {
    findings.error(
      "MANIFEST_BAD_API_VERSION",
      ["apiVersion"],
      `${kind} of ${JSON.stringify(apiVersion)} is not known`,
      `write apiVersion: ${facts.apiVersion}`,
    );
    // A CNI's own NetworkPolicy or a mesh's Service has other fields; nothing here would read them.
    const group = apiVersion.split("/")[0] as string;
    if (group.includes(".") && !group.endsWith(".k8s.io")) return undefined;
  }
  const object = checkStructure(value, { is: "object", type: facts.type }, [], findings) as KubeObject;
  if (!isRecord(object.metadata)) {
    if (value["metadata"] === undefined || value["metadata"] === null) {
      findings.error("MANIFEST_MISSING_FIELD", ["metadata"], "the object needs metadata", undefined, "missing");
    }
    return undefined;
  }
  if (facts.namespaced) object.metadata.namespace ??= "default";
  else if (object.metadata.namespace !== undefined) {
    findings.error(
      "MANIFEST_BAD_VALUE",
      ["metadata", "namespace"],
      `a ${kind} is in no namespace`,
      "remove the line",
      "key",
    );
  }
  return object;
}

function checkUnknownKind(
  value: Record<string, unknown>,
  kind: string,
  findings: ManifestFindings,
): KubeObject | undefined {
  const guess = STORED_KINDS.has(kind) || kindFacts(kind) !== undefined ? undefined : nearestName(kind, knownKinds());
  if (guess !== undefined) {
    findings.error("MANIFEST_UNKNOWN_KIND", ["kind"], `unknown kind ${JSON.stringify(kind)}`, `did you mean ${guess}?`);
    return undefined;
  }
  const metadata = value["metadata"];
  if (!isRecord(metadata) || typeof metadata["name"] !== "string") {
    findings.error(
      "MANIFEST_MISSING_FIELD",
      ["metadata", "name"],
      "the object needs metadata.name",
      undefined,
      "missing",
    );
    return undefined;
  }
  if (isMetallbObject({ apiVersion: String(value["apiVersion"]), kind })) return value as KubeObject;
  findings.warn(
    "MANIFEST_NOT_INTERPRETED",
    ["kind"],
    `kind ${kind} is stored but does nothing here`,
    `interpreted kinds: ${knownKinds()
      .filter((known) => !isByDefinition(known))
      .join(", ")}`,
  );
  return value as KubeObject;
}

/** By kind, which may be any word, such as `constructor`. */
const NAME_RULES: ReadonlyMap<string, (name: string) => string | undefined> = new Map([
  ["Namespace", dnsLabelProblem],
  ["Service", dns1035LabelProblem],
]);

/** Whether metadata has a name, be it misspelt or of a wrong type, which is then reported already. */
function isNameWritten(value: unknown): boolean {
  const metadata = isRecord(value) ? value["metadata"] : undefined;
  return (
    isRecord(metadata) &&
    Object.entries(metadata).some(([key, name]) => name !== null && nearestName(key, ["name"]) !== undefined)
  );
}

/** What the API says of an object of sound structure; `hasName` where one is written, be it wrongly. */
export function checkBody(
  object: KubeObject,
  hasName: boolean,
  network: ServiceNetwork,
  findings: ManifestFindings,
): void {
  checkMetadata(object, hasName, findings);
  // Only objects of known kinds have had their structure checked.
  if (kindFacts(object.kind) === undefined || isNamesake(object.kind, object.apiVersion)) return;
  switch (object.kind) {
    case "Pod":
      if (isRecord(object["spec"])) checkPodSpec((object as Pod).spec, ["spec"], findings);
      break;
    case "Deployment":
    case "ReplicaSet":
      if (isRecord(object["spec"])) checkWorkload(object.kind, (object as Deployment).spec, findings);
      break;
    case "StatefulSet":
      if (isRecord(object["spec"])) checkStatefulSet((object as StatefulSet).spec, findings);
      break;
    case "DaemonSet":
      if (isRecord(object["spec"])) checkDaemonSet((object as DaemonSet).spec, findings);
      break;
    case "Service":
      checkService(object as Service, network, findings);
      break;
    case "Endpoints":
      checkEndpoints(object as Endpoints, findings);
      break;
    case "EndpointSlice":
      checkEndpointSlice(object as EndpointSlice, findings);
      break;
    case "Ingress":
      checkIngress(object, findings);
      break;
    case "NetworkPolicy":
      checkNetworkPolicy(object as NetworkPolicy, findings);
      break;
  }
  if (isAdminPolicy(object)) checkAdminPolicy(object, findings);
  if (findings.problems.length === 0) {
    checkMeshObject(object, findings);
    checkGatewayObject(object, findings);
  }
  warnNotModelled(object, findings);
}

function checkMetadata({ kind, metadata }: KubeObject, hasName: boolean, findings: ManifestFindings): void {
  const path = ["metadata"];
  if (typeof metadata.name === "string") {
    const problem = (NAME_RULES.get(kind) ?? dnsSubdomainProblem)(metadata.name);
    if (problem !== undefined)
      findings.error("MANIFEST_BAD_NAME", [...path, "name"], `name ${describeValue(metadata.name)} ${problem}`);
  } else if (!hasName) {
    const hint = metadata.generateName === undefined ? undefined : "generateName cannot be applied: write name";
    findings.error("MANIFEST_MISSING_FIELD", [...path, "name"], "the object needs metadata.name", hint, "missing");
  }
  if (typeof metadata.namespace === "string") {
    const problem = dnsLabelProblem(metadata.namespace);
    if (problem !== undefined)
      findings.error(
        "MANIFEST_BAD_NAME",
        [...path, "namespace"],
        `namespace ${describeValue(metadata.namespace)} ${problem}`,
      );
  }
  checkLabels(metadata.labels, [...path, "labels"], findings);
  for (const key of Object.keys(metadata.annotations ?? {})) {
    const problem = labelKeyProblem(key);
    if (problem !== undefined)
      findings.error(
        "MANIFEST_BAD_LABEL",
        [...path, "annotations", key],
        `annotation key ${JSON.stringify(key)} ${problem}`,
        undefined,
        "key",
      );
  }
}
