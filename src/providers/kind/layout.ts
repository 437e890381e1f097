import { LabError } from "../../core/errors.ts";
import { formatIp, nthAddress, parseCidr, parseIp } from "../../core/ip.ts";
import type { Plan } from "../../plan/types.ts";
import { nodesInOrder } from "./config.ts";
import { containerNames } from "./names.ts";

/** A container's link into one of the lab's Docker networks. */
export interface Leg {
  network: string;
  address: string;
  /** On a dual-stack cluster, which has one network. */
  ipv6Address?: string;
}

/** Where containers are, in a lab whose nodes are in several networks. */
export interface Layout {
  /** The node networks in the topology's order. */
  networks: { name: string; network: string; subnet: string; router: string }[];
  /** Container name → its links in order: eth0, eth1, … The load balancer's, where there is one, are there too. */
  legs: Map<string, Leg[]>;
  /** kind's load balancer, which only several control planes have. */
  balancer: string;
  /** Container name → the names that it has to find in other networks, where Docker's DNS does not know them. */
  hosts: Map<string, Map<string, string>>;
}

/** The Docker network of a node network; a lab's name has no dot, so that it is no other lab's. */
export function networkName(cluster: string, network: string): string {
  return `${cluster}.${network}`;
}

/** Kubernetes name → Docker networks, eth0's first. */
export function nodesNetworks({ topology }: Plan, cluster: string): Record<string, string[]> {
  return Object.fromEntries(
    topology.nodes.map(({ name, interfaces }) => [
      name,
      interfaces.map(({ network }) => networkName(cluster, network)),
    ]),
  );
}

/** Where the lab's router is in a network: above nodes, which have the first addresses, and below MetalLB's pool, at the end. */
export function routerAddress(subnet: string): string {
  const { size, nth } = addressesOf(subnet);
  return nth(size / 2n < 254n ? size / 2n : 254n);
}

function addressesOf(subnet: string): { size: bigint; nth: (offset: bigint) => string } {
  const cidr = parseCidr(subnet);
  if (cidr === undefined) throw new LabError("DOCKER_FAILED", `Docker's subnet ${subnet} is no network`);
  const size = 1n << BigInt((cidr.family === 4 ? 32 : 128) - cidr.prefixLength);
  const nth = (offset: bigint): string => {
    const address = nthAddress(cidr, offset);
    if (address === undefined)
      throw new LabError("DOCKER_FAILED", `Docker's subnet ${subnet} is too small for the lab`);
    return formatIp(address);
  };
  return { size, nth };
}

/**
 * Every container's networks and addresses. Subnets are Docker's (node network → CIDR); in them nodes are as far from the
 * beginning as in the topology.
 */
export function layOut(plan: Plan, cluster: string, subnets: ReadonlyMap<string, string>): Layout {
  const { topology } = plan;
  const networks = topology.networks.map(({ name }) => {
    const subnet = subnets.get(name) ?? "";
    return { name, network: networkName(cluster, name), subnet, router: routerAddress(subnet) };
  });
  const ordered = nodesInOrder(plan);
  const containers = containerNames(
    cluster,
    ordered.map(({ role }) => role),
  );
  const legs = new Map<string, Leg[]>();
  for (const [index, { interfaces }] of ordered.entries()) {
    const own = interfaces.map(({ network: name, addresses: [planned = ""] }): Leg => {
      const from = parseCidr(topology.networks.find((each) => each.name === name)?.subnets[0] ?? "");
      const offset = (parseIp(planned)?.value ?? 0n) - (from?.value ?? 0n);
      return { network: networkName(cluster, name), address: addressesOf(subnets.get(name) ?? "").nth(offset) };
    });
    legs.set(containers[index] ?? "", own);
  }
  const controlPlanes = containers.filter((_, index) => ordered[index]?.role === "control-plane");
  const balancer = `${cluster}-external-load-balancer`;
  if (controlPlanes.length > 1) {
    // It asks Docker's DNS for control planes, which knows those of its own networks only.
    const theirs = new Set(controlPlanes.map((name) => legs.get(name)?.[0]?.network));
    const own = networks.filter(({ network }) => theirs.has(network));
    legs.set(
      balancer,
      own.map(({ network, subnet, router }) => ({ network, address: belowRouter({ subnet, router }, 1n) })),
    );
  }
  const servers = controlPlanes.length > 1 ? [...controlPlanes, balancer] : controlPlanes;
  return { networks, legs, balancer, hosts: new Map(containers.map((name) => [name, hostsOf(name, servers, legs)])) };
}

/** An address that no node has: they count up to the router's from the other end. */
export function belowRouter({ subnet, router }: { subnet: string; router: string }, steps: bigint): string {
  const offset = (parseIp(router)?.value ?? 0n) - (parseCidr(subnet)?.value ?? 0n);
  return addressesOf(subnet).nth(offset - steps);
}

/** Other servers' addresses, in the container's own network where they have one there. */
function hostsOf(name: string, servers: readonly string[], legs: ReadonlyMap<string, Leg[]>): Map<string, string> {
  const [own] = legs.get(name) ?? [];
  return new Map(
    servers
      .filter((server) => server !== name)
      .map((server) => {
        const theirs = legs.get(server) ?? [];
        const leg = theirs.find(({ network }) => network === own?.network) ?? theirs[0];
        return [server, leg?.address ?? ""];
      }),
  );
}
