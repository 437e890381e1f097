import { LabError } from "../../../core/errors.ts";
import { quoteWord } from "../../../core/shell-word.ts";
import { isPodReady } from "../../../kube/pods.ts";
import type { Pod } from "../../../kube/types.ts";
import type { KubernetesApi } from "../api/kubernetes-api.ts";
import { podGap } from "../api/wait-reasons.ts";
import type { Agents, Place } from "../types.ts";
import { AgentChannel } from "./channel.ts";
import type { AgentConnection } from "./agent-peer.ts";
import { channelAgents } from "./channel-agents.ts";
import { agentSource } from "./container-agents.ts";
import { execTransport } from "./exec-transport.ts";
import { agentCommand } from "./transport.ts";

/** The container of an agent's pod. */
export const AGENT_CONTAINER = "agent";

export interface PodAgentsOptions {
  api: KubernetesApi;
  /** Where a privileged pod is on each node, in the node's process namespace. */
  namespace: string;
  nodes: readonly string[];
  /** What a user's kubectl needs to reach the cluster, such as `kubectl --context prod`; shell words. */
  kubectl: string;
}

/**
 * Agents in pods of the cluster itself, reached over its API server: for clusters of which there is nothing but a kubeconfig.
 * They end with `close`, and with this program. Rejects with AGENT_LOST, API_EXEC_REFUSED.
 */
export async function podAgents({ api, namespace, nodes, kubectl }: PodAgentsOptions): Promise<Agents> {
  const source = await agentSource();
  const podNames = new Map<string, string>();
  const start = async (node: string): Promise<AgentConnection> => {
    const pod = await agentPod(api, namespace, node);
    podNames.set(node, pod);
    const target = { namespace, pod, container: AGENT_CONTAINER, command: agentCommand };
    const transport = await execTransport(api.connection, target);
    const channel = await AgentChannel.open(transport, { where: `node ${node}`, source });
    // The agent ends with its channel; the pod stays for the next one.
    return { channel, close: () => Promise.resolve() };
  };
  return channelAgents({
    nodes: new Map(nodes.map((node) => [node, () => start(node)] as const)),
    paste: (place: Place, networkPid: number, argv: readonly string[]) => {
      const pod = place.kind === "external" ? "" : (podNames.get(place.node) ?? "");
      const words = ["-n", namespace, "exec", pod, "--", "nsenter", `--net=/proc/${networkPid}/ns/net`, "--"];
      return [kubectl, ...[...words, ...argv].map(quoteWord)].join(" ");
    },
  });
}

/** The pod may be another than last time: its node was restarted, or somebody deleted it. */
async function agentPod(api: KubernetesApi, namespace: string, node: string): Promise<string> {
  const fieldSelector = `spec.nodeName=${node}`;
  const pods = (await api.list({ kind: "Pod", namespace, fieldSelector })) as Pod[];
  const ready = pods.find((pod) => isPodReady(pod) && pod.metadata.deletionTimestamp === undefined);
  if (ready !== undefined) return ready.metadata.name;
  const [first] = pods;
  throw new LabError(
    "AGENT_LOST",
    `node ${node} has no ready agent: ${first === undefined ? "its pod is gone" : podGap(first)}`,
    { hint: `kubectl get pods --namespace ${namespace} --output wide` },
  );
}
