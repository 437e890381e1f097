import { NetlinkMessage } from "./netlink-message.ts";
import { NetlinkError, type NetlinkRequest, type NetlinkSocket } from "./netlink-socket.ts";

/* linux/netfilter/nfnetlink_conntrack.h, nf_conntrack_common.h, nf_conntrack_tcp.h */
const NFNL_SUBSYS_CTNETLINK = 1;
const IPCTNL_MSG_CT_NEW = 0;
const IPCTNL_MSG_CT_DELETE = 2;
const NLM_F_REQUEST = 1;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;
const AF_INET = 2;
const IPPROTO_TCP = 6;
const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_REPLY = 2;
const CTA_STATUS = 3;
const CTA_PROTOINFO = 4;
const CTA_TIMEOUT = 7;
const CTA_MARK = 8;
const CTA_MARK_MASK = 21;
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_IP_V4_SRC = 1;
const CTA_IP_V4_DST = 2;
const CTA_PROTO_NUM = 1;
const CTA_PROTO_SRC_PORT = 2;
const CTA_PROTO_DST_PORT = 3;
const CTA_PROTOINFO_TCP = 1;
const CTA_PROTOINFO_TCP_STATE = 1;
const TCP_CONNTRACK_ESTABLISHED = 3;
const NLA_F_NESTED = 0x8000;
/** Seen both ways, assured, confirmed: the kernel gives up such an entry for no other (nf_conntrack_core.c, early_drop). */
const STATUS = 0x2 | 0x4 | 0x8;
/** net.netfilter.nf_conntrack_tcp_timeout_established. */
const TIMEOUT_S = 432_000;
/** By which the entries are known again; no rule of ours uses marks of connections. */
const MARK = 0x636e696c;
/** As many a message batch as the socket sends at once. */
const AT_ONCE = 128;

function be32(value: number): Buffer {
  const data = Buffer.alloc(4);
  data.writeUInt32BE(value >>> 0);
  return data;
}

interface End {
  address: number[];
  port: number;
}

function tuple(message: NetlinkMessage, type: number, from: End, to: End): void {
  message.nested(type | NLA_F_NESTED, (whole) => {
    whole.nested(CTA_TUPLE_IP | NLA_F_NESTED, (addresses) =>
      addresses
        .attribute(CTA_IP_V4_SRC, Uint8Array.from(from.address))
        .attribute(CTA_IP_V4_DST, Uint8Array.from(to.address)),
    );
    whole.nested(CTA_TUPLE_PROTO | NLA_F_NESTED, (protocol) =>
      protocol.u8(CTA_PROTO_NUM, IPPROTO_TCP).be16(CTA_PROTO_SRC_PORT, from.port).be16(CTA_PROTO_DST_PORT, to.port),
    );
  });
}

function header(type: number, flags: number): NetlinkMessage {
  return new NetlinkMessage((NFNL_SUBSYS_CTNETLINK << 8) | type, flags).bytes(Uint8Array.of(AF_INET, 0, 0, 0));
}

/** An established TCP connection between hosts of 198.18.0.0/15, which is nobody's (RFC 2544); each number is another. */
function connection(number: number): NetlinkRequest {
  const client: End = { address: [198, 18, (number >> 24) & 255, (number >> 16) & 255], port: number & 0xffff };
  const server: End = { address: [198, 19, 0, 1], port: 80 };
  const message = header(IPCTNL_MSG_CT_NEW, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL);
  tuple(message, CTA_TUPLE_ORIG, client, server);
  tuple(message, CTA_TUPLE_REPLY, server, client);
  message
    .attribute(CTA_STATUS, be32(STATUS))
    .attribute(CTA_TIMEOUT, be32(TIMEOUT_S))
    .attribute(CTA_MARK, be32(MARK))
    .nested(CTA_PROTOINFO | NLA_F_NESTED, (info) =>
      info.nested(CTA_PROTOINFO_TCP | NLA_F_NESTED, (tcp) =>
        tcp.u8(CTA_PROTOINFO_TCP_STATE, TCP_CONNTRACK_ESTABLISHED),
      ),
    );
  return { message, describe: () => `conntrack entry ${number}` };
}

/**
 * Fills a namespace's table of connections (nf_conntrack(7)'s net.netfilter.nf_conntrack_max is read-only outside the first
 * namespace, and counted in each): established TCP connections of hosts that do not exist, until the kernel has no room.
 */
export class ConnectionFlood {
  private readonly socket: NetlinkSocket;
  private next = 0;

  /** `socket` is NETLINK_NETFILTER's, of the namespace. */
  constructor(socket: NetlinkSocket) {
    this.socket = socket;
  }

  /** Adds up to `count` entries; false when the table has no room for more. Throws NetlinkError for every other refusal. */
  add(count: number): boolean {
    for (let end = this.next + count; this.next < end;) {
      const size = Math.min(AT_ONCE, end - this.next);
      const requests = Array.from({ length: size }, (_, index) => connection(this.next + index));
      this.next += size;
      try {
        this.socket.request(requests);
      } catch (error) {
        // nf_conntrack_alloc: the table is full.
        if (error instanceof NetlinkError && error.code === "ENOMEM") return false;
        throw error;
      }
    }
    return true;
  }

  /** Removes all that it added, and nothing else. */
  remove(): void {
    const message = header(IPCTNL_MSG_CT_DELETE, NLM_F_REQUEST)
      .attribute(CTA_MARK, be32(MARK))
      .attribute(CTA_MARK_MASK, be32(0xffffffff));
    this.socket.request([{ message, describe: () => "conntrack flush by mark" }]);
  }
}
