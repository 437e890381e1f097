import { join } from "node:path";
import type Dockerode from "dockerode";
import { LabError } from "../../core/errors.ts";
import { mustExecIn } from "../../exec/docker.ts";
import { findProgram } from "../../exec/find-program.ts";
import type { Plan } from "../../plan/types.ts";
import { writeDockerCommand } from "./docker-command.ts";
import { layOut, networkName, routerAddress, type Layout, type Leg } from "./layout.ts";
import { makeNetwork } from "./network.ts";
import { startRouter } from "./router.ts";
import { COMMAND_FOLDER, type KindState } from "./state.ts";

/** The lab's networks in Docker, as they were made. */
export interface NodeNetworks {
  /** CIDRs of the first node network, IPv4 first; add-ons take addresses from it. */
  subnets: readonly string[];
  /** Absent where the topology has one network. */
  several?: {
    layout: Layout;
    /** To stand first in kind's PATH. */
    commandFolder: string;
  };
}

interface Options {
  docker: Dockerode;
  plan: Plan;
  state: KindState;
  stateDirectory: string;
  /** For the router. */
  image: string;
}

/**
 * Makes the network that kind is told of; where the topology has several, the host outside the cluster is alone in that, and
 * each node network has one of its own, with a router between all.
 */
export async function makeNodeNetworks({ docker, plan, state, stateDirectory, image }: Options): Promise<NodeNetworks> {
  const { topology, cni, cluster: settings } = plan;
  const { cluster, lab, owner } = state;
  const hasRouter = topology.networks.length > 1;
  const avoid = [...cni.podCidrs, ...settings.serviceCidrs];
  const make = (name: string, mtu: number): Promise<[string, ...string[]]> =>
    makeNetwork(docker, { name, lab, owner, mtu, avoid, hasRouter, hasIpv6: cni.podCidrs.length > 1 });
  const main = await make(cluster, Math.max(...topology.networks.map(({ mtu }) => mtu)));
  if (!hasRouter) return { subnets: main };
  const made = new Map<string, readonly string[]>();
  // One after another: each is picked among those that are left.
  for (const { name, mtu } of topology.networks) made.set(name, await make(networkName(cluster, name), mtu));
  const layout = layOut(plan, cluster, new Map([...made].map(([name, [ipv4 = ""]]) => [name, ipv4])));
  const outside = { network: cluster, subnet: main[0], router: routerAddress(main[0]) };
  await startRouter(docker, { cluster, lab, owner, image, networks: [...layout.networks, outside] });
  const real = await findProgram("docker", process.env["PATH"]);
  if (real === undefined)
    throw new LabError("KIND_CREATE_FAILED", "docker is not in PATH: kind works through this command");
  const commandFolder = join(stateDirectory, COMMAND_FOLDER);
  writeDockerCommand(commandFolder, real, layout);
  return { subnets: made.get(topology.networks[0]?.name ?? "") ?? main, several: { layout, commandFolder } };
}

/**
 * Links beyond the first; those of nodes only when `whenConfigured` has come: kind reads a node's address while it writes
 * kubeadm's configuration, and takes a second one for an error.
 */
export async function connectFurther(
  docker: Dockerode,
  { legs, balancer }: Layout,
  whenConfigured: Promise<void>,
): Promise<void> {
  const several = [...legs].filter(([, { length }]) => length > 1);
  for (const [name, [, ...others]] of several.filter((each) => each[0] === balancer)) {
    await connectLegs(docker, docker.getContainer(name), others);
  }
  const nodes = several.filter(([name]) => name !== balancer);
  if (nodes.length > 0) await whenConfigured;
  for (const [name, [first, ...others]] of nodes) {
    const container = docker.getContainer(name);
    await connectLegs(docker, container, others);
    await keepWayOut(container, first?.network ?? "");
  }
}

/** Connects a running container, in order. */
export async function connectLegs(
  docker: Dockerode,
  container: Dockerode.Container,
  legs: readonly Leg[],
): Promise<void> {
  for (const { network, address, ipv6Address } of legs) {
    const ipv6 = ipv6Address === undefined ? {} : { IPv6Address: ipv6Address };
    const EndpointConfig = { IPAMConfig: { IPv4Address: address, ...ipv6 } };
    await docker.getNetwork(network).connect({ Container: container.id, EndpointConfig });
  }
}

/** Docker lets the default route of a container in several networks follow the networks' names. */
export async function keepWayOut(container: Dockerode.Container, network: string): Promise<void> {
  const { NetworkSettings } = await container.inspect();
  const gateway = NetworkSettings.Networks[network]?.Gateway;
  if (gateway === undefined || gateway === "") throw new LabError("DOCKER_FAILED", `network ${network} has no gateway`);
  await mustExecIn(container, ["ip", "route", "replace", "default", "via", gateway, "dev", "eth0"]);
}
