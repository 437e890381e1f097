import { isIPv4, isIPv6 } from "node:net";
import * as z from "zod";
import { formatCidr, parseCidr } from "../../core/ip.ts";
import { LabError, LabProblems } from "../../core/errors.ts";
import type { Remote } from "../../exec/ssh/types.ts";
import { findOverlaps, networksOf, type NamedNetwork } from "../../lab/cluster.ts";
import type { Plan, PlannedMachine, PlannedNetwork, PlannedNode } from "../../plan/types.ts";

/** Where a machine is in the network that nodes share, or the one outside the cluster in a network that reaches them. */
export interface MachineNetwork {
  /** Of the user that we come as. */
  home: string;
  address: string;
  interface: string;
  prefixLength: number;
  mtu: number;
}

const links = z.array(
  z.object({
    ifname: z.string(),
    mtu: z.number(),
    addr_info: z.array(z.object({ local: z.string().optional(), prefixlen: z.number().optional() })).default([]),
  }),
);

/**
 * Reads a machine's interfaces. Its node address is the planned one, else the one that our connection came to, as the machine sees
 * it. Rejects with MACHINE_NO_NODE_ADDRESS where no interface has it, or where it is one of IPv6.
 */
export async function readNetwork(machine: PlannedMachine, remote: Pick<Remote, "must">): Promise<MachineNetwork> {
  const text = await remote.must('printf "%s\\n" "$HOME" "$SSH_CONNECTION"; ip -j address show');
  const [home = "", connection = "", ...json] = text.split("\n");
  // CLIENT PORT SERVER PORT (ssh(1), ENVIRONMENT).
  const address = machine.nodeAddress ?? connection.split(" ")[2] ?? "";
  const found = links.parse(JSON.parse(json.join("\n")));
  const all = found.flatMap(({ addr_info }) => addr_info.flatMap(({ local = "" }) => local));
  if (isIPv6(address)) {
    const message = `nodes reach each other by IPv4, and the address of ${machine.node} is ${address}`;
    const others = all.filter((each) => isIPv4(each) && !each.startsWith("127."));
    throw new LabError("MACHINE_NO_NODE_ADDRESS", message, {
      hint: `name its IPv4 address as nodeAddress; it has ${others.join(", ") || "none"}`,
    });
  }
  for (const { ifname, mtu, addr_info } of found) {
    const own = addr_info.find(({ local }) => local === address);
    if (own?.prefixlen !== undefined) {
      return { home, address, interface: ifname, prefixLength: own.prefixlen, mtu };
    }
  }
  throw new LabError("MACHINE_NO_NODE_ADDRESS", `no interface of ${machine.node} has the address ${address}`, {
    hint: `say which other nodes reach it by, as nodeAddress; it has ${all.join(", ")}`,
  });
}

/**
 * The plan with the machines' own networks in place of the topology's, and the address of the one outside the cluster. Throws LabProblems with PLAN_NETWORK_OVERLAP where they
 * share addresses with the pods' or the Services'.
 */
export function planOnMachines(plan: Plan, found: ReadonlyMap<string, MachineNetwork>): Plan {
  const networks = new Map<string, PlannedNetwork>();
  const nodes = plan.topology.nodes.map((node): PlannedNode => {
    const own = found.get(node.name);
    if (own === undefined) return node;
    const { address, prefixLength, mtu } = own;
    const subnet = subnetOf(own);
    const network = networks.get(subnet) ?? { name: subnet, subnets: [subnet], gateways: [""], mtu };
    networks.set(subnet, { ...network, mtu: Math.min(network.mtu, mtu) });
    return {
      ...node,
      interfaces: [{ name: own.interface, network: subnet, addresses: [address], prefixLengths: [prefixLength], mtu }],
    };
  });
  const topology = { ...plan.topology, networks: [...networks.values()], nodes };
  const outside = plan.external === undefined ? undefined : found.get(plan.external.node);
  const all = networksOf(topology, plan.cluster, plan.cni.podCidrs);
  const overlaps = [...findOverlaps(all), ...(outside === undefined ? [] : overlapsOutside(outside, all))];
  if (overlaps.length > 0) {
    throw new LabProblems(
      overlaps.map(
        ([first, second]) =>
          new LabError(
            "PLAN_NETWORK_OVERLAP",
            `${second.what} (${second.cidr}) overlaps ${first.what} (${first.cidr}) of the machines`,
            { hint: "set cni.podCidr or cluster.serviceCidr" },
          ),
      ),
    );
  }
  // What the CNI takes of a packet stays the same.
  const mtu = plan.cni.mtu - smallestMtu(plan.topology.nodes) + smallestMtu(nodes);
  const planned = { ...plan, topology, cni: { ...plan.cni, mtu: Math.min(mtu, plan.cni.mtu) } };
  if (plan.external === undefined || outside === undefined) return planned;
  return { ...planned, external: { ...plan.external, nodeAddress: outside.address } };
}

/** Pods could not reach a host that has an address of theirs; which network of the nodes it is in does not matter. */
function overlapsOutside({ address }: MachineNetwork, all: readonly NamedNetwork[]): [NamedNetwork, NamedNetwork][] {
  const host: NamedNetwork = { role: "node", what: "external", cidr: `${address}/32` };
  return all.filter(({ role }) => role !== "node").flatMap((network) => findOverlaps([host, network]));
}

function subnetOf({ address, prefixLength }: MachineNetwork): string {
  const cidr = parseCidr(`${address}/${prefixLength}`);
  return cidr === undefined ? "" : formatCidr(cidr);
}

function smallestMtu(nodes: readonly PlannedNode[]): number {
  return Math.min(...nodes.flatMap(({ interfaces }) => interfaces.map(({ mtu }) => mtu)));
}
