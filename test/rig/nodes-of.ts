import type { NodeObject } from "../../src/kube/types.ts";
import type { KubernetesApi } from "../../src/providers/real/api/kubernetes-api.ts";
import type { RealNode } from "../../src/providers/real/cluster.ts";

/** The nodes of a cluster as its API names them. */
export async function nodesOf(api: KubernetesApi): Promise<RealNode[]> {
  const nodes = (await api.list({ kind: "Node" })) as NodeObject[];
  return nodes.map(({ metadata: { name }, status }) => ({
    name,
    addresses: (status?.addresses ?? []).filter(({ type }) => type === "InternalIP").map(({ address }) => address),
  }));
}
