import type { InterfaceIndexes, PeerNamespace } from "./interface-indexes.ts";
import { NetlinkMessage } from "./netlink-message.ts";
import { EVERY_LLADDR } from "./net-ops.ts";
import type { NetOp } from "./net-ops.ts";
import type { NetlinkRequest } from "./netlink-socket.ts";
import { queueAdd, queueDelete } from "./queueing.ts";
import { ruleAdd } from "./routing-rule.ts";
import { addressBytes } from "./sockets.ts";

/*
 * rtnetlink(7) messages; numbers from linux/rtnetlink.h, linux/if_link.h, linux/neighbour.h.
 */
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_SETLINK = 19;
const RTM_NEWADDR = 20;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_NEWNEIGH = 28;
const RTM_DELNEIGH = 29;
const NLM_F_REQUEST = 1;
const NLM_F_REPLACE = 0x100;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;
const NLM_F_APPEND = 0x800;
const CREATE = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL;
const REPLACE = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE;
const APPEND = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_APPEND;

const AF_INET = 2;
const AF_INET6 = 10;
const AF_BRIDGE = 7;
const IFF_UP = 1;
const NLA_F_NESTED = 0x8000;

const IFLA = {
  address: 1,
  ifname: 3,
  mtu: 4,
  master: 10,
  protinfo: 12,
  linkinfo: 18,
  netNsFd: 28,
  txQueues: 31,
  rxQueues: 32,
  gsoMaxSegments: 40,
} as const;
const INFO = { kind: 1, data: 2, vethPeer: 1 } as const;
const BRPORT_MODE = 4;
const VXLAN = { id: 1, link: 3, local: 4, learning: 7, port: 15, local6: 17 } as const;
const IFA = { address: 1, local: 2, flags: 8 } as const;
const IFA_F = { noDad: 0x02, noPrefixRoute: 0x200 } as const;
const RTA = { dst: 1, oif: 4, gateway: 5, prefsrc: 7, metrics: 8 } as const;
const RTAX_MTU = 2;
const RT_TABLE_MAIN = 254;
const RTNH_F_ONLINK = 4;
const ROUTE_TYPES = { unicast: 1, blackhole: 6, unreachable: 7 } as const;
const SCOPES = { global: 0, link: 253, host: 254 } as const;
const NDA = { dst: 1, lladdr: 2 } as const;
const NUD_PERMANENT = 0x80;
const NUD_NOARP = 0x40;
const NTF_SELF = 2;
const [ENOENT, ESRCH, ENODEV, EINVAL] = [2, 3, 19, 22];

/** A struct ifinfomsg: what every message about a link begins with. `change` says which flags are set or cleared; by default those that are set. */
export function linkHeader(index: number, flags = 0, family = 0, change = flags): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt8(family, 0);
  bytes.writeInt32LE(index, 4);
  bytes.writeUInt32LE(flags, 8);
  bytes.writeUInt32LE(change, 12);
  return bytes;
}

function familyOf(address: string): number {
  return address.includes(":") ? AF_INET6 : AF_INET;
}

function macBytes(address: string): Buffer {
  return Buffer.from(address.replaceAll(":", ""), "hex");
}

function linkAttributes(
  message: NetlinkMessage,
  link: { name: string; mtu?: number; address?: string },
): NetlinkMessage {
  message.text(IFLA.ifname, link.name);
  if (link.mtu !== undefined) message.u32(IFLA.mtu, link.mtu);
  if (link.address !== undefined) message.attribute(IFLA.address, macBytes(link.address));
  return message;
}

type Of<Name extends NetOp["op"]> = Extract<NetOp, { op: Name }>;

/**
 * An end of a pair has one queue each way. Unless it is asked for one, the kernel makes one a processor, takes all but the first out of use
 * (veth_init_queues) and waits for a grace period of RCU with the lock of all links held, at each end: half of what a pod cost.
 */
function vethEnd(message: NetlinkMessage, link: { name: string; mtu?: number; address?: string }): NetlinkMessage {
  return linkAttributes(message, link).u32(IFLA.txQueues, 1).u32(IFLA.rxQueues, 1);
}

function vethAdd(op: Of<"veth-add">, indexes: InterfaceIndexes, peer: PeerNamespace): NetlinkMessage {
  const message = vethEnd(
    new NetlinkMessage(RTM_NEWLINK, CREATE).bytes(linkHeader(indexes.add(op.name), op.up === true ? IFF_UP : 0)),
    op,
  );
  const peerIndex = peer.indexes.add(op.peer.name);
  return message.nested(IFLA.linkinfo, () => {
    message.text(INFO.kind, "veth").nested(INFO.data, () => {
      message.nested(INFO.vethPeer, () => {
        vethEnd(message.bytes(linkHeader(peerIndex)), op.peer).u32(IFLA.netNsFd, peer.fd);
      });
    });
  });
}

