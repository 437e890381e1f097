import { cnis } from "../../cnis/registry.ts";
import type { Cni } from "../../cnis/types.ts";
import type { KubernetesApi } from "../real/api/kubernetes-api.ts";

/** A CNI of the registry that a cluster runs, with its agents. */
export interface DetectedCni {
  cni: Cni;
  agent: { namespace: string; daemonSet: string };
}

/**
 * The CNI whose agents a cluster runs: a DaemonSet of the agent's name, in whichever namespace its installer put it. Undefined
 * where there is none that is known, or more than one.
 */
export async function detectCni(api: Pick<KubernetesApi, "list">): Promise<DetectedCni | undefined> {
  const daemonSets = await api.list({ kind: "DaemonSet" });
  const found = Object.values<Cni>(cnis).flatMap((cni): DetectedCni[] => {
    const { daemonSet } = cni.install.agent;
    const agent = daemonSets.find(({ metadata }) => metadata.name === daemonSet);
    const namespace = agent?.metadata.namespace;
    return namespace === undefined ? [] : [{ cni, agent: { namespace, daemonSet } }];
  });
  return found.length === 1 ? found[0] : undefined;
}
