import type Dockerode from "dockerode";
import { mustExecIn } from "../../exec/docker.ts";
import { belowRouter } from "./layout.ts";
import { LABELS } from "./names.ts";

interface RouterOptions {
  cluster: string;
  lab: string;
  owner: string;
  /** Any that has a shell and iproute2. */
  image: string;
  /** In each it takes `router`, which is the gateway that Docker gives to the other containers. */
  networks: readonly { network: string; subnet: string; router: string }[];
}

const READY = "/run/cnilab-router";

/**
 * Starts the router between the lab's networks: Docker itself lets nothing pass from one bridge to another. It has no way out
 * and knows no pod network, as a datacentre's router would not. Resolves when it routes.
 */
export async function startRouter(
  docker: Dockerode,
  { cluster, lab, owner, image, networks }: RouterOptions,
): Promise<void> {
  const [first, ...others] = networks.map(({ network, ...addresses }) => ({
    network,
    endpoint: { IPAMConfig: { IPv4Address: belowRouter(addresses, 2n) } },
  }));
  const container = await docker.createContainer({
    name: `${cluster}-router`,
    Image: image,
    Hostname: "router",
    Labels: { [LABELS.lab]: lab, [LABELS.owner]: owner, [LABELS.role]: "router" },
    Entrypoint: ["sh", "-ec", routerScript(networks)],
    Cmd: [],
    HostConfig: {
      NetworkMode: first?.network ?? "",
      CapAdd: ["NET_ADMIN"],
      Sysctls: { "net.ipv4.ip_forward": "1" },
      RestartPolicy: { Name: "on-failure", MaximumRetryCount: 1 },
    },
    ...(first === undefined ? {} : { NetworkingConfig: { EndpointsConfig: { [first.network]: first.endpoint } } }),
  });
  for (const { network, endpoint } of others) {
    await docker.getNetwork(network).connect({ Container: container.id, EndpointConfig: endpoint });
  }
  await container.start();
  await mustExecIn(container, ["sh", "-c", `until [ -e ${READY} ]; do sleep .05; done`]);
}

/** Docker gives a gateway's address to no container, so that it is added here, to the interface that is in the subnet. */
export function routerScript(networks: RouterOptions["networks"]): string {
  const adds = networks.map(({ subnet, router }) => {
    const length = subnet.split("/")[1] ?? "";
    return `dev=$(ip -o -4 address show to ${subnet} | { read -r _ name _; echo "$name"; }); ip address add ${router}/${length} dev "$dev"`;
  });
  return [...adds, "ip route del default", `touch ${READY}`, "exec sleep infinity"].join("\n");
}
