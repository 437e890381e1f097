import { existsSync } from "node:fs";
import type { NetOp } from "../../../kernel/net-ops.ts";
import { NetworkHost } from "../../../kernel/network-host.ts";
import type { PlannedInterface, PlannedNode, PlannedTopology } from "../../../plan/types.ts";

/**
 * The outside: a host behind the node networks' router, on TEST-NET-2 (RFC 5737), and where the cluster is dual-stack on a
 * network for documentation (RFC 3849), so that no real address is shadowed. One of each a family.
 */
const EXTERNAL = {
  prefixLengths: [24, 64],
  gateways: ["198.51.100.1", "2001:db8:100::1"],
  addresses: ["198.51.100.10", "2001:db8:100::10"],
} as const;

/** Where nothing of a cluster's networks has an IPv6 address, it is switched off. */
const WITHOUT_IPV6: readonly NetOp[] = ["all", "default"].map((scope) => ({
  op: "sysctl",
  key: `ipv6/conf/${scope}/disable_ipv6`,
  value: "1",
}));

/**
 * Where they have: links that come later have their own address at once, without the second of duplicate address detection; nobody
 * waits for router advertisements; and what a link had stays with it while it is down.
 */
const WITH_IPV6: readonly NetOp[] = [
  ["all", "accept_dad", "0"],
  ["default", "accept_dad", "0"],
  ["default", "accept_ra", "0"],
  ["all", "keep_addr_on_down", "1"],
].map(([scope, name, value]) => ({ op: "sysctl", key: `ipv6/conf/${scope}/${name}`, value: value ?? "" }));

const FABRIC = "fabric";
const OUTSIDE = "external";

/** What a node's, the fabric's and the outside's namespace get first; on a dual-stack cluster before any link is made there. */
export function hostOps(isDual: boolean): NetOp[] {
  return [...(isDual ? WITH_IPV6 : WITHOUT_IPV6), ...withoutIcmpLimits(isDual), { op: "link-up", name: "lo" }];
}

/** A router of the families that the cluster has. */
function forwarding(isDual: boolean): NetOp[] {
  const keys = ["ipv4/ip_forward", ...(isDual ? ["ipv6/conf/all/forwarding"] : [])];
  return keys.map((key) => ({ op: "sysctl", key, value: "1" }));
}

/** A hundred closed UDP ports probed at once would get six ICMP errors. */
export function withoutIcmpLimits(isDual: boolean): NetOp[] {
  const ops: NetOp[] = [{ op: "sysctl", key: "ipv4/icmp_ratelimit", value: "0" }];
  if (isDual) ops.push({ op: "sysctl", key: "ipv6/icmp/ratelimit", value: "0" });
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
  /** Of the outside, one a family that the cluster has. */
  readonly externalAddresses: string[];
  /** Whether it has IPv6 beside IPv4. */
  readonly isDual: boolean;

  constructor(topology: PlannedTopology) {
    const isDual = topology.networks.some(({ subnets }) => subnets.length > 1);
    this.isDual = isDual;
    this.externalAddresses = EXTERNAL.addresses.slice(0, isDual ? 2 : 1);
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
    const fabricOps: NetOp[] = [...hostOps(isDual), ...forwarding(isDual)];
    if (existsSync("/proc/sys/net/bridge")) {
      fabricOps.push({ op: "sysctl", key: "bridge/bridge-nf-call-iptables", value: "0" });
      if (isDual) fabricOps.push({ op: "sysctl", key: "bridge/bridge-nf-call-ip6tables", value: "0" });
    }
    for (const { network, name } of bridges) {
      fabricOps.push(
        { op: "bridge-add", name, mtu: network.mtu },
        { op: "link-up", name },
        ...network.gateways.map((address, family): NetOp => ({
          op: "address-add",
          dev: name,
          address,
          prefixLength: prefixLength(network.subnets[family] ?? ""),
        })),
      );
    }
    fabricOps.push(
      { op: "veth-add", name: "outside", peer: { name: "eth0", namespace: OUTSIDE } },
      { op: "link-up", name: "outside" },
      ...this.outsideAddresses("outside", EXTERNAL.gateways),
    );
    if (isDual) this.external.configure(hostOps(isDual), resolve);
    for (const [index, plan] of topology.nodes.entries()) {
      const host = NetworkHost.create(plan.name);
      hosts.set(plan.name, host);
      if (isDual) host.configure(hostOps(isDual), resolve);
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
    for (const node of this.nodes.values()) {
      const before = isDual ? [] : hostOps(isDual);
      node.host.configure([...before, ...forwarding(isDual), ...nodeOps(node, topology)], resolve);
    }
    this.external.configure(
      [
        ...(isDual ? [] : hostOps(isDual)),
        { op: "link-up", name: "eth0" },
        ...this.outsideAddresses("eth0", EXTERNAL.addresses),
        ...EXTERNAL.gateways
          .slice(0, this.externalAddresses.length)
          .map((via): NetOp => ({ op: "route-add", to: "default", via, dev: "eth0" })),
      ],
      resolve,
    );
    // The fabric's ends of all links were up first.
    const ports = topology.nodes.flatMap(({ interfaces }, index) => interfaces.map((_, port) => portName(index, port)));
    const used = bridges.filter(({ network }) =>
      topology.nodes.some(({ interfaces }) => interfaces.some((link) => link.network === network.name)),
    );
    const routed = ["outside", ...used.map(({ name }) => name)];
    this.fabric.untilCarrying([...ports, ...routed]);
    if (!isDual) return;
    this.fabric.untilUsable(routed);
    this.external.untilUsable(["eth0"]);
    for (const { host, plan } of this.nodes.values()) host.untilUsable(plan.interfaces.map(({ name }) => name));
  }

  /** Of one end of the link between the fabric and the outside. */
  private outsideAddresses(dev: string, addresses: readonly string[]): NetOp[] {
    return addresses.slice(0, this.externalAddresses.length).map((address, family) => ({
      op: "address-add",
      dev,
      address,
      prefixLength: EXTERNAL.prefixLengths[family] ?? 0,
    }));
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
  const ops: NetOp[] = [];
  for (const link of plan.interfaces) {
    ops.push({ op: "link-up", name: link.name });
    for (const [index, address] of link.addresses.entries()) {
      ops.push({ op: "address-add", dev: link.name, address, prefixLength: link.prefixLengths[index] ?? 0 });
    }
  }
  const network = topology.networks.find(({ name }) => name === primary.network);
  for (const via of network?.gateways ?? []) ops.push({ op: "route-add", to: "default", via, dev: primary.name });
  return ops;
}
