import { formatSelector } from "../../kube/selectors.ts";
import type {
  Container,
  Deployment,
  Endpoints,
  EndpointSlice,
  KubeObject,
  LabelSelector,
  NetworkPolicy,
  NodeObject,
  PodTemplateSpec,
  ReplicaSet,
  Service,
} from "../../kube/types.ts";
import type { DaemonSet, StatefulSet } from "../../kube/set-types.ts";
import { countColumn, firstThree, textColumn, textOf, valueAt, type ColumnSpec } from "./column.ts";
import { humanDuration } from "./human-duration.ts";
import { autoscalerColumns } from "./autoscaler-columns.ts";
import { ingressClassColumns, ingressColumns } from "./ingress-columns.ts";
import { keptColumns } from "./kept-columns.ts";
import { podColumns } from "./pod-columns.ts";

const size = (name: string, ...paths: string[]): ColumnSpec => ({
  name,
  type: "integer",
  cell: (object) =>
    paths.reduce((sum, path) => sum + Object.keys((valueAt(object, path) as object | undefined) ?? {}).length, 0),
});

const containersOf = (object: KubeObject): Container[] =>
  (object["spec"] as { template?: PodTemplateSpec }).template?.spec.containers ?? [];
const containerColumns: ColumnSpec[] = [
  {
    name: "Containers",
    isWide: true,
    cell: (object) =>
      containersOf(object)
        .map(({ name }) => name)
        .join(","),
  },
  {
    name: "Images",
    isWide: true,
    cell: (object) =>
      containersOf(object)
        .map(({ image }) => image)
        .join(","),
  },
];
const selector = (path: string, name = "Selector", isWide = true): ColumnSpec => ({
  name,
  isWide,
  cell: (object) => {
    const found = valueAt(object, path) as LabelSelector | undefined;
    return found === undefined ? "<none>" : selectorText(found);
  },
});
const selectorText = (selector: LabelSelector): string => {
  const written = formatSelector(selector);
  return written === "<all>" ? "<none>" : written;
};

const readyReplicas: ColumnSpec = {
  name: "Ready",
  cell: (object) => {
    const { spec, status } = object as Deployment | StatefulSet;
    return `${status?.readyReplicas ?? 0}/${spec.replicas ?? 0}`;
  },
};

