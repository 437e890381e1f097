import { formatIpBytes } from "../core/ip.ts";
import { NetlinkMessage } from "./netlink-message.ts";
import type { NetlinkSocket } from "./netlink-socket.ts";
import { attributeValue } from "./netlink-attributes.ts";

/* linux/netfilter/nfnetlink_conntrack.h */
const NFNL_SUBSYS_CTNETLINK = 1;
const IPCTNL_MSG_CT_GET = 1;
const IPCTNL_MSG_CT_DELETE = 2;
const NLM_F_REQUEST = 1;
const NLM_F_DUMP = 0x300;
const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_REPLY = 2;
const CTA_STATUS = 3;
const CTA_PROTOINFO = 4;
const CTA_PROTOINFO_TCP = 1;
const CTA_PROTOINFO_TCP_STATE = 1;
const TCP_CONNTRACK_ESTABLISHED = 3;
const IPS_ASSURED = 4;
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_IP_V4_SRC = 1;
const CTA_IP_V4_DST = 2;
const CTA_IP_V6_SRC = 3;
const CTA_IP_V6_DST = 4;
const CTA_PROTO_NUM = 1;
const CTA_PROTO_DST_PORT = 3;
const NLA_F_NESTED = 0x8000;
const AF_UNSPEC = 0;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const ENOENT = 2;

/** A UDP flow that the kernel translates: to whom it was sent, and who answers it. */
export interface UdpConnection {
  destination: string;
  destinationPort: number;
  /** Source of the replies: the endpoint behind a Service. */
  answeredBy: string;
}

function textOf(addresses: Buffer, ipv4: number, ipv6: number): string {
  const bytes = attributeValue(addresses, ipv4) ?? attributeValue(addresses, ipv6);
  return bytes === undefined ? "" : formatIpBytes(bytes);
}

/** `family` is that of the entry; AF_UNSPEC asks for both. */
function header(type: number, flags: number, family: number): NetlinkMessage {
  return new NetlinkMessage((NFNL_SUBSYS_CTNETLINK << 8) | type, flags).bytes(Uint8Array.of(family, 0, 0, 0));
}

interface Entry {
  /** AF_INET or AF_INET6. */
  family: number;
  protocol: number | undefined;
  original: Buffer;
  reply: Buffer;
  attributes: Buffer;
}

/** The entries of the socket's namespace, of both families. */
function entries(socket: NetlinkSocket): Entry[] {
  return socket.dump(header(IPCTNL_MSG_CT_GET, NLM_F_REQUEST | NLM_F_DUMP, AF_UNSPEC)).flatMap(({ payload }) => {
    const attributes = payload.subarray(4);
    const original = attributeValue(attributes, CTA_TUPLE_ORIG);
    const reply = attributeValue(attributes, CTA_TUPLE_REPLY);
    if (original === undefined || reply === undefined) return [];
    const tuple = attributeValue(original, CTA_TUPLE_PROTO);
    const protocol = tuple === undefined ? undefined : attributeValue(tuple, CTA_PROTO_NUM)?.[0];
    return [{ family: payload.readUInt8(0), protocol, original, reply, attributes }];
  });
}

function remove(socket: NetlinkSocket, { family, original }: Entry): void {
  const message = header(IPCTNL_MSG_CT_DELETE, NLM_F_REQUEST, family).attribute(
    CTA_TUPLE_ORIG | NLA_F_NESTED,
    original,
  );
  // It may have expired since the dump.
  socket.request([{ message, describe: () => "conntrack delete", tolerate: [ENOENT] }]);
}

/**
 * Deletes the entries that the kernel itself gives up where its table is nearly full (nf_conntrack_core.c, gc_worker_can_early_drop):
 * those that were not answered, and TCP connections that are not established.
 */
export function deletePassingConnections(socket: NetlinkSocket): void {
  for (const entry of entries(socket)) {
    const status = attributeValue(entry.attributes, CTA_STATUS)?.readUInt32BE(0) ?? 0;
    const info = attributeValue(entry.attributes, CTA_PROTOINFO) ?? Buffer.alloc(0);
    const tcp = attributeValue(info, CTA_PROTOINFO_TCP) ?? Buffer.alloc(0);
    const state = attributeValue(tcp, CTA_PROTOINFO_TCP_STATE)?.[0];
    const isLasting = entry.protocol !== IPPROTO_TCP || state === TCP_CONNTRACK_ESTABLISHED;
    if ((status & IPS_ASSURED) === 0 || !isLasting) remove(socket, entry);
  }
}

/**
 * Deletes the UDP entries, of both families, for which `isStale` says so; returns how many. kube-proxy does this when an endpoint of a
 * UDP Service goes: the translation of a flow is kept for as long as packets come, even towards nobody.
 */
export function deleteUdpConnections(socket: NetlinkSocket, isStale: (connection: UdpConnection) => boolean): number {
  let deleted = 0;
  for (const entry of entries(socket)) {
    const { original, reply } = entry;
    if (entry.protocol !== IPPROTO_UDP) continue;
    const protocol = attributeValue(original, CTA_TUPLE_PROTO);
    const addresses = attributeValue(original, CTA_TUPLE_IP);
    const replyAddresses = attributeValue(reply, CTA_TUPLE_IP);
    if (protocol === undefined || addresses === undefined || replyAddresses === undefined) continue;
    const connection: UdpConnection = {
      destination: textOf(addresses, CTA_IP_V4_DST, CTA_IP_V6_DST),
      destinationPort: attributeValue(protocol, CTA_PROTO_DST_PORT)?.readUInt16BE(0) ?? 0,
      answeredBy: textOf(replyAddresses, CTA_IP_V4_SRC, CTA_IP_V6_SRC),
    };
    if (!isStale(connection)) continue;
    remove(socket, entry);
    deleted += 1;
  }
  return deleted;
}
