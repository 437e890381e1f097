import { isRecord } from "../../core/is-record.ts";
import { isPodTerminal } from "../../kube/pods.ts";
import type { NodeObject, Pod } from "../../kube/types.ts";
import { recordEvent } from "../event-recorder.ts";
import type { ObjectStore } from "../store/store.ts";
import { keyOf, splitKey, type Controller } from "./controller.ts";
import { isTolerated } from "./node-fit.ts";
import { deletePod } from "./owned-pods.ts";

/** setTimeout(3) of Node takes no more. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Deletes pods from nodes with NoExecute taints that they do not tolerate, or no longer: a toleration with tolerationSeconds bears it
 * that long from when the pod met the taint (kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration,
 * taint_eviction.go).
 */
export function createTaintEviction(): Controller {
  /** When each pod met the taints of its node. */
  const met = new Map<string, { uid: string; atMs: number }>();
  return {
    name: "taint-eviction",
    kinds: ["Pod", "Node"],
    *keysOf(event, store) {
      if (event.key === "Pod") yield keyOf(event.object);
      else for (const pod of podsOf(store, event.object.metadata.name)) yield keyOf(pod);
    },
    reconcile(key, { store, clock, requeueAfter }) {
      const { namespace, name } = splitKey(key);
      const pod = store.get("Pod", name, namespace);
      const taints = pod === undefined || !isEvictable(pod) ? [] : evictingTaints(store, pod);
      if (pod === undefined || taints.length === 0) {
        met.delete(key);
        return;
      }
      const uid = pod.metadata.uid ?? "";
      const now = clock.nowMs();
      const known = met.get(key);
      const since = known?.uid === uid ? known : { uid, atMs: now };
      met.set(key, since);
      const leftMs = since.atMs + borneForMs(pod.spec.tolerations ?? [], taints) - now;
      if (leftMs === Infinity) return;
      if (leftMs > 0) {
        requeueAfter(key, Math.min(leftMs, LONGEST_TIMER_MS));
        return;
      }
      met.delete(key);
      recordEvent(
        store,
        clock,
        { kind: "Pod", namespace, name },
        "TaintManagerEviction",
        `Marking for deletion Pod ${key}`,
      );
      deletePod(store, pod);
    },
  };
}

function podsOf(store: ObjectStore, node: string): Pod[] {
  return store.list("Pod").filter(({ spec }) => spec.nodeName === node);
}

function isEvictable(pod: Pod): boolean {
  return pod.spec.nodeName !== undefined && pod.metadata.deletionTimestamp === undefined && !isPodTerminal(pod);
}

type Taint = NonNullable<NodeObject["spec"]["taints"]>[number];

function evictingTaints(store: ObjectStore, { spec }: Pod): Taint[] {
  return (store.get("Node", spec.nodeName ?? "")?.spec.taints ?? []).filter(({ effect }) => effect === "NoExecute");
}

/** The shortest time of the tolerations that the taints are borne by, each by its first; 0 where one has none, Infinity without a limit. */
function borneForMs(tolerations: readonly unknown[], taints: readonly Taint[]): number {
  const times = taints.map((taint) => {
    const toleration = tolerations.find((each) => isTolerated(taint, [each]));
    if (!isRecord(toleration)) return 0;
    const { tolerationSeconds } = toleration;
    return typeof tolerationSeconds === "number" ? Math.max(0, tolerationSeconds * 1000) : Infinity;
  });
  return Math.min(...times);
}
