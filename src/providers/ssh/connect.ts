import type { Plan } from "../../plan/types.ts";
import type { KubernetesApi } from "../real/api/kubernetes-api.ts";
import { RealCluster } from "../real/cluster.ts";
import type { Agents } from "../real/types.ts";
import { sshAgents } from "./agents.ts";
import { serveExternal } from "./external.ts";
import { machineFaults } from "./faults.ts";
import { closeMachines, type Remotes } from "./machines.ts";

export interface Parts {
  api: KubernetesApi;
  /** As found on the machines. */
  plan: Plan;
  remotes: Remotes;
  stateDirectory: string;
}

/** A lab's cluster with its agents; closing it closes the connections to the machines. */
export interface Connected {
  cluster: RealCluster;
  agents: Agents;
  nodes: { name: string; addresses: string[] }[];
}

/**
 * Opens agents on the machines, and has the one outside the cluster serve: it may have been restarted meanwhile. Rejects with
 * AGENT_LOST, EXTERNAL_NOT_SERVED, SSH_…; the connections stay open then.
 */
export async function connect({ api, plan, remotes, stateDirectory }: Parts): Promise<Connected> {
  const [agents, outside] = await Promise.all([sshAgents(remotes), serveOutside(plan, remotes)]);
  const nodes = plan.topology.nodes.map(({ name, interfaces }) => ({
    name,
    addresses: interfaces.flatMap(({ addresses }) => addresses),
  }));
  const cluster = new RealCluster({
    api,
    agents,
    plan,
    nodes,
    ...(outside === undefined ? {} : { externalAddresses: [outside] }),
    faults: machineFaults({ api, plan, remotes, stateDirectory }),
    stateDirectory,
    onClose: () => closeMachines(remotes),
  });
  return { cluster, agents, nodes };
}

/** Its address; undefined where the lab has none. */
async function serveOutside({ external }: Plan, remotes: Remotes): Promise<string | undefined> {
  const { node = "", nodeAddress } = external ?? {};
  const remote = remotes.get(node);
  if (remote === undefined || nodeAddress === undefined) return undefined;
  await serveExternal({ name: node, remote }, nodeAddress);
  return nodeAddress;
}
