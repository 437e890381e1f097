import { existsSync } from "node:fs";
import type { NetOp } from "../../../kernel/net-ops.ts";
import { NetworkHost } from "../../../kernel/network-host.ts";
import type { PlannedInterface, PlannedNode, PlannedTopology } from "../../../plan/types.ts";

/** The outside: a host behind the node networks' router, on TEST-NET-2 (RFC 5737), so that no real address is shadowed. */
export const EXTERNAL = {
  subnet: "198.51.100.0/24",
  gateway: "198.51.100.1",
  address: "198.51.100.10",
} as const;

const FABRIC = "fabric";
const OUTSIDE = "external";

/** What a node's, the fabric's and the outside's namespace get first. */
export function hostOps(): NetOp[] {
  // IPv6 would cost duplicate address detection on every link; nothing is wired for it yet.
  const scopes = ["all", "default"].map((scope): NetOp => ({
    op: "sysctl",
    key: `ipv6/conf/${scope}/disable_ipv6`,
    value: "1",
  }));
  return [...scopes, ...withoutIcmpLimits(), { op: "link-up", name: "lo" }];
}

/** A hundred closed UDP ports probed at once would get six ICMP errors. */
export function withoutIcmpLimits(): NetOp[] {
  const ops: NetOp[] = [{ op: "sysctl", key: "ipv4/icmp_ratelimit", value: "0" }];
  // Per namespace only since Linux 6.11; before that the host's own value holds.
  if (existsSync("/proc/sys/net/ipv4/icmp_msgs_per_sec") && icmpLimitIsOurs()) {
    ops.push({ op: "sysctl", key: "ipv4/icmp_msgs_per_sec", value: "1000000" });
  }
  return ops;
}

let icmpLimit: boolean | undefined;

/** A global sysctl is not shown in a namespace other than the first one. */
function icmpLimitIsOurs(): boolean {
  if (icmpLimit === undefined) {
    const host = NetworkHost.create("sysctl check");
    try {
      icmpLimit = host.namespace.enter(() => existsSync("/proc/sys/net/ipv4/icmp_msgs_per_sec"));
    } finally {
      host.close();
    }
  }
  return icmpLimit;
}

/** Name of the fabric's end of a node's link, at most 15 characters (IFNAMSIZ). */
function portName(node: number, port: number): string {
  return `port${node}-${port}`;
}

export interface UnderlayNode {
  plan: PlannedNode;
  host: NetworkHost;
  primary: PlannedInterface;
  /** Name of the fabric's end of each of its links, by the node's own. */
  ports: Map<string, string>;
  /** Links that a fault took down. */
  cut: Set<string>;
}

/**
 * The nodes, the networks they hang on, and the outside. Each node network is a bridge in one namespace, the fabric,
 * which is also the router between them and to the outside; it knows no pod network, as a datacentre's router would not.
 */
export class Underlay {
  readonly nodes = new Map<string, UnderlayNode>();
  readonly external: NetworkHost;
  /** The switch and router between all node networks. */
  readonly fabric: NetworkHost;
  /** The fabric's bridge of each node network, and its own address there, by the network's name. */
  readonly networks: ReadonlyMap<string, { bridge: string; gateway: string }>;

