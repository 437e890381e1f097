import { existsSync, readFileSync } from "node:fs";
import type Dockerode from "dockerode";
import { LabError } from "../../core/errors.ts";
import { isMissing } from "../../exec/docker.ts";
import type { KindState } from "./state.ts";

/** A container of the lab: a node, or the host outside the cluster. */
export interface Machine {
  /** The Kubernetes node's name, or "external". */
  name: string;
  containerName: string;
  id: string;
  hostname: string;
  /** Process id of its first process on the Docker host; 0 while it does not run. */
  pid: number;
  status: "running" | "paused" | "stopped";
  /** On its first network, one a family; none while it does not run. */
  addresses: string[];
}

/** The Docker networks of a node, or of the host outside, eth0's first. */
export function networksOfNode({ cluster, networks }: KindState, name: string): [string, ...string[]] {
  const [first = cluster, ...others] = networks?.[name] ?? [];
  return [first, ...others];
}

/** One of the lab's containers as Docker knows it now, or undefined. */
export async function inspectMachine(
  docker: Dockerode,
  state: KindState,
  name: string,
  containerName: string,
): Promise<Machine | undefined> {
  try {
    const { Id, Config, State, NetworkSettings } = await docker.getContainer(containerName).inspect();
    const { IPAddress = "", GlobalIPv6Address = "" } = NetworkSettings.Networks[networksOfNode(state, name)[0]] ?? {};
    return {
      name,
      containerName,
      id: Id,
      hostname: Config.Hostname,
      pid: State.Pid,
      status: State.Paused ? "paused" : State.Running ? "running" : "stopped",
      addresses: [IPAddress, GlobalIPv6Address].filter((address) => address !== ""),
    };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

export interface Machines {
  nodes: Machine[];
  external: Machine | undefined;
}

/** All containers of the lab that there are. */
export async function inspectMachines(docker: Dockerode, state: KindState): Promise<Machines> {
  const nodes = await Promise.all(
    Object.entries(state.nodes).map(([name, container]) => inspectMachine(docker, state, name, container)),
  );
  return {
    nodes: nodes.filter((node) => node !== undefined),
    external: await inspectMachine(docker, state, "external", `${state.cluster}-external`),
  };
}

/** LAB_STOPPED with what brings it back, where so few control planes run that etcd has no majority. */
export function requireControlPlane({ nodes }: Pick<Machines, "nodes">, state: KindState): void {
  const isControlPlane = (container: string): boolean => /-control-plane\d*$/.test(container);
  const wanted = Object.values(state.nodes).filter(isControlPlane).length;
  const there = nodes.filter(({ containerName }) => isControlPlane(containerName));
  const down = there.find(({ status }) => status !== "running");
  if (there.filter(({ status }) => status === "running").length > wanted / 2) return;
  const hint =
    down === undefined
      ? `cnilab down ${state.lab} removes the rest`
      : down.status === "paused"
        ? `docker unpause ${down.containerName}`
        : `docker start ${nodes.map(({ containerName }) => containerName).join(" ")}`;
  const what = down === undefined ? "its control plane is gone" : `container ${down.containerName} is ${down.status}`;
  throw new LabError("LAB_STOPPED", `lab ${state.lab} is there, but ${what}`, { hint });
}

/** Whether a machine's processes are this host's, and ours to look into: root, and the engine's processes are in our /proc. */
export function isOnThisHost({ pid, hostname }: Machine): boolean {
  if (process.platform !== "linux" || process.getuid?.() !== 0 || pid === 0) return false;
  const file = `/proc/${pid}/root/etc/hostname`;
  return existsSync(file) && readFileSync(file, "utf8").trim() === hostname;
}
