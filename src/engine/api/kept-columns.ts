import { isRecord } from "../../core/is-record.ts";
import type { KubeObject } from "../../kube/types.ts";
import { countColumn, textColumn, textOf, valueAt, type ColumnSpec } from "./column.ts";
import { humanDuration } from "./human-duration.ts";

type Columns = readonly (ColumnSpec | "name" | "age")[];

const createdAt: Columns = ["name", { name: "Created At", cell: ({ metadata }) => metadata.creationTimestamp }];

/** A path's list; empty where there is none. */
function listAt(object: KubeObject, path: string): unknown[] {
  const value = valueAt(object, path);
  return Array.isArray(value) ? (value as unknown[]) : [];
}

/** Names or images of a pod template's containers. */
function containerColumn(name: string, template: string, field: string): ColumnSpec {
  return {
    name,
    isWide: true,
    cell: (object) =>
      listAt(object, `${template}.spec.containers`)
        .map((container) => textOf(valueAt(container, field)))
        .join(","),
  };
}

function templateColumns(template: string): ColumnSpec[] {
  return [containerColumn("Containers", template, "name"), containerColumn("Images", template, "image")];
}

/** Label pairs of a selector. */
function labelsColumn(path: string): ColumnSpec {
  return {
    name: "Selector",
    isWide: true,
    cell: (object) => {
      const labels = valueAt(object, path);
      const pairs = isRecord(labels) ? Object.entries(labels).map(([key, value]) => `${key}=${textOf(value)}`) : [];
      return pairs.toSorted().join(",") || "<none>";
    },
  };
}

function jobStatus(object: KubeObject): string {
  const isTrue = (type: string): boolean =>
    listAt(object, "status.conditions").some(
      (condition) => valueAt(condition, "type") === type && valueAt(condition, "status") === "True",
    );
  if (isTrue("Complete")) return "Complete";
  if (isTrue("Failed")) return "Failed";
  if (object.metadata.deletionTimestamp !== undefined) return "Terminating";
  if (isTrue("Suspended")) return "Suspended";
  return "Running";
}

function jobCompletions(object: KubeObject): string {
  const done = textOf(valueAt(object, "status.succeeded") ?? 0);
  const wanted = valueAt(object, "spec.completions");
  const parallel = Number(valueAt(object, "spec.parallelism") ?? 1);
  if (wanted !== undefined) return `${done}/${textOf(wanted)}`;
  return parallel > 1 ? `${done}/1 of ${parallel}` : `${done}/1`;
}

function jobDuration(object: KubeObject, nowMs: number): string {
  const [start, end] = ["status.startTime", "status.completionTime"].map((path) => valueAt(object, path));
  if (typeof start !== "string") return "";
  return humanDuration((typeof end === "string" ? Date.parse(end) : nowMs) - Date.parse(start));
}

/** `pods: 0/3`, of requests or of limits. */
function quotaColumn(name: string, isLimit: boolean): ColumnSpec {
  return {
    name,
    cell: (object) => {
      const hard = valueAt(object, "status.hard");
      if (!isRecord(hard)) return "";
      const of = Object.keys(hard).filter((resource) => resource.startsWith("limits.") === isLimit);
      const used = valueAt(object, "status.used");
      return of
        .toSorted()
        .map(
          (resource) => `${resource}: ${textOf(isRecord(used) ? used[resource] : undefined)}/${textOf(hard[resource])}`,
        )
        .join(", ");
    },
  };
}

function subjects(name: string, kind: string): ColumnSpec {
  return {
    name,
    isWide: true,
    cell: (object) =>
      listAt(object, "subjects")
        .filter((subject) => valueAt(subject, "kind") === kind)
        .map((subject) => {
          const own = textOf(valueAt(subject, "name"));
          return kind === "ServiceAccount" ? `${textOf(valueAt(subject, "namespace"))}/${own}` : own;
        })
        .join(", "),
  };
}

const binding: Columns = [
  "name",
  {
    name: "Role",
    cell: (object) => `${textOf(valueAt(object, "roleRef.kind"))}/${textOf(valueAt(object, "roleRef.name"))}`,
  },
  "age",
  subjects("Users", "User"),
  subjects("Groups", "Group"),
  subjects("ServiceAccounts", "ServiceAccount"),
];

const MODES: Readonly<Record<string, string>> = {
  ReadWriteOnce: "RWO",
  ReadOnlyMany: "ROX",
  ReadWriteMany: "RWX",
  ReadWriteOncePod: "RWOP",
};

const accessModes = (path: string): ColumnSpec => ({
  name: "Access Modes",
  cell: (object) =>
    listAt(object, path)
      .map((mode) => MODES[textOf(mode)] ?? "")
      .join(","),
});