function bridgeAdd(op: Of<"bridge-add">, indexes: InterfaceIndexes): NetlinkRequest[] {
  const { mtu, ...link } = op;
  const message = linkAttributes(new NetlinkMessage(RTM_NEWLINK, CREATE).bytes(linkHeader(indexes.add(op.name))), link);
  message.nested(IFLA.linkinfo, () => message.text(INFO.kind, "bridge"));
  const requests: NetlinkRequest[] = [{ message, describe: () => JSON.stringify(op) }];
  // An MTU given at creation follows the ports' from the first one on; one that is set afterwards stays.
  if (mtu !== undefined) requests.push(...linkSet({ op: "link-set", name: op.name, mtu }, indexes));
  return requests;
}

function vxlanAdd(op: Of<"vxlan-add">, indexes: InterfaceIndexes): NetlinkMessage {
  const message = linkAttributes(new NetlinkMessage(RTM_NEWLINK, CREATE).bytes(linkHeader(indexes.add(op.name))), op);
  return message.nested(IFLA.linkinfo, () => {
    message.text(INFO.kind, "vxlan").nested(INFO.data, () => {
      message
        .u32(VXLAN.id, op.vni)
        .u32(VXLAN.link, indexes.of(op.dev))
        .attribute(op.local.includes(":") ? VXLAN.local6 : VXLAN.local, addressBytes(op.local))
        .u8(VXLAN.learning, op.learning ? 1 : 0)
        .be16(VXLAN.port, op.port);
    });
  });
}

/** A link without options of its kind. */
function plainAdd(kind: string, op: Of<"ipip-add" | "wireguard-add">, indexes: InterfaceIndexes): NetlinkMessage {
  const message = linkAttributes(new NetlinkMessage(RTM_NEWLINK, CREATE).bytes(linkHeader(indexes.add(op.name))), op);
  return message.nested(IFLA.linkinfo, () => message.text(INFO.kind, kind));
}

function linkSet(op: Of<"link-set">, indexes: InterfaceIndexes): NetlinkRequest[] {
  const index = indexes.of(op.name);
  const describe = (): string => `ip link set ${op.name} ${JSON.stringify(op)}`;
  const requests: NetlinkRequest[] = [];
  if ([op.mtu, op.address, op.master, op.gsoMaxSegments].some((each) => each !== undefined)) {
    const message = new NetlinkMessage(RTM_NEWLINK, NLM_F_REQUEST).bytes(linkHeader(index));
    if (op.mtu !== undefined) message.u32(IFLA.mtu, op.mtu);
    if (op.gsoMaxSegments !== undefined) message.u32(IFLA.gsoMaxSegments, op.gsoMaxSegments);
    if (op.address !== undefined) message.attribute(IFLA.address, macBytes(op.address));
    if (op.master !== undefined) message.u32(IFLA.master, indexes.of(op.master));
    requests.push({ message, describe });
  }
  if (op.hairpin !== undefined) {
    const message = new NetlinkMessage(RTM_SETLINK, NLM_F_REQUEST).bytes(linkHeader(index, 0, AF_BRIDGE));
    message.nested(IFLA.protinfo | NLA_F_NESTED, () => message.u8(BRPORT_MODE, op.hairpin === true ? 1 : 0));
    requests.push({ message, describe });
  }
  return requests;
}

function addressAdd(op: Of<"address-add">, indexes: InterfaceIndexes): NetlinkMessage {
  const header = Buffer.alloc(8);
  header.writeUInt8(familyOf(op.address), 0);
  header.writeUInt8(op.prefixLength, 1);
  header.writeUInt8(SCOPES[op.scope ?? "global"], 3);
  header.writeUInt32LE(indexes.of(op.dev), 4);
  const message = new NetlinkMessage(RTM_NEWADDR, CREATE).bytes(header);
  message.attribute(IFA.local, addressBytes(op.address)).attribute(IFA.address, addressBytes(op.address));
  const flags =
    (op.noPrefixRoute === true ? IFA_F.noPrefixRoute : 0) | (familyOf(op.address) === AF_INET6 ? IFA_F.noDad : 0);
  if (flags !== 0) message.u32(IFA.flags, flags);
  return message;
}

type RouteOp = Of<"route-add" | "route-replace" | "route-delete">;

