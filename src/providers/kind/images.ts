import type { Plan } from "../../plan/types.ts";
import type { Supplies } from "../../supplies/types.ts";
import { agentImage } from "../real/agents/container-agents.ts";
import { clusterNeeds } from "../real/needs.ts";
import { AGNHOST_IMAGE } from "../real/agnhost-image.ts";
import { podImages } from "../real/pod-images.ts";
import type { ProviderNeeds } from "../types.ts";

/** The node image of labs; its tag is the Kubernetes version. */
export const NODE_IMAGE = "docker.io/kindest/node:v1.34.4";

/** What kind 0.30 runs before several API servers (pkg/cluster/internal/loadbalancer/const.go). */
const LOAD_BALANCER_IMAGE = "docker.io/kindest/haproxy:v20230606-42a2262b";

/** Images that Docker itself runs for the lab, beside nodes' pods. */
export function engineImages({ topology }: Plan): string[] {
  const controlPlanes = topology.nodes.filter(({ role }) => role === "control-plane").length;
  return [NODE_IMAGE, AGNHOST_IMAGE, ...(controlPlanes > 1 ? [LOAD_BALANCER_IMAGE] : [])];
}

/** All that `up` asks supplies for; kubectl is for people who use the lab. */
export async function kindNeeds(plan: Plan, supplies: Supplies): Promise<ProviderNeeds> {
  const { images, files } = await clusterNeeds(plan, supplies);
  return {
    images: [...new Set([...images, ...podImages(plan), ...engineImages(plan)])],
    // Root on the Docker host does without it; whoever gets the bundle may not be.
    ownImages: [agentImage(process.env)],
    files,
    executables: ["kind", "kubectl"],
  };
}
