import { isNodeReady } from "../../kube/nodes.ts";
import { isPodReady, isPodTerminal, podAddresses } from "../../kube/pods.ts";
import { matchesLabels } from "../../kube/selectors.ts";
import type { EndpointSlice, KubeObject, Pod, PodCondition, Service } from "../../kube/types.ts";
import type { ObjectQuery } from "./api/follow.ts";

/** What {@link unsettled} looks at. */
export const QUIET_QUERIES: readonly ObjectQuery[] = [
  { kind: "Deployment" },
  { kind: "ReplicaSet" },
  { kind: "StatefulSet" },
  { kind: "DaemonSet" },
  { kind: "Pod" },
  { kind: "Service" },
  { kind: "EndpointSlice" },
  { kind: "Node" },
  { kind: "Event", apiVersion: "v1", fieldSelector: "type=Warning" },
];

/** Events that say that a pod gets no further by itself: its network, its volumes, its probe. */
const FAILURES = new Set(["FailedCreatePodSandBox", "FailedMount", "FailedAttachVolume", "Unhealthy"]);
/** Waiting reasons that pass by themselves. */
const PASSING = new Set(["ContainerCreating", "PodInitializing"]);

/**
 * What controllers, scheduler and kubelets have still to do, in a sentence, or undefined when they are done. A pod that
 * cannot get further (unschedulable, crashing, without image, not ready by its own probe, on a node that is out) is done.
 */
export function unsettled(ours: readonly KubeObject[], isOut: (node: string) => boolean): string | undefined {
  const failed = new Set(ours.filter(({ kind }) => kind === "Event").flatMap(failedUid));
  const pods = ours.filter((object): object is Pod => object.kind === "Pod");
  const nodes = new Map(ours.filter(({ kind }) => kind === "Node").map((node) => [node.metadata.name, node]));
  const isStranded = ({ spec: { nodeName } }: Pod): boolean =>
    nodeName !== undefined && (isOut(nodeName) || !isNodeReady(nodes.get(nodeName)));
  const isDone = (pod: Pod): boolean => isStranded(pod) || podBusy(pod, failed) === undefined;
  /** Of an owner whose rollout waits for pods: none of them will get ready by itself. */
  const isHeldUp = (owner: KubeObject): boolean =>
    pods.some((pod) => belongs(pod, owner, ours) && !isPodReady(pod) && isDone(pod));

  for (const pod of pods) {
    if (isStranded(pod)) continue;
    const busy = podBusy(pod, failed);
    if (busy !== undefined) return `pod ${nameOf(pod)} ${busy}`;
  }
  for (const object of ours) {
    const busy = workloadBusy(object);
    if (busy !== undefined && !isHeldUp(object)) return `${object.kind} ${nameOf(object)} ${busy}`;
  }
  const slices = ours.filter((object): object is EndpointSlice => object.kind === "EndpointSlice");
  for (const object of ours) {
    if (object.kind !== "Service") continue;
    const busy = serviceBusy(object as Service, pods, slices);
    if (busy !== undefined) return `Service ${nameOf(object)} ${busy}`;
  }
  return undefined;
}

function nameOf({ metadata: { namespace, name } }: KubeObject): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

function failedUid(event: KubeObject): string[] {
  const { reason, involvedObject } = event as KubeObject & { reason?: string; involvedObject?: { uid?: string } };
  return FAILURES.has(reason ?? "") && involvedObject?.uid !== undefined ? [involvedObject.uid] : [];
}

function belongs(pod: Pod, owner: KubeObject, objects: readonly KubeObject[]): boolean {
  const uids = (pod.metadata.ownerReferences ?? []).map(({ uid }) => uid);
  if (owner.metadata.uid !== undefined && uids.includes(owner.metadata.uid)) return true;
  return objects.some(
    (object) =>
      object.kind === "ReplicaSet" &&
      uids.includes(object.metadata.uid ?? "") &&
      (object.metadata.ownerReferences ?? []).some(({ uid }) => uid === owner.metadata.uid),
  );
}

