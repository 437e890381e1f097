import type { ColumnSpec } from "./column.ts";
import { customResources } from "./custom-resources.ts";
import { ADMIN_POLICY_VERSIONS } from "../../kube/admin-policy-types.ts";
import type { OpenApiSchema } from "../../kube/api-schemas.ts";
import { splitApiVersion } from "../../kube/group-version.ts";
import { kindKey } from "../store/kinds.ts";
import type { ObjectStore } from "../store/store.ts";

const SUBRESOURCES = ["status", "scale", "eviction"] as const;
export type Subresource = (typeof SUBRESOURCES)[number];

/** Where a custom resource has what its scale shows, by the names of the fields; `selector` is empty where nothing has one. */
export interface ScalePaths {
  replicas: readonly string[];
  ready: readonly string[];
  selector: readonly string[];
}

/** A resource as discovery tells of it (meta/v1 APIResource). */
export interface Resource {
  group: string;
  version: string;
  /** Plural, as paths have it. */
  name: string;
  singular: string;
  kind: string;
  namespaced: boolean;
  shortNames: readonly string[];
  categories: readonly string[];
  subresources: readonly Subresource[];
  /** Of a custom resource: the columns of its table, but for the name. */
  columns?: () => readonly ColumnSpec[] | undefined;
  verbs: readonly string[];
  /** Of a custom resource: its version's `openAPIV3Schema`, where it has one. */
  schema?: OpenApiSchema;
  /** Of a custom resource that can be scaled. */
  scalePaths?: ScalePaths;
  /** What the store files its objects under; undefined for what is answered and not kept: reviews and figures. */
  key: string | undefined;
}

const STORED_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const REVIEW_VERBS = ["create"];

type Row = readonly [name: string, kind: string, scope: "ns" | "all", short?: string, more?: string];

/** `kubectl api-resources` of 1.34: plural, kind, scope, short names; then subresources, and "all" for the category. */
const BUILT_IN: Readonly<Record<string, readonly Row[]>> = {
  v1: [
    ["configmaps", "ConfigMap", "ns", "cm"],
    ["endpoints", "Endpoints", "ns", "ep"],
    ["events", "Event", "ns", "ev"],
    ["limitranges", "LimitRange", "ns", "limits"],
    ["namespaces", "Namespace", "all", "ns", "status"],
    ["nodes", "Node", "all", "no", "status"],
    ["persistentvolumeclaims", "PersistentVolumeClaim", "ns", "pvc", "status"],
    ["persistentvolumes", "PersistentVolume", "all", "pv", "status"],
    ["pods", "Pod", "ns", "po", "status eviction all"],
    ["replicationcontrollers", "ReplicationController", "ns", "rc", "status scale all"],
    ["resourcequotas", "ResourceQuota", "ns", "quota", "status"],
    ["secrets", "Secret", "ns"],
    ["serviceaccounts", "ServiceAccount", "ns", "sa"],
    ["services", "Service", "ns", "svc", "status all"],
  ],
  "apiextensions.k8s.io/v1": [["customresourcedefinitions", "CustomResourceDefinition", "all", "crd crds", "status"]],
  "apps/v1": [
    ["controllerrevisions", "ControllerRevision", "ns"],
    ["daemonsets", "DaemonSet", "ns", "ds", "status all"],
    ["deployments", "Deployment", "ns", "deploy", "status scale all"],
    ["replicasets", "ReplicaSet", "ns", "rs", "status scale all"],
    ["statefulsets", "StatefulSet", "ns", "sts", "status scale all"],
  ],
  "autoscaling/v2": [["horizontalpodautoscalers", "HorizontalPodAutoscaler", "ns", "hpa", "status all"]],
  "batch/v1": [
    ["cronjobs", "CronJob", "ns", "cj", "status all"],
    ["jobs", "Job", "ns", "", "status all"],
  ],
  "coordination.k8s.io/v1": [["leases", "Lease", "ns"]],
  "discovery.k8s.io/v1": [["endpointslices", "EndpointSlice", "ns"]],
  "networking.k8s.io/v1": [
    ["ingressclasses", "IngressClass", "all"],
    ["ingresses", "Ingress", "ns", "ing", "status"],
    ["networkpolicies", "NetworkPolicy", "ns", "netpol"],
  ],
  "node.k8s.io/v1": [["runtimeclasses", "RuntimeClass", "all"]],
  "policy/v1": [["poddisruptionbudgets", "PodDisruptionBudget", "ns", "pdb", "status"]],
  [ADMIN_POLICY_VERSIONS.AdminNetworkPolicy]: [
    ["adminnetworkpolicies", "AdminNetworkPolicy", "all", "anp", "status"],
    ["baselineadminnetworkpolicies", "BaselineAdminNetworkPolicy", "all", "banp", "status"],
  ],
  [ADMIN_POLICY_VERSIONS.ClusterNetworkPolicy]: [
    ["clusternetworkpolicies", "ClusterNetworkPolicy", "all", "cnp", "status"],
  ],
  "rbac.authorization.k8s.io/v1": [
    ["clusterrolebindings", "ClusterRoleBinding", "all"],
    ["clusterroles", "ClusterRole", "all"],
    ["rolebindings", "RoleBinding", "ns"],
    ["roles", "Role", "ns"],
  ],
  "scheduling.k8s.io/v1": [["priorityclasses", "PriorityClass", "all", "pc"]],
  "storage.k8s.io/v1": [["storageclasses", "StorageClass", "all", "sc"]],
};