/** By what the store files the kind under; "name" and "age" are the columns that all have. */
export const columnSets: Readonly<Record<string, readonly (ColumnSpec | "name" | "age")[]>> = {
  Pod: ["name", ...podColumns.slice(0, 3), "age", ...podColumns.slice(3)],
  Deployment: [
    "name",
    readyReplicas,
    countColumn("Up-to-date", "status.updatedReplicas"),
    countColumn("Available", "status.availableReplicas"),
    "age",
    ...containerColumns,
    selector("spec.selector"),
  ],
  ReplicaSet: [
    "name",
    countColumn("Desired", "spec.replicas"),
    countColumn("Current", "status.replicas"),
    countColumn("Ready", "status.readyReplicas"),
    "age",
    ...containerColumns,
    { ...selector("spec.selector"), cell: (object) => selectorText((object as ReplicaSet).spec.selector) },
  ],
  StatefulSet: ["name", readyReplicas, "age", ...containerColumns],
  DaemonSet: [
    "name",
    countColumn("Desired", "status.desiredNumberScheduled"),
    countColumn("Current", "status.currentNumberScheduled"),
    countColumn("Ready", "status.numberReady"),
    countColumn("Up-to-date", "status.updatedNumberScheduled"),
    countColumn("Available", "status.numberAvailable"),
    {
      name: "Node Selector",
      cell: (object) => pairs((object as DaemonSet).spec.template.spec.nodeSelector),
    },
    "age",
    ...containerColumns,
    selector("spec.selector"),
  ],
  Service: [
    "name",
    textColumn("Type", "spec.type"),
    textColumn("Cluster-IP", "spec.clusterIP"),
    { name: "External-IP", cell: (object) => externalAddress(object as Service) },
    { name: "Port(s)", cell: (object) => servicePorts(object as Service) },
    "age",
    { name: "Selector", isWide: true, cell: (object) => pairs((object as Service).spec.selector) },
  ],
  Endpoints: ["name", { name: "Endpoints", cell: (object) => endpointsText(object as Endpoints) }, "age"],
  EndpointSlice: [
    "name",
    textColumn("AddressType", "addressType"),
    {
      name: "Ports",
      cell: (object) =>
        firstThree(
          ((object as EndpointSlice).ports ?? []).map(({ port }) => String(port ?? "*")),
          "<unset>",
        ),
    },
    {
      name: "Endpoints",
      cell: (object) =>
        firstThree(
          (object as EndpointSlice).endpoints.flatMap(({ addresses }) => addresses),
          "<unset>",
        ),
    },
    "age",
  ],
  Namespace: ["name", textColumn("Status", "status.phase"), "age"],
  Node: [
    "name",
    { name: "Status", cell: (object) => nodeStatus(object as NodeObject) },
    { name: "Roles", cell: ({ metadata }) => nodeRoles(metadata.labels) },
    "age",
    textColumn("Version", "status.nodeInfo.kubeletVersion", false, ""),
    { name: "Internal-IP", isWide: true, cell: (object) => nodeAddress(object as NodeObject, "InternalIP") },
    { name: "External-IP", isWide: true, cell: (object) => nodeAddress(object as NodeObject, "ExternalIP") },
    textColumn("OS-Image", "status.nodeInfo.osImage", true, "<unknown>"),
    textColumn("Kernel-Version", "status.nodeInfo.kernelVersion", true, "<unknown>"),
    textColumn("Container-Runtime", "status.nodeInfo.containerRuntimeVersion", true, "<unknown>"),
  ],
  NetworkPolicy: [
    "name",
    { name: "Pod-Selector", cell: (object) => selectorText((object as NetworkPolicy).spec.podSelector) },
    "age",
  ],
  Ingress: ["name", ...ingressColumns, "age"],
  HorizontalPodAutoscaler: ["name", ...autoscalerColumns, "age"],
  IngressClass: ["name", ...ingressClassColumns, "age"],
  ConfigMap: ["name", size("Data", "data", "binaryData"), "age"],
  Secret: ["name", textColumn("Type", "type", false, "Opaque"), size("Data", "data"), "age"],
  ServiceAccount: ["name", size("Secrets", "secrets"), "age"],
  ControllerRevision: [
    "name",
    {
      name: "Controller",
      cell: ({ metadata }) => {
        const owner = metadata.ownerReferences?.find(({ controller }) => controller === true);
        return owner === undefined
          ? "<none>"
          : `${owner.kind.toLowerCase()}.${owner.apiVersion.split("/")[0]}/${owner.name}`;
      },
    },
    countColumn("Revision", "revision"),
    "age",
  ],
  Event: [
    {
      name: "Last Seen",
      cell: (object, nowMs) => {
        const seen = valueAt(object, "lastTimestamp") ?? valueAt(object, "eventTime");
        return typeof seen === "string" ? humanDuration(nowMs - Date.parse(seen)) : "<unknown>";
      },
    },
    textColumn("Type", "type"),
    textColumn("Reason", "reason"),
    {
      name: "Object",
      cell: (object) =>
        `${textOf(valueAt(object, "involvedObject.kind")).toLowerCase()}/${textOf(valueAt(object, "involvedObject.name"))}`,
    },
    textColumn("Subobject", "involvedObject.fieldPath", true, ""),
    textColumn("Source", "source.component", true, ""),
    { name: "Message", cell: (object) => textOf(valueAt(object, "message")).trim() },
    {
      name: "First Seen",
      isWide: true,
      cell: (object, nowMs) => {
        const seen = valueAt(object, "firstTimestamp");
        return typeof seen === "string" ? humanDuration(nowMs - Date.parse(seen)) : "<unknown>";
      },
    },
    { name: "Count", type: "integer", isWide: true, cell: (object) => Number(valueAt(object, "count") ?? 1) },
    { name: "Name", isWide: true, cell: ({ metadata }) => metadata.name },
  ],
  ...keptColumns,
};

function pairs(labels: Record<string, string> | undefined): string {
  const written = Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return written.length === 0 ? "<none>" : written.toSorted().join(",");
}

function externalAddress({ spec }: Service): string {
  if (spec.type === "ExternalName") return spec.externalName ?? "";
  const own = (spec["externalIPs"] as string[] | undefined) ?? [];
  if (own.length > 0) return own.join(",");
  return spec.type === "LoadBalancer" ? "<pending>" : "<none>";
}

function servicePorts({ spec: { ports = [] } }: Service): string {
  const written = ports.map(({ port, nodePort, protocol = "TCP" }) =>
    nodePort === undefined ? `${port}/${protocol}` : `${port}:${nodePort}/${protocol}`,
  );
  return written.length === 0 ? "<none>" : written.join(",");
}

function endpointsText({ subsets = [] }: Endpoints): string {
  const all = subsets.flatMap(({ addresses = [], ports = [] }) =>
    ports.length === 0
      ? addresses.map(({ ip }) => ip)
      : ports.flatMap(({ port }) =>
          addresses.map(({ ip }) => (ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`)),
        ),
  );
  return firstThree(all, "<none>");
}

function nodeStatus({ spec, status }: NodeObject): string {
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  const words = [ready === undefined ? "Unknown" : ready.status === "True" ? "Ready" : "NotReady"];
  if ((spec as Record<string, unknown>)["unschedulable"] === true) words.push("SchedulingDisabled");
  return words.join(",");
}

function nodeRoles(labels: Record<string, string> | undefined): string {
  const prefix = "node-role.kubernetes.io/";
  const roles = Object.keys(labels ?? {})
    .filter((key) => key.startsWith(prefix))
    .map((key) => key.slice(prefix.length));
  return roles.length === 0 ? "<none>" : roles.toSorted().join(",");
}

function nodeAddress({ status }: NodeObject, wanted: string): string {
  return status?.addresses?.find(({ type }) => type === wanted)?.address ?? "<none>";
}
