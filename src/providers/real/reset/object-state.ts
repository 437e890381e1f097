import { splitApiVersion } from "../../../kube/group-version.ts";
import { createHash } from "node:crypto";
import type { KubeObject } from "../../../kube/types.ts";
import { listCollection } from "../api/follow.ts";
import { inParallel } from "../api/in-parallel.ts";
import type { KubernetesApi } from "../api/kubernetes-api.ts";
import type { ApiResource } from "../api/resources.ts";
import { SYSTEM_NAMESPACE } from "../sentinel-objects.ts";

const AT_ONCE = 8;

/** Written by controllers as they go, or made from other objects: they come and go with these. */
const DERIVED = new Set([
  "BlockAffinity",
  "CSINode",
  "CSIStorageCapacity",
  "CalicoNodeStatus",
  "CertificateSigningRequest",
  "ClusterInformation",
  "ComponentStatus",
  "ControllerRevision",
  "EndpointSlice",
  "Endpoints",
  "Event",
  "FlowSchema",
  "IPAMBlock",
  "IPAMConfig",
  "IPAMHandle",
  "IPAddress",
  // Calico's controllers make theirs when they first run, which nothing waits for.
  "KubeControllersConfiguration",
  "Lease",
  "NodeMetrics",
  "PodMetrics",
  "PriorityLevelConfiguration",
  "ResourceSlice",
  "VolumeAttachment",
]);

const VOLATILE_ANNOTATIONS = new Set([
  "deprecated.daemonset.template.generation",
  "deployment.kubernetes.io/revision",
  "kubectl.kubernetes.io/last-applied-configuration",
]);

/** An object as a reset knows it. */
export interface KeptObject {
  object: KubeObject;
  /** Of all that is not the server's or a controller's to write. */
  hash: string;
}

/** All objects that stand for themselves, by {@link keyOf}; the system namespace left out. */
export async function readObjects(api: KubernetesApi): Promise<Map<string, KeptObject>> {
  const kinds = new Map<string, ApiResource>();
  for (const resource of await api.resources.all()) {
    const kind = `${resource.kind}.${resource.group}`;
    const isKept = resource.verbs.includes("list") && resource.verbs.includes("delete") && !DERIVED.has(resource.kind);
    // Events and the like are served by two groups; further versions show the same objects.
    if (isKept && !kinds.has(kind)) kinds.set(kind, resource);
  }
  const lists = await inParallel([...kinds.values()], AT_ONCE, (resource) =>
    listCollection(api.connection, resource, {}),
  );
  const standing = lists.flatMap(({ objects }) => objects).filter(isStanding);
  return new Map(standing.map((object) => [keyOf(object), { object, hash: hashOf(object) }]));
}

/** `NetworkPolicy.networking.k8s.io shop/deny`. */
export function keyOf({ apiVersion, kind, metadata: { namespace, name } }: KubeObject): string {
  const [group] = splitApiVersion(apiVersion);
  return `${kind}${group === "" ? "" : `.${group}`} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
}

function isStanding({ kind, metadata }: KubeObject): boolean {
  if (metadata.namespace === SYSTEM_NAMESPACE || (kind === "Namespace" && metadata.name === SYSTEM_NAMESPACE))
    return false;
  const isAutomatic = metadata.labels?.["kube-aggregator.kubernetes.io/automanaged"] !== undefined;
  return (metadata.ownerReferences ?? []).length === 0 && !isAutomatic;
}

/** Equal for equal wishes: what `status`, controllers' annotations and the server's bookkeeping say does not count. */
export function hashOf(object: KubeObject): string {
  return createHash("sha256")
    .update(JSON.stringify(sorted(wishOf(object))))
    .digest("hex");
}

function wishOf(object: KubeObject): unknown {
  const { status: _status, metadata, ...rest } = object;
  if (object.kind === "Node" && object.apiVersion === "v1") return nodeWish(object);
  const annotations = Object.entries(metadata.annotations ?? {}).filter(([key]) => !VOLATILE_ANNOTATIONS.has(key));
  return { ...rest, labels: metadata.labels ?? {}, annotations: Object.fromEntries(annotations) };
}

/** What a user sets of a node; agents write annotations, the node controller taints of its own. */
export function nodeWish(node: KubeObject): {
  labels: Record<string, string>;
  taints: unknown[];
  unschedulable: boolean;
} {
  const { taints = [], unschedulable = false } = (node["spec"] ?? {}) as {
    taints?: { key: string; value?: string; effect: string }[];
    unschedulable?: boolean;
  };
  const own = taints.filter(({ key }) => !key.startsWith("node.kubernetes.io/"));
  return {
    labels: node.metadata.labels ?? {},
    taints: own.map(({ key, value, effect }) => ({ key, effect, ...(value === undefined ? {} : { value }) })),
    unschedulable,
  };
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}
