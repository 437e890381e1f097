import { attributeValue } from "./netlink-attributes.ts";
import { NetlinkMessage } from "./netlink-message.ts";
import { NetlinkSocket, type NetlinkRequest } from "./netlink-socket.ts";
import type { NetOp } from "./net-ops.ts";
import type { InterfaceIndexes } from "./interface-indexes.ts";
import { addressBytes, socketAddress } from "./sockets.ts";

/*
 * WireGuard's devices are made by rtnetlink and set by generic netlink; numbers from linux/genetlink.h, linux/wireguard.h.
 */
const NETLINK_GENERIC = 16;
const GENL_ID_CTRL = 16;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR = { familyId: 1, familyName: 2 } as const;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLA_F_NESTED = 0x8000;
const GENL_HEADER_BYTES = 4;

const WG_CMD_SET_DEVICE = 1;
const WG_GENL_VERSION = 1;
const WGDEVICE = { ifindex: 1, privateKey: 3, listenPort: 6, fwmark: 7, peers: 8 } as const;
const WGPEER = { publicKey: 1, endpoint: 4, allowedIps: 9 } as const;
const WGALLOWEDIP = { family: 1, address: 2, prefixLength: 3 } as const;
const AF_INET = 2;
const AF_INET6 = 10;

/** Operations that {@link configureWireguard} carries out. */
export type WireguardOp = Extract<NetOp, { op: "wireguard-set" | "wireguard-peer" }>;

/** Whether rtnetlink knows nothing of an operation, because it is one of these. */
export function isWireguardOp(op: NetOp): op is WireguardOp {
  return op.op === "wireguard-set" || op.op === "wireguard-peer";
}

/**
 * Carries the operations out in the calling thread's namespace. Throws NetlinkError, ENOENT where the kernel has no WireGuard or
 * none of its devices was made yet.
 */
export function configureWireguard(ops: readonly WireguardOp[], indexes: InterfaceIndexes): void {
  const socket = new NetlinkSocket(NETLINK_GENERIC);
  try {
    const family = familyOf(socket);
    socket.request(ops.map((op) => requestFor(op, family, indexes)));
  } finally {
    socket.close();
  }
}

/** The number that the kernel gave to WireGuard's messages. */
function familyOf(socket: NetlinkSocket): number {
  const request = message(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1).addFlags(NLM_F_ACK);
  const [answer] = socket.dump(request.text(CTRL_ATTR.familyName, "wireguard"));
  const id = answer && attributeValue(answer.payload.subarray(GENL_HEADER_BYTES), CTRL_ATTR.familyId);
  if (id === undefined) throw new Error("the kernel names no number of its netlink family wireguard");
  return id.readUInt16LE(0);
}

function requestFor(op: WireguardOp, family: number, indexes: InterfaceIndexes): NetlinkRequest {
  const set = message(family, WG_CMD_SET_DEVICE, WG_GENL_VERSION).u32(WGDEVICE.ifindex, indexes.of(op.dev));
  if (op.op === "wireguard-set") {
    set.attribute(WGDEVICE.privateKey, Buffer.from(op.privateKey, "base64")).u16(WGDEVICE.listenPort, op.port);
    if (op.fwmark !== undefined) set.u32(WGDEVICE.fwmark, op.fwmark);
  } else {
    const [address = "", prefixLength] = op.allowed.split("/");
    set.nested(WGDEVICE.peers | NLA_F_NESTED, () => {
      set.nested(NLA_F_NESTED, () => {
        set
          .attribute(WGPEER.publicKey, Buffer.from(op.publicKey, "base64"))
          .attribute(WGPEER.endpoint, Buffer.from(socketAddress(op.endpoint, op.port)))
          .nested(WGPEER.allowedIps | NLA_F_NESTED, () => {
            set.nested(NLA_F_NESTED, () => {
              set
                .u16(WGALLOWEDIP.family, address.includes(":") ? AF_INET6 : AF_INET)
                .attribute(WGALLOWEDIP.address, addressBytes(address))
                .u8(WGALLOWEDIP.prefixLength, Number(prefixLength));
            });
          });
      });
    });
  }
  // A private key stays out of what is printed.
  const shown = op.op === "wireguard-set" ? { ...op, privateKey: "…" } : op;
  return { message: set, describe: () => JSON.stringify(shown) };
}

function message(type: number, command: number, version: number): NetlinkMessage {
  return new NetlinkMessage(type, NLM_F_REQUEST).bytes(Uint8Array.of(command, version, 0, 0));
}
