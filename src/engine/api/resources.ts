import { isRecord } from "../../core/is-record.ts";
import { ADMIN_POLICY_VERSIONS } from "../../kube/admin-policy-types.ts";
import type { KubeObject } from "../../kube/types.ts";
import { kindKey } from "../store/kinds.ts";
import type { ObjectStore } from "../store/store.ts";

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
  subresources: readonly ("status" | "scale")[];
  /** What the store files its objects under; undefined for a review, which is answered and not kept. */
  key: string | undefined;
}

/** Verbs of a stored resource and of one that is only answered. */
export const STORED_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
export const REVIEW_VERBS = ["create"];

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
    ["pods", "Pod", "ns", "po", "status all"],
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
    subresources: words(more).filter((word) => word === "status" || word === "scale"),
    key: isStored ? kindKey(apiVersion, kind) : undefined,
  };
}

const builtIn: readonly Resource[] = [
  ...Object.entries(BUILT_IN).flatMap(([apiVersion, rows]) => rows.map((row) => resourceOf(apiVersion, row, true))),
  ...Object.entries(REVIEWS).flatMap(([apiVersion, rows]) => rows.map((row) => resourceOf(apiVersion, row, false))),
];

/** `["apps", "v1"]`; the core group is the empty text. */
export function splitApiVersion(apiVersion: string): [group: string, version: string] {
  const slash = apiVersion.indexOf("/");
  return slash < 0 ? ["", apiVersion] : [apiVersion.slice(0, slash), apiVersion.slice(slash + 1)];
}

export function apiVersionOf({ group, version }: { group: string; version: string }): string {
  return group === "" ? version : `${group}/${version}`;
}

/** A resource as messages and kubectl name it: `deployments.apps`. */
export function qualifiedName({ group, name }: { group: string; name: string }): string {
  return group === "" ? name : `${name}.${group}`;
}

/** All resources: those built in, and those that stored CustomResourceDefinitions serve. */
export function resourcesOf(store: ObjectStore): Resource[] {
  const custom = store.all({ kind: "CustomResourceDefinition" }).flatMap(customResources);
  const isNew = (resource: Resource): boolean =>
    !builtIn.some((other) => other.group === resource.group && other.name === resource.name);
  return [...builtIn, ...custom.filter(isNew)];
}

export function findResource(store: ObjectStore, group: string, version: string, name: string): Resource | undefined {
  const isIt = (resource: Resource): boolean =>
    resource.group === group && resource.version === version && resource.name === name;
  return builtIn.find(isIt) ?? resourcesOf(store).find(isIt);
}

/** What a definition serves, one a version; nothing where it is too broken to say (apiextensions/v1). */
function customResources(definition: KubeObject): Resource[] {
  const spec = definition["spec"];
  if (!isRecord(spec) || !isRecord(spec["names"]) || !Array.isArray(spec["versions"])) return [];
  const { names, group } = spec;
  const { kind, plural, singular } = names as Record<string, unknown>;
  if (typeof kind !== "string" || typeof plural !== "string" || typeof group !== "string") return [];
  const texts = (value: unknown): string[] =>
    Array.isArray(value) ? value.filter((each): each is string => typeof each === "string") : [];
  return spec["versions"].filter(isRecord).flatMap((version): Resource[] => {
    if (version["served"] !== true || typeof version["name"] !== "string") return [];
    return [
      {
        group,
        version: version["name"],
        name: plural,
        singular: typeof singular === "string" ? singular : kind.toLowerCase(),
        kind,
        namespaced: spec["scope"] === "Namespaced",
        shortNames: texts((names as Record<string, unknown>)["shortNames"]),
        categories: texts((names as Record<string, unknown>)["categories"]),
        subresources: [],
        key: kindKey(`${group}/${version["name"]}`, kind),
      },
    ];
  });
}
