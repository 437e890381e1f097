import { quoteWord } from "../../core/shell-word.ts";
import type { Plan } from "../../plan/types.ts";
import { podAgents } from "../real/agents/pod-agents.ts";
import type { KubernetesApi } from "../real/api/kubernetes-api.ts";
import { RealCluster } from "../real/cluster.ts";
import type { SystemPlace } from "../real/sentinel-objects.ts";
import type { Agents } from "../real/types.ts";
import { ExistingCluster, labNamespaces } from "./cluster.ts";
import type { ClusterChoice } from "./kubeconfig.ts";
import { agentsNamespace, labelsOf, systemNamespace, type Owner } from "./names.ts";
import type { StandIns } from "./nodes.ts";

/** Where our own pods of a lab are. Its callers and sentinels need no more than the baseline allows. */
export function systemPlace(owner: Owner, nodes: StandIns): SystemPlace {
  return {
    namespace: systemNamespace(owner.lab),
    labels: { ...labelsOf(owner), "pod-security.kubernetes.io/enforce": "baseline" },
    nodes: realNames(nodes),
  };
}

/** The cluster's own names of the nodes that stand for the lab's. */
export function realNames(nodes: StandIns): string[] {
  return [...nodes.values()].map(({ name }) => name);
}

/** Opens the agents whose pods are there. */
export function openAgents(
  api: KubernetesApi,
  { choice, owner, nodes }: { choice: ClusterChoice; owner: Owner; nodes: StandIns },
): Promise<Agents> {
  const files = quoteWord(choice.kubeconfigs.join(":"));
  return podAgents({
    api,
    namespace: agentsNamespace(owner.lab),
    nodes: realNames(nodes),
    kubectl: `KUBECONFIG=${files} kubectl --context ${quoteWord(choice.context)}`,
  });
}

/** A client for a lab whose agents are open. */
export async function connect(parts: {
  api: KubernetesApi;
  agents: Agents;
  plan: Plan;
  owner: Owner;
  nodes: StandIns;
}): Promise<ExistingCluster> {
  const { api, agents, plan, owner, nodes } = parts;
  const namespaces = await labNamespaces(api, owner);
  const real = new RealCluster({
    api,
    agents,
    plan,
    nodes: [...nodes.values()].map(({ name, addresses }) => ({ name, addresses })),
    system: systemPlace(owner, nodes),
    namespaces: () => [...namespaces],
  });
  return new ExistingCluster({ api, real, owner, nodes, namespaces });
}