function route(op: RouteOp, indexes: InterfaceIndexes): NetlinkMessage {
  const [destination = "", length] = op.to === "default" ? [] : op.to.split("/");
  const family = familyOf(op.via ?? op.src ?? destination);
  const hostLength = family === AF_INET ? 32 : 128;
  const type = op.type ?? "unicast";
  const scope = op.scope ?? (op.via === undefined && op.dev !== undefined ? "link" : "global");
  const isDelete = op.op === "route-delete";
  const header = Buffer.alloc(12);
  header.writeUInt8(family, 0);
  header.writeUInt8(op.to === "default" ? 0 : length === undefined ? hostLength : Number(length), 1);
  header.writeUInt8(op.table ?? RT_TABLE_MAIN, 4);
  header.writeUInt8(isDelete ? 0 : (op.protocol ?? 3), 5);
  header.writeUInt8(isDelete ? 255 : SCOPES[scope], 6);
  header.writeUInt8(isDelete && op.type === undefined ? 0 : ROUTE_TYPES[type], 7);
  header.writeUInt32LE(op.onlink === true ? RTNH_F_ONLINK : 0, 8);
  const flags = isDelete ? NLM_F_REQUEST : op.op === "route-add" ? CREATE : REPLACE;
  const message = new NetlinkMessage(isDelete ? RTM_DELROUTE : RTM_NEWROUTE, flags).bytes(header);
  if (op.to !== "default") message.attribute(RTA.dst, addressBytes(destination));
  if (op.via !== undefined) message.attribute(RTA.gateway, addressBytes(op.via));
  if (op.dev !== undefined) message.u32(RTA.oif, indexes.of(op.dev));
  if (op.src !== undefined) message.attribute(RTA.prefsrc, addressBytes(op.src));
  if (op.mtu !== undefined) message.nested(RTA.metrics, () => message.u32(RTAX_MTU, op.mtu ?? 0));
  return message;
}

function neighbour(
  op: Of<"neigh-add" | "neigh-delete" | "fdb-add" | "fdb-delete">,
  indexes: InterfaceIndexes,
): NetlinkMessage {
  const isFdb = op.op === "fdb-add" || op.op === "fdb-delete";
  const isDelete = op.op === "neigh-delete" || op.op === "fdb-delete";
  const destination = "dst" in op ? op.dst : op.address;
  const header = Buffer.alloc(12);
  header.writeUInt8(isFdb ? AF_BRIDGE : familyOf(destination), 0);
  header.writeInt32LE(indexes.of(op.dev), 4);
  header.writeUInt16LE(isFdb ? NUD_PERMANENT | NUD_NOARP : NUD_PERMANENT, 8);
  header.writeUInt8(isFdb ? NTF_SELF : 0, 10);
  const create = isFdb && op.lladdr === EVERY_LLADDR ? APPEND : REPLACE;
  return new NetlinkMessage(isDelete ? RTM_DELNEIGH : RTM_NEWNEIGH, isDelete ? NLM_F_REQUEST : create)
    .bytes(header)
    .attribute(NDA.dst, addressBytes(destination))
    .attribute(NDA.lladdr, macBytes(op.lladdr));
}

/**
 * The requests that carry out one operation; none for a sysctl, which is a file, and for what interface-settings.ts, wireguard.ts and xfrm.ts send. `peer` resolves the namespace of a
 * veth's other end. Interface numbers are taken from and added to `indexes`.
 */
export function requestsFor(
  op: NetOp,
  indexes: InterfaceIndexes,
  peer: (key: string) => PeerNamespace,
): NetlinkRequest[] {
  const describe = (): string => JSON.stringify(op);
  switch (op.op) {
    case "link-up":
    case "link-down": {
      const header = linkHeader(indexes.of(op.name), op.op === "link-up" ? IFF_UP : 0, 0, IFF_UP);
      return [{ message: new NetlinkMessage(RTM_NEWLINK, NLM_F_REQUEST).bytes(header), describe }];
    }
    case "queue-add":
      return [{ message: queueAdd(indexes.of(op.dev), op.queue), describe }];
    case "queue-delete":
      // ENOENT: the link has none; EINVAL: the kernel's own, which nobody asked for.
      return [{ message: queueDelete(indexes.of(op.dev)), describe, tolerate: [ENOENT, EINVAL] }];
    case "link-set":
      return linkSet(op, indexes);
    case "link-delete": {
      const message = new NetlinkMessage(RTM_DELLINK, NLM_F_REQUEST).bytes(linkHeader(indexes.of(op.name)));
      indexes.delete(op.name);
      return [{ message, describe, tolerate: [ENODEV] }];
    }
    case "veth-add":
      return [{ message: vethAdd(op, indexes, peer(op.peer.namespace)), describe }];
    case "bridge-add":
      return bridgeAdd(op, indexes);
    case "vxlan-add":
      return [{ message: vxlanAdd(op, indexes), describe }];
    case "ipip-add":
      return indexes.has(op.name) ? [] : [{ message: plainAdd("ipip", op, indexes), describe }];
    case "wireguard-add":
      return [{ message: plainAdd("wireguard", op, indexes), describe }];
    case "address-add":
      return [{ message: addressAdd(op, indexes), describe }];
    case "route-add":
    case "route-replace":
      return [{ message: route(op, indexes), describe }];
    case "rule-add":
      return [{ message: ruleAdd(op), describe }];
    case "route-delete":
      return [{ message: route(op, indexes), describe, tolerate: [ESRCH] }];
    case "neigh-add":
    case "fdb-add":
      return [{ message: neighbour(op, indexes), describe }];
    case "neigh-delete":
    case "fdb-delete":
      return [{ message: neighbour(op, indexes), describe, tolerate: [ENOENT, ESRCH] }];
    case "sysctl":
    case "wireguard-set":
    case "wireguard-peer":
    case "esp-state-add":
    case "esp-policy-add":
    case "link-without-ipv6-address":
      return [];
  }
}
