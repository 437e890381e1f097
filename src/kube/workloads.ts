import { externalAddressesOf } from "./load-balancers.ts";
import { isPodReady, isPodTerminal, podAddresses } from "./pods.ts";
import { matchesSelector } from "./selectors.ts";
import type { Endpoints, EndpointSlice, KubeObject, LabelSelector, Pod, Service } from "./types.ts";

/** Kinds that own pods, as a lab file's references name them, and as the API does. */
const WORKLOAD_KINDS = {
  deployment: "Deployment",
  replicaset: "ReplicaSet",
  statefulset: "StatefulSet",
  daemonset: "DaemonSet",
} as const;

/** The word a reference uses for a workload's kind. */
export type WorkloadWord = keyof typeof WORKLOAD_KINDS;

/** The API's kind for a reference's word. */
export function workloadKind(word: WorkloadWord): string {
  return WORKLOAD_KINDS[word];
}

/** The object of this kind and name, or undefined. */
export function findObject(
  objects: readonly KubeObject[],
  kind: string,
  namespace: string | undefined,
  name: string,
): KubeObject | undefined {
  return objects.find(
    (object) => object.kind === kind && object.metadata.name === name && object.metadata.namespace === namespace,
  );
}

function isPod(object: KubeObject): object is Pod {
  return object.kind === "Pod";
}

/** All pods that have not ended, sorted by namespace and name. */
export function livePods(objects: readonly KubeObject[]): Pod[] {
  return objects
    .filter(isPod)
    .filter((pod) => !isPodTerminal(pod) && pod.metadata.deletionTimestamp === undefined)
    .toSorted((a, b) => (podName(a) < podName(b) ? -1 : 1));
}

/** `NAMESPACE/NAME`. */
export function podName(pod: Pod): string {
  return `${pod.metadata.namespace ?? "default"}/${pod.metadata.name}`;
}

/**
 * The live pods that a workload owns, ready or not, sorted by name: by owner references down through its ReplicaSets,
 * since two workloads' selectors may overlap; where an object has no uid, by the selector. Undefined when the workload
 * does not exist.
 */
export function podsOfWorkload(
  objects: readonly KubeObject[],
  word: WorkloadWord,
  namespace: string,
  name: string,
): Pod[] | undefined {
  const workload = findObject(objects, workloadKind(word), namespace, name);
  if (workload === undefined) return undefined;
  const pods = livePods(objects).filter((pod) => pod.metadata.namespace === namespace);
  if (workload.metadata.uid === undefined) {
    const selector = (workload["spec"] as { selector?: LabelSelector } | undefined)?.selector;
    return pods.filter((pod) => matchesSelector(selector, pod.metadata.labels));
  }
  const owners = new Set([workload.metadata.uid]);
  for (const object of objects) {
    if (object.kind === "ReplicaSet" && object.metadata.uid !== undefined && isOwned(object, owners)) {
      owners.add(object.metadata.uid);
    }
  }
  return pods.filter((pod) => isOwned(pod, owners));
}

function isOwned(object: KubeObject, uids: ReadonlySet<string>): boolean {
  return (object.metadata.ownerReferences ?? []).some(({ uid }) => uids.has(uid));
}

/** A ready endpoint of a Service port: where kube-proxy sends what comes to the Service. */
export interface ServiceBackend {
  address: string;
  /** The pod's own port; undefined where the question named none. */
  port?: number;
  pod?: { namespace: string; name: string };
}

/**
 * The ready endpoints behind a Service, sorted by address: from its EndpointSlices, else its Endpoints. With `port` (the
 * Service's number) and protocol only those of that port; a port that the Service does not have has none.
 */
export function serviceBackends(
  objects: readonly KubeObject[],
  service: Service,
  port?: number,
  protocol: "TCP" | "UDP" = "TCP",
): ServiceBackend[] {
  const wanted = servicePort(service, port, protocol);
  if (port !== undefined && wanted === undefined) return [];
  const pick = (
    ports: readonly { name?: string; port?: number; protocol?: string }[] | undefined,
  ): number | undefined =>
    ports?.find((each) => (each.name ?? "") === (wanted?.name ?? "") && (each.protocol ?? "TCP") === protocol)?.port;
  const namespace = service.metadata.namespace;
  const slices = objects.filter(
    (object): object is EndpointSlice =>
      object.kind === "EndpointSlice" &&
      object.metadata.namespace === namespace &&
      object.metadata.labels?.["kubernetes.io/service-name"] === service.metadata.name,
  );
  const found = new Map<string, ServiceBackend>();
  const add = (
    address: string,
    backendPort: number | undefined,
    target: { kind?: string; namespace?: string; name?: string } | undefined,
  ): void => {
    if (port !== undefined && backendPort === undefined) return;
    found.set(`${address} ${backendPort ?? ""}`, {
      address,
      ...(port === undefined || backendPort === undefined ? {} : { port: backendPort }),
      ...(target?.kind === "Pod" && target.name !== undefined
        ? { pod: { namespace: target.namespace ?? namespace ?? "default", name: target.name } }
        : {}),
    });
  };
  for (const slice of slices) {
    for (const endpoint of slice.endpoints) {
      // "ready" unset means true (discovery.k8s.io/v1 EndpointConditions).
      if (endpoint.conditions?.ready === false) continue;
      for (const address of endpoint.addresses) add(address, pick(slice.ports), endpoint.targetRef);
    }
  }
  if (slices.length === 0) {
    const endpoints = findObject(objects, "Endpoints", namespace, service.metadata.name) as Endpoints | undefined;
    for (const subset of endpoints?.subsets ?? []) {
      for (const { ip, targetRef } of subset.addresses ?? []) add(ip, pick(subset.ports), targetRef);
    }
  }
  return [...found.values()].toSorted((a, b) => (a.address < b.address ? -1 : 1));
}

function servicePort(
  service: Service,
  port: number | undefined,
  protocol: "TCP" | "UDP",
): { name?: string; port: number } | undefined {
  if (port === undefined) return undefined;
  return service.spec.ports?.find((each) => each.port === port && (each.protocol ?? "TCP") === protocol);
}

/** A Service's cluster IPs, one a family; empty for a headless Service. */
export function clusterIps(service: Service): string[] {
  const listed = service.spec.clusterIPs ?? (service.spec.clusterIP === undefined ? [] : [service.spec.clusterIP]);
  return listed.filter((address) => address !== "None" && address !== "");
}

/** The live pod that holds the address; pods on the host network share their node's and are left out. */
export function podAt(objects: readonly KubeObject[], address: string): Pod | undefined {
  return livePods(objects).find((pod) => pod.spec.hostNetwork !== true && podAddresses(pod).includes(address));
}

/** The Service that kube-proxy leads to at this address: its cluster IP, its load balancer's, one of its externalIPs. */
export function serviceAt(objects: readonly KubeObject[], address: string): Service | undefined {
  return objects.find(
    (object): object is Service => object.kind === "Service" && addressesOf(object as Service).includes(address),
  );
}

/** All at which kube-proxy leads to it: those of the cluster, of its load balancer, and externalIPs. */
function addressesOf(service: Service): string[] {
  return [...clusterIps(service), ...externalAddressesOf(service)];
}

/** The first ready pod by name; undefined when none is. */
export function firstReady(pods: readonly Pod[]): Pod | undefined {
  return pods.find(isPodReady);
}
