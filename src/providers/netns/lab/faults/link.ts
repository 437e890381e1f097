import { LabError } from "../../../../core/errors.ts";
import { NetlinkError } from "../../../../kernel/netlink-socket.ts";
import type { NetOp } from "../../../../kernel/net-ops.ts";
import type { NetworkHost } from "../../../../kernel/network-host.ts";
import type { FaultOf } from "../../../fault.ts";
import type { UnderlayNode } from "../underlay.ts";
import type { FaultParts, Mend } from "./types.ts";

interface LinkPlace {
  node: string;
  interface: string;
}

/** A node's link with the fabric's end of it. */
interface Link {
  node: UnderlayNode;
  name: string;
  port: string;
}

/** Throws SOURCE_MISSING for a node or an interface that is not there. */
export function linkOf({ underlay }: Pick<FaultParts, "underlay">, { node: name, interface: wanted }: LinkPlace): Link {
  const node = underlay.nodes.get(name);
  const port = node?.ports.get(wanted);
  if (node === undefined || port === undefined)
    throw new LabError("SOURCE_MISSING", `node ${name} with interface ${wanted} does not exist`);
  return { node, name: wanted, port };
}

/** linux/netdevice.h */
const GSO_MAX_SEGS = 65_535;

function noPeer(key: string): never {
  throw new Error(`no other namespace is meant: ${key}`);
}

/** The same at both ends: what the node sends, and what is sent to it. */
function atBothEnds({ underlay }: FaultParts, link: Link, opOf: (name: string) => NetOp): void {
  const ends: [NetworkHost, string][] = [
    [link.node.host, link.name],
    [underlay.fabric, link.port],
  ];
  for (const [host, name] of ends) host.configure([opOf(name)], noPeer);
}

/** The node's interface is down, and the kernel has taken its routes and neighbours; all come back. */
export function linkDown(parts: FaultParts, fault: FaultOf<"linkDown">): Mend {
  const { node, name, port } = linkOf(parts, fault);
  node.cut.add(name);
  const saved = node.host.linkDown(name);
  return () => {
    node.host.linkUp(name, saved);
    parts.underlay.fabric.untilCarrying([port]);
    if (parts.underlay.isDual) node.host.untilUsable([name]);
    node.cut.delete(name);
    // Routes that the CNI would have made meanwhile.
    parts.network.configureNodes();
  };
}

/**
 * A TCP segment that nobody has cut yet would pass a bridge and a veth whatever its length (net/core/dev.c, is_skb_forwardable): it
 * is cut before this link, as it would be before a cable.
 */
export function mtu(parts: FaultParts, fault: FaultOf<"mtu">): Mend {
  const link = linkOf(parts, fault);
  const planned = link.node.plan.interfaces.find(({ name }) => name === link.name)?.mtu ?? 1500;
  atBothEnds(parts, link, (name) => ({ op: "link-set", name, mtu: fault.bytes, gsoMaxSegments: 1 }));
  return () =>
    atBothEnds(parts, link, (name) => ({ op: "link-set", name, mtu: planned, gsoMaxSegments: GSO_MAX_SEGS }));
}

/** rateLimit and delay: a queueing discipline at either end. */
export function queue(parts: FaultParts, fault: FaultOf<"rateLimit"> | FaultOf<"delay">): Mend {
  const link = linkOf(parts, fault);
  const wanted = fault.kind === "delay" ? { delayMs: fault.delayMs } : { bitsPerSecond: fault.bitsPerSecond };
  const mend = (): void => atBothEnds(parts, link, (dev) => ({ op: "queue-delete", dev }));
  try {
    atBothEnds(parts, link, (dev) => ({ op: "queue-add", dev, queue: wanted }));
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    if (error.code === "EEXIST")
      throw new LabError("FAULT_NOT_POSSIBLE", `${fault.interface} of ${fault.node} has a queueing discipline already`);
    mend();
    if (error.code !== "ENOENT") throw error;
    const feature = fault.kind === "delay" ? "netem (CONFIG_NET_SCH_NETEM)" : "TBF (CONFIG_NET_SCH_TBF)";
    throw new LabError("FAULT_NOT_POSSIBLE", `this kernel has no ${feature}, which ${fault.kind} is made with`);
  }
  return mend;
}

/**
 * Frames are dropped by nftables on the fabric's side of the link, each by chance, in either direction: the node sees a
 * bad cable and no rule.
 */
export function loss(parts: FaultParts, fault: FaultOf<"loss">): Mend {
  const { port } = linkOf(parts, fault);
  const table = `bridge loss-${port}`;
  const share = Math.max(1, Math.round(fault.percent * 100));
  const rule = (match: string): string =>
    fault.percent >= 100 ? `${match} "${port}" drop` : `${match} "${port}" numgen random mod 10000 < ${share} drop`;
  parts.fabricRules().apply(`table ${table} {
  chain from-node { type filter hook prerouting priority -300; policy accept; ${rule("iifname")}; }
  chain to-node { type filter hook postrouting priority 300; policy accept; ${rule("oifname")}; }
}
`);
  return () => parts.fabricRules().apply(`delete table ${table}\n`);
}
