import { splitApiVersion } from "../../kube/group-version.ts";
import type { AdminPolicy } from "../../kube/admin-policy-types.ts";
import type { Gateway, GatewayClass, HttpRoute, ReferenceGrant } from "../../kube/gateway/gateway-types.ts";
import type { Ingress, IngressClass } from "../../kube/ingress.ts";
import type { ControllerRevision, DaemonSet, StatefulSet } from "../../kube/set-types.ts";
import type {
  Deployment,
  Endpoints,
  EndpointSlice,
  KubeObject,
  Namespace,
  NetworkPolicy,
  NodeObject,
  Pod,
  ReplicaSet,
  Service,
} from "../../kube/types.ts";

/** The kinds that the engine reads and writes, by their name in the API. */
export interface InterpretedKinds {
  Namespace: Namespace;
  Node: NodeObject;
  Pod: Pod;
  Service: Service;
  Endpoints: Endpoints;
  EndpointSlice: EndpointSlice;
  ReplicaSet: ReplicaSet;
  Deployment: Deployment;
  StatefulSet: StatefulSet;
  DaemonSet: DaemonSet;
  ControllerRevision: ControllerRevision;
  NetworkPolicy: NetworkPolicy;
  Ingress: Ingress;
  IngressClass: IngressClass;
  GatewayClass: GatewayClass;
  Gateway: Gateway;
  HTTPRoute: HttpRoute;
  ReferenceGrant: ReferenceGrant;
  AdminNetworkPolicy: AdminPolicy;
  BaselineAdminNetworkPolicy: AdminPolicy;
  ClusterNetworkPolicy: AdminPolicy;
}

interface KindFacts {
  group: string;
  namespaced: boolean;
  /** Has a status subresource: writes of the object leave status alone, and writes of the status the rest. */
  hasStatus: boolean;
}

const spaced = (group: string, hasStatus = false): KindFacts => ({ group, namespaced: true, hasStatus });
const clusterWide = (group: string, hasStatus = false): KindFacts => ({ group, namespaced: false, hasStatus });

/** Built-in kinds (`kubectl api-resources` of 1.31) that labs are likely to hold, interpreted or not. */
const builtIn: Readonly<Record<string, KindFacts>> = {
  Namespace: clusterWide("", true),
  Node: clusterWide("", true),
  Pod: spaced("", true),
  Service: spaced("", true),
  Endpoints: spaced(""),
  ConfigMap: spaced(""),
  Secret: spaced(""),
  Event: spaced(""),
  ServiceAccount: spaced(""),
  LimitRange: spaced(""),
  ResourceQuota: spaced("", true),
  PersistentVolume: clusterWide("", true),
  PersistentVolumeClaim: spaced("", true),
  ReplicationController: spaced("", true),
  Deployment: spaced("apps", true),
  ReplicaSet: spaced("apps", true),
  StatefulSet: spaced("apps", true),
  DaemonSet: spaced("apps", true),
  ControllerRevision: spaced("apps"),
  Job: spaced("batch", true),
  CronJob: spaced("batch", true),
  EndpointSlice: spaced("discovery.k8s.io"),
  NetworkPolicy: spaced("networking.k8s.io"),
  Ingress: spaced("networking.k8s.io", true),
  IngressClass: clusterWide("networking.k8s.io"),
  PodDisruptionBudget: spaced("policy", true),
  HorizontalPodAutoscaler: spaced("autoscaling", true),
  Lease: spaced("coordination.k8s.io"),
  Role: spaced("rbac.authorization.k8s.io"),
  RoleBinding: spaced("rbac.authorization.k8s.io"),
  ClusterRole: clusterWide("rbac.authorization.k8s.io"),
  ClusterRoleBinding: clusterWide("rbac.authorization.k8s.io"),
  StorageClass: clusterWide("storage.k8s.io"),
  PriorityClass: clusterWide("scheduling.k8s.io"),
  RuntimeClass: clusterWide("node.k8s.io"),
  CustomResourceDefinition: clusterWide("apiextensions.k8s.io", true),
  // No built-in kinds: a cluster has them by definitions of their own, which labs need not apply here.
  AdminNetworkPolicy: clusterWide("policy.networking.k8s.io", true),
  BaselineAdminNetworkPolicy: clusterWide("policy.networking.k8s.io", true),
  ClusterNetworkPolicy: clusterWide("policy.networking.k8s.io", true),
  GatewayClass: clusterWide("gateway.networking.k8s.io", true),
  Gateway: spaced("gateway.networking.k8s.io", true),
  HTTPRoute: spaced("gateway.networking.k8s.io", true),
  ReferenceGrant: spaced("gateway.networking.k8s.io"),
};

/** Own keys only: a kind may be any word, such as `constructor`. */
function builtInKind(key: string): KindFacts | undefined {
  return Object.hasOwn(builtIn, key) ? builtIn[key] : undefined;
}

/**
 * What the store files objects under: the kind for built-in ones ("Service"), `Kind.group` for all others, as kubectl
 * writes them ("Service.serving.knative.dev"), so that a stranger's kind of the same name is never taken for ours.
 */
export function kindKey(apiVersion: string, kind: string): string {
  const [group] = splitApiVersion(apiVersion);
  return group === "" || builtInKind(kind)?.group === group ? kind : `${kind}.${group}`;
}

/** Whether `key` (see {@link kindKey}) is one that a reference by `kind` alone means. */
export function isKindMeant(key: string, kind: string): boolean {
  return key === kind || (builtInKind(kind) === undefined && key.startsWith(`${kind}.`));
}

/**
 * Whether objects of the kind live in a namespace. A kind that is not built in is what its CustomResourceDefinition
 * says (`crdScope`); without one, an object that names a namespace lives there and one that does not is cluster-wide.
 */
export function isNamespaced(
  object: KubeObject,
  crdScope: (group: string, kind: string) => string | undefined,
): boolean {
  const facts = builtInKind(kindKey(object.apiVersion, object.kind));
  if (facts !== undefined) return facts.namespaced;
  const scope = crdScope(splitApiVersion(object.apiVersion)[0], object.kind);
  return scope === undefined ? object.metadata.namespace !== undefined : scope === "Namespaced";
}

/** Built-in kinds whose objects count no generations (their registry strategies leave it out); Pods count them since 1.33. */
const UNCOUNTED = new Set([
  "Namespace",
  "Node",
  "Service",
  "Endpoints",
  "ConfigMap",
  "Secret",
  "Event",
  "ServiceAccount",
  "LimitRange",
  "ResourceQuota",
  "PersistentVolume",
  "PersistentVolumeClaim",
  "ControllerRevision",
  "HorizontalPodAutoscaler",
  "Lease",
  "Role",
  "RoleBinding",
  "ClusterRole",
  "ClusterRoleBinding",
  "StorageClass",
  "RuntimeClass",
]);

/** Whether the kind's objects have a `metadata.generation`. */
export function hasGeneration(key: string): boolean {
  return !UNCOUNTED.has(key);
}

/** Whether writes of the kind's objects and of their status are apart; kinds that are not built in are kept whole. */
export function hasStatus(key: string): boolean {
  return builtInKind(key)?.hasStatus ?? false;
}