/** What the pod is still on its way to by itself. */
function podBusy(pod: Pod, failed: ReadonlySet<string>): string | undefined {
  if (isPodTerminal(pod) || pod.metadata.deletionTimestamp !== undefined) return undefined;
  const scheduled = pod.status?.conditions?.find(({ type }) => type === "PodScheduled");
  if (scheduled?.status === "False") return undefined;
  if (pod.spec.nodeName === undefined) return "is not scheduled yet";
  if (failed.has(pod.metadata.uid ?? "")) return undefined;
  const { initContainerStatuses = [] } = (pod.status ?? {}) as { initContainerStatuses?: Status[] };
  const statuses = (pod.status?.containerStatuses ?? []) as Status[];
  const waiting = statuses.filter(({ state }) => state.waiting !== undefined);
  const isStarting = statuses.length === 0 || waiting.some(({ state }) => PASSING.has(state.waiting?.reason ?? ""));
  // An init container that runs, or fails, may do so for ever.
  const isHeldByInit = initContainerStatuses.some(
    ({ state }) =>
      state.running !== undefined || (state.waiting !== undefined && !PASSING.has(state.waiting.reason ?? "")),
  );
  if (isHeldByInit) return undefined;
  if (isStarting) return "is still being started";
  const isBroken = waiting.length > 0 || statuses.some(({ state }) => state.terminated !== undefined);
  const hasGates = Array.isArray(pod.spec["readinessGates"]);
  return isBroken || hasGates || isPodReady(pod) ? undefined : "is not ready yet";
}

interface Status {
  state: { waiting?: { reason?: string }; running?: unknown; terminated?: unknown };
}

/** How far a workload's controller is behind its spec. */
function workloadBusy(object: KubeObject): string | undefined {
  const { kind, metadata } = object;
  if (kind !== "Deployment" && kind !== "ReplicaSet" && kind !== "StatefulSet" && kind !== "DaemonSet")
    return undefined;
  if (metadata.deletionTimestamp !== undefined) return undefined;
  const status = (object["status"] ?? {}) as Record<string, number | undefined> & { conditions?: PodCondition[] };
  const spec = object["spec"] as { replicas?: number; paused?: boolean };
  if ((status["observedGeneration"] ?? 0) < (metadata.generation ?? 0))
    return "has not been taken up by its controller";
  const isRefused = (status.conditions ?? []).some(
    ({ type, status: is }) => type === "ReplicaFailure" && is === "True",
  );
  if (isRefused || spec.paused === true) return undefined;
  const wanted = kind === "DaemonSet" ? (status["desiredNumberScheduled"] ?? 0) : (spec.replicas ?? 1);
  const made = kind === "DaemonSet" ? status["currentNumberScheduled"] : status["replicas"];
  if ((made ?? 0) !== wanted) return `has ${made ?? 0} of ${wanted} pods`;
  const updated =
    kind === "DaemonSet" ? "updatedNumberScheduled" : kind === "Deployment" ? "updatedReplicas" : undefined;
  const isOnDelete = (object["spec"] as { updateStrategy?: { type?: string } }).updateStrategy?.type === "OnDelete";
  if (updated === undefined || isOnDelete || (status[updated] ?? 0) === wanted) return undefined;
  return `has updated ${status[updated] ?? 0} of ${wanted} pods`;
}

/** Whether the EndpointSlices of a Service name its ready pods, and no others. */
function serviceBusy(service: Service, pods: readonly Pod[], slices: readonly EndpointSlice[]): string | undefined {
  const { selector, type, publishNotReadyAddresses = false } = service.spec;
  if (selector === undefined || Object.keys(selector).length === 0 || type === "ExternalName") return undefined;
  const { namespace, name } = service.metadata;
  const wanted = pods.filter(
    (pod) =>
      pod.metadata.namespace === namespace &&
      matchesLabels(selector, pod.metadata.labels) &&
      pod.metadata.deletionTimestamp === undefined &&
      !isPodTerminal(pod) &&
      podAddresses(pod).length > 0 &&
      (publishNotReadyAddresses || isPodReady(pod)),
  );
  const listed = slices
    .filter(
      ({ metadata }) => metadata.namespace === namespace && metadata.labels?.["kubernetes.io/service-name"] === name,
    )
    .flatMap(({ endpoints }) => endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready !== false)
    .flatMap(({ targetRef }) => (targetRef?.kind === "Pod" ? [targetRef.name ?? ""] : []));
  const expected = new Set(wanted.map(({ metadata }) => metadata.name));
  const actual = new Set(listed);
  const isEqual = expected.size === actual.size && [...expected].every((pod) => actual.has(pod));
  return isEqual ? undefined : `has endpoints for ${actual.size} of ${expected.size} ready pods`;
}
