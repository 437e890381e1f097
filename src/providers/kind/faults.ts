import type Dockerode from "dockerode";
import { LabError } from "../../core/errors.ts";
import { dockerReason, mustExecIn } from "../../exec/docker.ts";
import type { Plan } from "../../plan/types.ts";
import type { KubernetesApi } from "../real/api/kubernetes-api.ts";
import type { NodeFaults } from "../real/cluster.ts";
import { agentContainers, untilNodeReady } from "../real/node-ready.ts";
import type { NodeFault, NodeFaultPlace } from "../fault.ts";
import { cutLink, mendLink } from "./link-fault.ts";
import { setLinkMtus } from "./links.ts";
import type { Leg } from "./layout.ts";
import { inspectMachines, networksOfNode } from "./machines.ts";
import { connectLegs, keepWayOut } from "./node-networks.ts";
import { readKindState, writeKindState, type KindState } from "./state.ts";

interface FaultParts {
  docker: Dockerode;
  state: KindState;
  stateDirectory: string;
  plan: Plan;
  api: KubernetesApi;
  /** Node → pid of its first process, kept current. */
  pids: Map<string, number>;
}

/** Faults on kind's nodes: Docker pauses and restarts them, their own tools cut links and kill agents. */
export function kindFaults(parts: FaultParts): NodeFaults {
  return {
    fault: (fault) => breakNode(parts, fault),
    restore: (fault) => mendNode(parts, fault),
    broken: () => broken(parts),
  };
}

function containerOf({ docker, state }: FaultParts, node: string): Dockerode.Container {
  const name = state.nodes[node];
  if (name === undefined) throw new LabError("SOURCE_MISSING", `the lab has no node ${node}`);
  return docker.getContainer(name);
}

async function breakNode(parts: FaultParts, fault: NodeFault): Promise<void> {
  const container = containerOf(parts, fault.node);
  switch (fault.kind) {
    case "pause":
      await ignoring(/already paused/i, () => container.pause());
      return;
    case "linkDown":
      await cutLink(container, fault);
      const { durationMs } = fault;
      await rememberLink(parts, fault, durationMs === undefined ? {} : { mendsAt: Date.now() + durationMs });
      return;
    case "killCniAgent":
      await killAgent(parts, container, fault.node);
      return;
    case "restart":
      await restart(parts, container, fault.node);
      return;
    case "loss":
    case "rateLimit":
    case "delay":
      throw new LabError("FAULT_NOT_POSSIBLE", `provider kind has no fault ${fault.kind}`);
  }
}

async function mendNode(parts: FaultParts, fault: NodeFaultPlace): Promise<void> {
  const container = containerOf(parts, fault.node);
  if (fault.kind === "pause") await ignoring(/not paused/i, () => container.unpause());
  else if (fault.kind === "linkDown") {
    await mendLink(container, fault);
    await rememberLink(parts, fault, undefined);
  } else throw new LabError("FAULT_NOT_RESTORABLE", `a fault ${fault.kind} mends itself`);
  await untilNodeReady(parts, fault.node, new Date());
}

async function broken({ docker, state, stateDirectory }: FaultParts): Promise<string[]> {
  const { nodes } = await inspectMachines(docker, state);
  const stopped = nodes.filter(({ status }) => status !== "running").map(({ name }) => name);
  const now = Date.now();
  // The node has mended those whose time is over.
  const cut = (readKindState(stateDirectory)?.linksDown ?? []).flatMap(({ node, mendsAt = Infinity }) =>
    mendsAt > now ? [node] : [],
  );
  return [...new Set([...stopped, ...cut])];
}

async function ignoring(expected: RegExp, act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!expected.test(dockerReason(error))) throw error;
  }
}

async function rememberLink(
  { stateDirectory }: FaultParts,
  { node, interface: name }: { node: string; interface: string },
  down: { mendsAt?: number } | undefined,
): Promise<void> {
  const state = readKindState(stateDirectory);
  if (state === undefined) throw new LabError("LAB_NOT_RUNNING", "the lab was removed meanwhile");
  const others = (state.linksDown ?? []).filter((link) => link.node !== node || link.interface !== name);
  const linksDown = down === undefined ? others : [...others, { node, interface: name, ...down }];
  await writeKindState(stateDirectory, { ...state, linksDown });
}

/** A container that is started anew has new links. */
async function forgetLinks({ stateDirectory }: FaultParts, node: string): Promise<void> {
  const state = readKindState(stateDirectory);
  if (state?.linksDown === undefined) return;
  await writeKindState(stateDirectory, { ...state, linksDown: state.linksDown.filter((link) => link.node !== node) });
}

/** SIGKILL to the agent's containers; the kubelet starts them again, later each time. */
async function killAgent({ api, plan }: FaultParts, container: Dockerode.Container, node: string): Promise<void> {
  for (const id of await agentContainers(api, plan, node)) {
    await mustExecIn(container, ["ctr", "-n", "k8s.io", "tasks", "kill", "--all", "--signal", "SIGKILL", id]);
  }
}

/**
 * Stops and starts a node's container. It gets its address again: Docker would give it the next free one, and neither the
 * kubelet's nor etcd's configuration would fit.
 */
async function restart(parts: FaultParts, container: Dockerode.Container, node: string): Promise<void> {
  const { docker, state, plan, pids } = parts;
  const { NetworkSettings } = await container.inspect();
  const [first, ...others] = networksOfNode(state, node).map((network): Leg => {
    const { IPAddress = "", GlobalIPv6Address = "" } = NetworkSettings.Networks[network] ?? {};
    return {
      network,
      address: IPAddress,
      ...(GlobalIPv6Address === "" ? {} : { ipv6Address: GlobalIPv6Address }),
    };
  });
  if (first === undefined || first.address === "") {
    throw new LabError("NODE_NOT_READY", `node ${node} does not run, so that its address is not known`);
  }
  const since = new Date();
  await ignoring(/not paused/i, () => container.unpause());
  await container.stop({ t: 10 });
  for (const { network } of [first, ...others]) {
    await docker.getNetwork(network).disconnect({ Container: container.id, Force: true });
  }
  await connectLegs(docker, container, [first]);
  await container.start();
  // Those that are there when it starts come in any order.
  await connectLegs(docker, container, others);
  if (others.length > 0) await keepWayOut(container, first.network);
  const { State } = await container.inspect();
  pids.set(node, State.Pid);
  await setLinkMtus(docker, state, plan, [node]);
  await forgetLinks(parts, node);
  await untilNodeReady(parts, node, since, { restarted: true });
}