const REVIEWS: Readonly<Record<string, readonly Row[]>> = {
  "authentication.k8s.io/v1": [["selfsubjectreviews", "SelfSubjectReview", "all"]],
  "authorization.k8s.io/v1": [
    ["selfsubjectaccessreviews", "SelfSubjectAccessReview", "all"],
    ["selfsubjectrulesreviews", "SelfSubjectRulesReview", "all"],
  ],
};

const words = (text: string | undefined): string[] => (text ?? "").split(" ").filter((word) => word !== "");

function resourceOf(apiVersion: string, row: Row, isStored: boolean): Resource {
  const [name, kind, scope, short, more] = row;
  const [group, version] = splitApiVersion(apiVersion);
  return {
    group,
    version,
    name,
    singular: kind.toLowerCase(),
    kind,
    namespaced: scope === "ns",
    shortNames: words(short),
    categories: words(more).filter((word) => word === "all"),
    subresources: SUBRESOURCES.filter((word) => words(more).includes(word)),
    verbs: isStored ? STORED_VERBS : REVIEW_VERBS,
    key: isStored ? kindKey(apiVersion, kind) : undefined,
  };
}

const builtIn: readonly Resource[] = [
  ...Object.entries(BUILT_IN).flatMap(([apiVersion, rows]) => rows.map((row) => resourceOf(apiVersion, row, true))),
  ...Object.entries(REVIEWS).flatMap(([apiVersion, rows]) => rows.map((row) => resourceOf(apiVersion, row, false))),
];

/** A resource as messages and kubectl name it: `deployments.apps`. */
export function qualifiedName({ group, name }: { group: string; name: string }): string {
  return group === "" ? name : `${name}.${group}`;
}

/** All resources: those built in, and those that stored CustomResourceDefinitions serve. */
export function resourcesOf(store: ObjectStore): Resource[] {
  const custom = store
    .all({ kind: "CustomResourceDefinition" })
    .flatMap((definition) => customResources(definition, STORED_VERBS));
  const isNew = (resource: Resource): boolean =>
    !builtIn.some((other) => other.group === resource.group && other.name === resource.name);
  return [...builtIn, ...custom.filter(isNew)];
}

export function findResource(store: ObjectStore, group: string, version: string, name: string): Resource | undefined {
  const isIt = (resource: Resource): boolean =>
    resource.group === group && resource.version === version && resource.name === name;
  return builtIn.find(isIt) ?? resourcesOf(store).find(isIt);
}
