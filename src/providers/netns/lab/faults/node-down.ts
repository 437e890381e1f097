import { LabError } from "../../../../core/errors.ts";
import type { ObjectStore } from "../../../../engine/store/store.ts";
import { isPodReady } from "../../../../kube/pods.ts";
import type { Pod } from "../../../../kube/types.ts";
import type { FaultOf } from "../../../fault.ts";
import { isReady, tellReady } from "./node-ready.ts";
import type { FaultParts, Mend } from "./types.ts";

/**
 * Every link of the node is down, those of its pods, too, and the control plane is told at once what a real one finds out
 * after some 40 s: the node is not heard from, and its pods are not ready.
 */
export function nodeDown({ underlay, network, controlPlane }: FaultParts, { node: name }: FaultOf<"nodeDown">): Mend {
  const node = underlay.nodes.get(name);
  if (node === undefined) throw new LabError("SOURCE_MISSING", `node ${name} does not exist`);
  const own = [...node.ports.keys()];
  const pods = [...network.pods.values()].filter((pod) => pod.node === name).map(({ hostInterface }) => hostInterface);
  for (const link of own) node.cut.add(link);
  const down = [...own, ...pods].map((link) => ({ link, saved: node.host.linkDown(link) }));
  network.refusing.set(name, new LabError("NODE_DOWN", `node ${name} is down`));
  tellReady(controlPlane.store, name, {
    status: "Unknown",
    reason: "NodeStatusUnknown",
    message: "Kubelet stopped posting node status.",
  });
  controlPlane.setKubeletStopped(name, true);
  markNotReady(controlPlane.store, name);
  return () => {
    // Links of pods that were deleted meanwhile are gone.
    for (const { link, saved } of down) if (node.host.indexes.has(link)) node.host.linkUp(link, saved);
    // The other ends were up all the time.
    underlay.fabric.untilCarrying(node.ports.values());
    for (const pod of network.pods.values()) if (pod.node === name) pod.host.untilCarrying(["eth0"]);
    if (underlay.isDual) node.host.untilUsable(own);
    for (const link of own) node.cut.delete(link);
    network.configureNodes();
    network.refusing.delete(name);
    tellReady(controlPlane.store, name, isReady);
    controlPlane.setKubeletStopped(name, false);
  };
}

/** What the node lifecycle controller does to the pods of a node that nobody hears from (controller_utils.go, MarkPodsNotReady). */
function markNotReady(store: ObjectStore, node: string): void {
  for (const pod of store.list("Pod").filter((each) => each.spec.nodeName === node && isPodReady(each))) {
    const conditions = (pod.status?.conditions ?? []).map((each) =>
      each.type === "Ready" ? { ...each, status: "False" as const } : each,
    );
    store.updateStatus<Pod>({ ...pod, status: { ...pod.status, conditions } });
  }
}
