import type { PlaceFact } from "../grade/layers.ts";
import { isPodReady } from "../kube/pods.ts";
import type { KubeObject, Pod } from "../kube/types.ts";
import { findObject, livePods, podName, podsOfWorkload } from "../kube/workloads.ts";
import type { EndpointRef } from "../plan/types.ts";
import { placeName } from "../providers/source.ts";
import type { Source } from "../providers/types.ts";

/** What a probe's reference means now; undefined for what is no pod, workload or node. */
export function refFact(ref: EndpointRef | undefined, objects: readonly KubeObject[]): PlaceFact | undefined {
  switch (ref?.kind) {
    case "pod":
      return placeFact({ kind: "pod", namespace: ref.namespace, name: ref.name }, objects);
    case "workload": {
      const name = `${ref.namespace}/${ref.workload}/${ref.name}`;
      const pods = podsOfWorkload(objects, ref.workload, ref.namespace, ref.name);
      if (pods === undefined) return { name, trouble: "does not exist" };
      if (pods.some(isPodReady)) return { name };
      const troubles = pods.map((pod) => `${podName(pod)} ${podTrouble(pod) ?? "is not ready"}`);
      return { name, trouble: `has no ready pod: ${troubles.join("; ") || "none exists"}` };
    }
    case "node":
      return placeFact({ kind: "node", name: ref.name }, objects);
    default:
      return undefined;
  }
}

/** The live pod that a source is. */
export function podOf(source: Source, objects: readonly KubeObject[]): Pod | undefined {
  if (source.kind !== "pod") return undefined;
  return livePods(objects).find((pod) => podName(pod) === `${source.namespace}/${source.name}`);
}

/** Whether a source or destination can take part. */
export function placeFact(source: Source, objects: readonly KubeObject[]): PlaceFact {
  const name = placeName(source);
  if (source.kind === "external") return { name };
  if (source.kind === "node") {
    const isThere = findObject(objects, "Node", undefined, source.name) !== undefined;
    return isThere ? { name } : { name, trouble: "does not exist" };
  }
  const pod = podOf(source, objects);
  const trouble = pod === undefined ? "does not exist" : podTrouble(pod);
  return trouble === undefined ? { name } : { name, trouble };
}

/** Why a pod takes no part in the network; undefined where it has an address and runs. */
export function podTrouble({ spec, status }: Pod): string | undefined {
  const isRunning = status?.phase === "Running" && (status.podIP ?? "") !== "";
  if (isRunning) return undefined;
  const waiting = (status?.containerStatuses ?? []).flatMap(({ state }) => {
    const { reason, message } = (state["waiting"] ?? {}) as { reason?: string; message?: string };
    return [message ?? reason].filter((each) => each !== undefined);
  });
  const said = (status?.conditions ?? []).flatMap((condition) => {
    const { message } = condition as { message?: string };
    return condition.status === "False" && message !== undefined ? [message] : [];
  });
  const where = spec.nodeName === undefined ? "" : ` on ${spec.nodeName}`;
  const why = [...waiting, ...said][0];
  return `is ${status?.phase ?? "Pending"}${where}${why === undefined ? "" : `: ${why}`}`;
}
