import type Dockerode from "dockerode";
import { mustExecIn } from "../../exec/docker.ts";
import type { Plan } from "../../plan/types.ts";
import type { KindState } from "./state.ts";

/**
 * Gives nodes' links the MTU of the topology where it differs from their network's. The node's end is enough: what is longer
 * is dropped as it arrives there (veth, __dev_forward_skb). Lost with a restart of the container.
 */
export async function setLinkMtus(
  docker: Dockerode,
  { nodes }: KindState,
  { topology }: Plan,
  names: readonly string[] = Object.keys(nodes),
): Promise<void> {
  const wanted = topology.nodes.filter(({ name }) => names.includes(name));
  await Promise.all(
    wanted.flatMap(({ name, interfaces }) =>
      interfaces.map(async (link) => {
        const network = topology.networks.find((each) => each.name === link.network);
        const container = nodes[name];
        if (container === undefined || link.mtu === network?.mtu) return;
        await mustExecIn(docker.getContainer(container), ["ip", "link", "set", link.name, "mtu", String(link.mtu)]);
      }),
    ),
  );
}
