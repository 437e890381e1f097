import { setTimeout as delay } from "node:timers/promises";
import type Dockerode from "dockerode";
import { LabError } from "../../core/errors.ts";
import { containersWith, isMissing, removeContainer } from "../../exec/docker.ts";
import { KIND_LABELS, LABELS } from "./names.ts";
import { networksNamed, networksOf, removeNetwork } from "./network.ts";
import { killMarked } from "./processes.ts";
import type { KindState } from "./state.ts";

/**
 * Throws KIND_CLUSTER_TAKEN where Docker has a cluster or a network of this name that is not this state directory's. `state` is
 * what the state directory says, undefined where it says nothing.
 */
export async function refuseForeign(
  docker: Dockerode,
  { cluster, owner }: { cluster: string; owner: string },
  state: KindState | undefined,
): Promise<void> {
  const networks = await networksNamed(docker, cluster);
  const isOurs = networks.some((network) => network.owner === owner) || state !== undefined;
  const foreign = networks.find((network) => network.owner !== owner);
  const nodes = await containersWith(docker, [`${KIND_LABELS.cluster}=${cluster}`]);
  if (foreign === undefined && (nodes.length === 0 || isOurs)) return;
  throw new LabError("KIND_CLUSTER_TAKEN", `Docker already has a cluster ${cluster} that is not this lab's`, {
    hint: `it belongs to another user or state folder; whoever made it removes it with cnilab down, or: kind delete cluster --name ${cluster} && docker network rm ${cluster}`,
  });
}

/** The containers of a cluster that are this lab's own: never those on a network of the same name that is another's. */
export async function clusterContainers(
  docker: Dockerode,
  { cluster, owner }: { cluster: string; owner: string },
): Promise<Dockerode.ContainerInfo[]> {
  const foreign = new Set(
    (await networksNamed(docker, cluster)).filter((network) => network.owner !== owner).map(({ id }) => id),
  );
  const nodes = await containersWith(docker, [`${KIND_LABELS.cluster}=${cluster}`]);
  if (foreign.size === 0) return nodes;
  return nodes.filter(({ NetworkSettings }) =>
    Object.values(NetworkSettings.Networks).every(({ NetworkID }) => NetworkID !== "" && !foreign.has(NetworkID)),
  );
}

/**
 * Removes all that a lab has in Docker: kind with its commands, nodes with their volumes, the external host, the router, the networks.
 * Idempotent; resolves when nothing is left. Files are the caller's.
 */
export async function removeCluster(docker: Dockerode, state: KindState): Promise<void> {
  const killed = killMarked(state.owner);
  if (killed > 0 || state.stage === "making") await untilNothingIsBeingMade(docker, state);
  for (let ids = await containersOf(docker, state); ids.length > 0; ids = await containersOf(docker, state)) {
    await Promise.all(ids.map((id) => removeContainer(docker, id)));
    // Where another removal is at it, ours returns while the container still holds the network.
    await delay(50);
  }
  const networks = await networksOf(docker, state.owner);
  await Promise.all(networks.map((id) => removeNetwork(docker, id)));
}

/** Ids of all containers that are the lab's: nodes by kind's label, others by ours. */
async function containersOf(docker: Dockerode, state: KindState): Promise<string[]> {
  const [nodes, others] = await Promise.all([
    clusterContainers(docker, state),
    containersWith(docker, [`${LABELS.owner}=${state.owner}`]),
  ]);
  return [...new Set([...nodes, ...others].map(({ Id }) => Id))];
}

/**
 * Waits for containers that dockerd still makes for a command that was killed: it carries on, shows them only when they are
 * made, but has their names reserved all the while. A name that can be had is not reserved.
 */
async function untilNothingIsBeingMade(docker: Dockerode, state: KindState): Promise<void> {
  const { nodes, cluster, nodeImage } = state;
  // kind was never started.
  if (nodeImage === undefined) return;
  const others = ["external-load-balancer", "external", "router"].map((suffix) => `${cluster}-${suffix}`);
  const names = [...Object.values(nodes), ...others];
  await Promise.all(names.map((name) => untilNameIsSettled(docker, name, state, nodeImage)));
}

async function untilNameIsSettled(
  docker: Dockerode,
  name: string,
  { lab, owner }: KindState,
  image: string,
): Promise<void> {
  // A removal that is killed here leaves the container to the next one.
  const labels = { [LABELS.lab]: lab, [LABELS.owner]: owner, [LABELS.role]: "probe" };
  for (;;) {
    try {
      const probe = await docker.createContainer({ name, Image: image, Labels: labels });
      await removeContainer(docker, probe.id);
      return;
    } catch (error) {
      // The image is gone: nothing can be being made of it.
      if (isMissing(error)) return;
      if ((error as { statusCode?: number }).statusCode !== 409) throw error;
    }
    if (await exists(docker, name)) return;
    await delay(100);
  }
}

async function exists(docker: Dockerode, name: string): Promise<boolean> {
  try {
    await docker.getContainer(name).inspect();
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