  constructor(topology: PlannedTopology) {
    this.fabric = NetworkHost.create(FABRIC);
    this.external = NetworkHost.create(OUTSIDE);
    const hosts = new Map<string, NetworkHost>([
      [FABRIC, this.fabric],
      [OUTSIDE, this.external],
    ]);
    const resolve = (key: string): NetworkHost => {
      const host = hosts.get(key);
      if (host === undefined) throw new Error(`no namespace ${key}`);
      return host;
    };

    const bridges = topology.networks.map((network, index) => ({ network, name: `br${index}` }));
    this.networks = new Map(
      bridges.map(({ network, name }) => [network.name, { bridge: name, gateway: network.gateways[0] ?? "" }]),
    );
    const fabricOps: NetOp[] = [...hostOps(), { op: "sysctl", key: "ipv4/ip_forward", value: "1" }];
    if (existsSync("/proc/sys/net/bridge")) {
      fabricOps.push({ op: "sysctl", key: "bridge/bridge-nf-call-iptables", value: "0" });
    }
    for (const { network, name } of bridges) {
      fabricOps.push(
        { op: "bridge-add", name, mtu: network.mtu },
        { op: "link-up", name },
        {
          op: "address-add",
          dev: name,
          address: network.gateways[0] ?? "",
          prefixLength: prefixLength(network.subnets[0] ?? ""),
        },
      );
    }
    fabricOps.push(
      { op: "veth-add", name: "outside", peer: { name: "eth0", namespace: OUTSIDE } },
      { op: "link-up", name: "outside" },
      {
        op: "address-add",
        dev: "outside",
        address: EXTERNAL.gateway,
        prefixLength: prefixLength(EXTERNAL.subnet),
      },
    );
    for (const [index, plan] of topology.nodes.entries()) {
      const host = NetworkHost.create(plan.name);
      hosts.set(plan.name, host);
      const primary = plan.interfaces[0];
      if (primary === undefined) throw new Error(`node ${plan.name} is on no network`);
      const ports = new Map<string, string>();
      this.nodes.set(plan.name, { plan, host, primary, ports, cut: new Set() });
      for (const [port, link] of plan.interfaces.entries()) {
        const bridge = bridges.find(({ network }) => network.name === link.network);
        if (bridge === undefined) throw new Error(`node ${plan.name} is on the unknown network ${link.network}`);
        const name = portName(index, port);
        ports.set(link.name, name);
        fabricOps.push(
          {
            op: "veth-add",
            name,
            mtu: link.mtu,
            peer: { name: link.name, namespace: plan.name, mtu: link.mtu },
          },
          { op: "link-set", name, master: bridge.name },
          { op: "link-up", name },
        );
      }
    }
    this.fabric.configure(fabricOps, resolve);
    for (const node of this.nodes.values()) node.host.configure(nodeOps(node, topology), resolve);
    this.external.configure(
      [
        ...hostOps(),
        { op: "link-up", name: "eth0" },
        {
          op: "address-add",
          dev: "eth0",
          address: EXTERNAL.address,
          prefixLength: prefixLength(EXTERNAL.subnet),
        },
        { op: "route-add", to: "default", via: EXTERNAL.gateway },
      ],
      resolve,
    );
    // The fabric's ends of all links were up first.
    const ports = topology.nodes.flatMap(({ interfaces }, index) => interfaces.map((_, port) => portName(index, port)));
    const used = bridges.filter(({ network }) =>
      topology.nodes.some(({ interfaces }) => interfaces.some((link) => link.network === network.name)),
    );
    this.fabric.untilCarrying(["outside", ...ports, ...used.map(({ name }) => name)]);
  }

  node(name: string): UnderlayNode {
    const node = this.nodes.get(name);
    if (node === undefined) throw new Error(`no node ${name}`);
    return node;
  }
}

function prefixLength(cidr: string): number {
  return Number(cidr.split("/")[1]);
}

function nodeOps({ plan, primary }: UnderlayNode, topology: PlannedTopology): NetOp[] {
  const ops: NetOp[] = [...hostOps(), { op: "sysctl", key: "ipv4/ip_forward", value: "1" }];
  for (const link of plan.interfaces) {
    ops.push({ op: "link-up", name: link.name });
    for (const [index, address] of link.addresses.entries()) {
      ops.push({ op: "address-add", dev: link.name, address, prefixLength: link.prefixLengths[index] ?? 0 });
    }
  }
  const network = topology.networks.find(({ name }) => name === primary.network);
  if (network !== undefined)
    ops.push({ op: "route-add", to: "default", via: network.gateways[0] ?? "", dev: primary.name });
  return ops;
}