/** A claim that is bound shows what it has; one that is not shows nothing. */
const VOLUME_COLUMNS = [
  textColumn("StorageClass", "spec.storageClassName", false, ""),
  textColumn("VolumeAttributesClass", "spec.volumeAttributesClassName", false, "<unset>"),
];
const volumeMode = textColumn("VolumeMode", "spec.volumeMode", true, "Filesystem");

/** Columns of kinds that are kept here and not interpreted (pkg/printers/internalversion/printers.go). */
export const keptColumns: Readonly<Record<string, Columns>> = {
  CustomResourceDefinition: createdAt,
  Role: createdAt,
  ClusterRole: createdAt,
  LimitRange: createdAt,
  RoleBinding: binding,
  ClusterRoleBinding: binding,
  Job: [
    "name",
    { name: "Status", cell: jobStatus },
    { name: "Completions", cell: jobCompletions },
    { name: "Duration", cell: jobDuration },
    "age",
    ...templateColumns("spec.template"),
    labelsColumn("spec.selector.matchLabels"),
  ],
  CronJob: [
    "name",
    textColumn("Schedule", "spec.schedule"),
    textColumn("Timezone", "spec.timeZone"),
    { name: "Suspend", cell: (object) => (valueAt(object, "spec.suspend") === true ? "True" : "False") },
    { name: "Active", type: "integer", cell: (object) => listAt(object, "status.active").length },
    {
      name: "Last Schedule",
      cell: (object, nowMs) => {
        const last = valueAt(object, "status.lastScheduleTime");
        return typeof last === "string" ? humanDuration(nowMs - Date.parse(last)) : "<none>";
      },
    },
    "age",
    ...templateColumns("spec.jobTemplate.spec.template"),
    labelsColumn("spec.jobTemplate.spec.selector.matchLabels"),
  ],
  PodDisruptionBudget: [
    "name",
    textColumn("Min Available", "spec.minAvailable", false, "N/A"),
    textColumn("Max Unavailable", "spec.maxUnavailable", false, "N/A"),
    countColumn("Allowed Disruptions", "status.disruptionsAllowed"),
    "age",
  ],
  PriorityClass: [
    "name",
    countColumn("Value", "value"),
    { name: "Global-Default", cell: (object) => valueAt(object, "globalDefault") === true },
    "age",
    textColumn("PreemptionPolicy", "preemptionPolicy", false, "PreemptLowerPriority"),
  ],
  ResourceQuota: ["name", quotaColumn("Request", false), quotaColumn("Limit", true), "age"],
  ReplicationController: [
    "name",
    countColumn("Desired", "spec.replicas"),
    countColumn("Current", "status.replicas"),
    countColumn("Ready", "status.readyReplicas"),
    "age",
    ...templateColumns("spec.template"),
    labelsColumn("spec.selector"),
  ],
  PersistentVolume: [
    "name",
    textColumn("Capacity", "spec.capacity.storage", false, ""),
    accessModes("spec.accessModes"),
    textColumn("Reclaim Policy", "spec.persistentVolumeReclaimPolicy", false, "Retain"),
    textColumn("Status", "status.phase", false, "Pending"),
    {
      name: "Claim",
      cell: (object) =>
        valueAt(object, "spec.claimRef") === undefined
          ? ""
          : `${textOf(valueAt(object, "spec.claimRef.namespace"))}/${textOf(valueAt(object, "spec.claimRef.name"))}`,
    },
    ...VOLUME_COLUMNS,
    textColumn("Reason", "status.reason", false, ""),
    "age",
    volumeMode,
  ],
  PersistentVolumeClaim: [
    "name",
    textColumn("Status", "status.phase", false, "Pending"),
    textColumn("Volume", "spec.volumeName", false, ""),
    textColumn("Capacity", "status.capacity.storage", false, ""),
    accessModes("status.accessModes"),
    ...VOLUME_COLUMNS,
    "age",
    volumeMode,
  ],
  StorageClass: [
    {
      name: "Name",
      cell: ({ metadata: { name, annotations } }) =>
        annotations?.["storageclass.kubernetes.io/is-default-class"] === "true" ? `${name} (default)` : name,
    },
    textColumn("Provisioner", "provisioner"),
    textColumn("ReclaimPolicy", "reclaimPolicy", false, "Delete"),
    textColumn("VolumeBindingMode", "volumeBindingMode", false, "Immediate"),
    { name: "AllowVolumeExpansion", cell: (object) => valueAt(object, "allowVolumeExpansion") === true },
    "age",
  ],
  RuntimeClass: ["name", textColumn("Handler", "handler"), "age"],
  Lease: ["name", textColumn("Holder", "spec.holderIdentity", false, ""), "age"],
};
