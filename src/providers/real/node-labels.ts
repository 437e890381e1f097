import type { PlannedNode } from "../../plan/types.ts";
import type { KubernetesApi } from "./api/kubernetes-api.ts";

/** kubeadm and the kubelet set them anyway. */
const SET_ANYWAY = new Set(["kubernetes.io/hostname", "kubernetes.io/os", "node-role.kubernetes.io/control-plane"]);

/** Labels that a kubelet may not set on its own Node (NodeRestriction), or that kubeadm and the kubelet set anyway. */
export function isReservedLabel(key: string): boolean {
  const prefix = key.includes("/") ? (key.split("/")[0] ?? "") : "";
  return /(^|\.)(kubernetes|k8s)\.io$/.test(prefix);
}

/** Labels of the topology that have to be set through the API, once the node has joined. */
export function labelsToPatch({ labels }: Pick<PlannedNode, "labels">): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => isReservedLabel(key) && !SET_ANYWAY.has(key)));
}

/** Sets what {@link labelsToPatch} gives for each node. */
export async function patchLabels(api: KubernetesApi, nodes: readonly PlannedNode[]): Promise<void> {
  await Promise.all(
    nodes.map(async (node) => {
      const labels = labelsToPatch(node);
      if (Object.keys(labels).length > 0) await api.patch({ kind: "Node", name: node.name }, { metadata: { labels } });
    }),
  );
}
