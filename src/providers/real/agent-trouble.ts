import { LabError } from "../../core/errors.ts";
import { isPodReady } from "../../kube/pods.ts";
import type { Pod } from "../../kube/types.ts";
import type { KubernetesApi } from "./api/kubernetes-api.ts";
import { podGap } from "./api/wait-reasons.ts";

/** The DaemonSet whose pod on each node is the CNI's agent. */
export interface AgentPlace {
  namespace: string;
  daemonSet: string;
}

/** Whether a pod is one of that DaemonSet. */
export function isAgentPod(pod: Pod, { namespace, daemonSet }: AgentPlace): boolean {
  const owners = pod.metadata.ownerReferences ?? [];
  return (
    pod.metadata.namespace === namespace && owners.some(({ kind, name }) => kind === "DaemonSet" && name === daemonSet)
  );
}

/**
 * SETTLE_TIMEOUT with the likely cause as its hint: the CNI's agents that are not ready, and why. What waits for an agent
 * that the kubelet kills again and again would else only say that it waited.
 */
export async function settleTimeout(
  message: string,
  api: KubernetesApi,
  agent: AgentPlace | undefined,
): Promise<LabError> {
  return new LabError("SETTLE_TIMEOUT", message, { hint: agent && (await agentTrouble(api, agent)) });
}

async function agentTrouble(api: KubernetesApi, agent: AgentPlace): Promise<string | undefined> {
  try {
    const pods = (await api.list({ kind: "Pod", namespace: agent.namespace })) as Pod[];
    const unready = pods.filter((pod) => isAgentPod(pod, agent) && !isPodReady(pod));
    if (unready.length === 0) return undefined;
    const each = unready.map((pod) => `${pod.metadata.name} on node ${pod.spec.nodeName}: ${podGap(pod)}`);
    return `the CNI's agent is not ready: ${each.join("; ")}`;
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    return `the CNI's agents could not be asked: ${error.message}`;
  }
}
