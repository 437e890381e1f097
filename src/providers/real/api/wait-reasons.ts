import { LabError } from "../../../core/errors.ts";
import { isPodReady } from "../../../kube/pods.ts";
import { rolloutGap } from "../../../kube/rollout.ts";
import { matchesSelector } from "../../../kube/selectors.ts";
import type { Deployment, KubeObject, Pod } from "../../../kube/types.ts";

/** How many pods are named before the rest is only counted. */
const NAMED_PODS = 3;

/** Waiting reasons that no time mends: the kubelet has tried and backs off, or will not try. */
const HOPELESS = new Set(["ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"]);

interface ContainerState {
  waiting?: { reason?: string; message?: string };
  terminated?: { reason?: string; message?: string; exitCode?: number };
}

/** What a Deployment lacks: how many replicas, and why its pods are not ready. Throws WAIT_HOPELESS. */
export function deploymentGap(object: KubeObject, objects: readonly KubeObject[]): string {
  const { spec, status } = object as Deployment;
  return withPods(object, objects, `${status?.availableReplicas ?? 0} of ${spec.replicas ?? 1} replicas available`);
}

/** What a rollout still lacks, with the pods that are not ready; undefined when it lacks nothing. Throws WAIT_HOPELESS. */
export function rolledOutGap(object: KubeObject, objects: readonly KubeObject[]): string | undefined {
  const gap = rolloutGap(object);
  return gap === undefined ? undefined : withPods(object, objects, gap);
}

function withPods(object: KubeObject, objects: readonly KubeObject[], counts: string): string {
  const { spec, status, metadata } = object as Deployment;
  const unready = objects.filter(
    (each): each is Pod =>
      each.kind === "Pod" &&
      each.metadata.namespace === metadata.namespace &&
      matchesSelector(spec.selector, each.metadata.labels) &&
      !isPodReady(each as Pod),
  );
  for (const pod of unready) refuseHopeless(pod);
  const named = unready.slice(0, NAMED_PODS).map((pod) => `pod ${pod.metadata.name}: ${podGap(pod)}`);
  const more = unready.length > NAMED_PODS ? [`and ${unready.length - NAMED_PODS} more pods`] : [];
  const failed = (status?.conditions ?? []).find(({ type, status: is }) => type === "ReplicaFailure" && is === "True");
  return [counts, ...named, ...more, ...(failed?.message === undefined ? [] : [failed.message])].join("; ");
}

/** Why a pod is not ready, from the most telling part of its status. */
export function podGap(pod: Pod): string {
  if (pod.metadata.deletionTimestamp !== undefined) return "is being deleted";
  const conditions = pod.status?.conditions ?? [];
  const scheduled = conditions.find(({ type }) => type === "PodScheduled");
  if (scheduled?.status === "False") return `${scheduled.reason ?? "Unschedulable"}: ${scheduled.message ?? ""}`;
  for (const { name, state, last, restarts } of containersOf(pod)) {
    if (state.waiting !== undefined) {
      const { reason = "waiting", message } = state.waiting;
      const ended = last?.terminated === undefined ? undefined : endOf(last.terminated);
      const how =
        reason === "CrashLoopBackOff" && ended !== undefined ? `${ended}, ${restarts} restarts` : (message ?? "");
      return `${reason}: container ${name}${how === "" ? "" : `: ${how}`}`;
    }
    if (state.terminated !== undefined && state.terminated.exitCode !== 0) {
      return `container ${name} ended: ${endOf(state.terminated)}`;
    }
  }
  const ready = conditions.find(({ type }) => type === "Ready");
  return ready?.message ?? `phase ${pod.status?.phase ?? "Pending"}`;
}

/** Throws WAIT_HOPELESS where an image cannot be had: waiting longer would only hide it. */
export function refuseHopeless(pod: Pod): void {
  for (const { name, state, image } of containersOf(pod)) {
    const { reason = "", message = "" } = state.waiting ?? {};
    if (!HOPELESS.has(reason)) continue;
    const { namespace, name: podName } = pod.metadata;
    throw new LabError(
      "WAIT_HOPELESS",
      `pod ${namespace}/${podName}: ${reason}: container ${name}: ${message || image}`,
      {
        hint: `image ${image} is neither on the node nor in a registry it reaches`,
      },
    );
  }
}

function containersOf(
  pod: Pod,
): { name: string; image: string; state: ContainerState; last: ContainerState | undefined; restarts: number }[] {
  const { initContainerStatuses = [] } = (pod.status ?? {}) as {
    initContainerStatuses?: NonNullable<Pod["status"]>["containerStatuses"];
  };
  return [...(initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])].map((status) => ({
    name: status.name,
    image: pod.spec.containers.find(({ name }) => name === status.name)?.image ?? status.image,
    state: status.state as ContainerState,
    last: status.lastState as ContainerState | undefined,
    restarts: status.restartCount,
  }));
}

function endOf({ reason, message, exitCode }: NonNullable<ContainerState["terminated"]>): string {
  const why = message !== undefined && message !== "" ? message.trim() : (reason ?? "ended");
  return `${why}${exitCode === undefined ? "" : ` (exit code ${exitCode})`}`;
}
