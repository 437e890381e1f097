import { join } from "node:path";
import type Dockerode from "dockerode";
import type { Plan } from "../../plan/types.ts";
import type { KubernetesApi } from "../real/api/kubernetes-api.ts";
import { RealCluster } from "../real/cluster.ts";
import type { Agents } from "../real/types.ts";
import { kindFaults } from "./faults.ts";
import { inspectMachines, isOnThisHost, type Machines } from "./machines.ts";
import { LABELS } from "./names.ts";
import { SCRATCH_FOLDER, type KindState } from "./state.ts";

export interface Parts {
  docker: Dockerode;
  state: KindState;
  stateDirectory: string;
  plan: Plan;
  api: KubernetesApi;
}

/** A lab's cluster with its agents, in process where the Docker host is ours, else in helper containers. */
export interface Connected {
  cluster: RealCluster;
  agents: Agents;
  nodes: { name: string; addresses: string[] }[];
}

/** Finds the lab's containers and opens agents for them. Throws AGENT_IMAGE_MISSING where agents need an image that is not there. */
export async function connect(parts: Parts): Promise<Connected> {
  const { docker, state, stateDirectory, plan, api } = parts;
  const machines = await inspectMachines(docker, state);
  const pids = new Map(machines.nodes.filter(({ pid }) => pid !== 0).map(({ name, pid }) => [name, pid]));
  const agents = await openAgents(parts, machines, pids);
  const nodes = machines.nodes.map(({ name, addresses }) => ({ name, addresses }));
  const cluster = new RealCluster({
    api,
    agents,
    plan,
    nodes,
    externalAddresses: machines.external?.addresses ?? [],
    faults: kindFaults({ docker, state, stateDirectory, plan, api, pids }),
    stateDirectory,
  });
  return { cluster, agents, nodes };
}

async function openAgents(
  { docker, state, stateDirectory }: Parts,
  { nodes, external }: Machines,
  pids: Map<string, number>,
): Promise<Agents> {
  const running = nodes.filter(({ status }) => status !== "stopped");
  if (running.length > 0 && running.every(isOnThisHost)) {
    const { hostAgents } = await import("../real/agents/host-agents.ts");
    return hostAgents({
      nodes: pids,
      externalPid: external === undefined || external.pid === 0 ? undefined : external.pid,
      scratchDirectory: join(stateDirectory, SCRATCH_FOLDER),
    });
  }
  const { agentImage, containerAgents } = await import("../real/agents/container-agents.ts");
  return containerAgents({
    docker,
    nodes: new Map(running.map(({ name, id }) => [name, id])),
    externalId: external?.id,
    image: agentImage(process.env),
    labels: { [LABELS.lab]: state.lab, [LABELS.owner]: state.owner, [LABELS.role]: "agent" },
  });
}
