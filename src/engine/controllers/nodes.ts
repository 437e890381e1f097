import { availableParallelism } from "node:os";
import type { NodeObject } from "../../kube/types.ts";
import type { ObjectStore } from "../store/store.ts";

/** What the control plane must know of a node; a planned node is one. */
export interface EngineNode {
  name: string;
  role: "control-plane" | "worker";
  labels: Record<string, string>;
  taints: { key: string; value?: string; effect: string }[];
  interfaces: { addresses: string[] }[];
}

/**
 * Writes the Node objects, Ready, as a kubelet registers itself; a node that is there already is updated. `resources` are what each has,
 * and may give to pods.
 */
export function registerNodes(
  store: ObjectStore,
  nodes: readonly EngineNode[],
  now: string,
  podCidrs: (node: string) => string[] = () => [],
  resources?: Record<string, string>,
): void {
  for (const node of nodes) {
    const cidrs = podCidrs(node.name);
    const object: NodeObject = {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: node.name, labels: nodeLabels(node) },
      spec: {
        ...(cidrs[0] === undefined ? {} : { podCIDR: cidrs[0], podCIDRs: cidrs }),
        ...(node.taints.length > 0 ? { taints: node.taints } : {}),
      },
      status: {
        addresses: [
          ...primaryAddresses(node).map((address) => ({ type: "InternalIP" as const, address })),
          { type: "Hostname", address: node.name },
        ],
        conditions: [
          {
            type: "Ready",
            status: "True",
            reason: "KubeletReady",
            message: "kubelet is posting ready status",
            lastTransitionTime: now,
          },
        ],
        ...(resources === undefined ? {} : { capacity: resources, allocatable: resources }),
      },
    };
    if (store.get("Node", node.name) === undefined) store.create(object);
    else store.update({ ...object });
    store.updateStatus(object);
  }
}

function nodeLabels(node: EngineNode): Record<string, string> {
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  return {
    "kubernetes.io/hostname": node.name,
    "kubernetes.io/os": "linux",
    "kubernetes.io/arch": architecture,
    ...(node.role === "control-plane" ? { "node-role.kubernetes.io/control-plane": "" } : {}),
    ...node.labels,
  };
}

/** What `kubectl top` makes percentages of: a node has all of this host, as kind's nodes say of theirs. Nothing is scheduled by it. */
export function hostResources(): Record<string, string> {
  return { cpu: String(availableParallelism()) };
}

/** The addresses of the node's first interface: what it is known by. */
export function primaryAddresses(node: EngineNode): string[] {
  return node.interfaces[0]?.addresses ?? [];
}
