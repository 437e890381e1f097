import type { NetOp } from "./net-ops.ts";
import { NetlinkMessage } from "./netlink-message.ts";
import type { NetlinkRequest } from "./netlink-socket.ts";
import type { InterfaceIndexes } from "./rtnetlink.ts";

/* linux/rtnetlink.h, linux/if_link.h; the settings' numbers are the IPV4_DEVCONF_ ones of linux/ip.h */
const RTM_NEWLINK = 16;
const NLM_F_REQUEST = 1;
const IFLA_AF_SPEC = 26;
const AF_INET = 2;
const IFLA_INET_CONF = 1;
const RTM_SETNEIGHTBL = 67;
const NDTA_NAME = 1;
const NDTA_PARMS = 6;
const NDTPA_IFINDEX = 1;
const NDTPA_PROXY_DELAY = 13;
const SETTINGS: Readonly<Record<string, number>> = {
  forwarding: 1,
  proxy_arp: 3,
  rp_filter: 8,
  arp_ignore: 19,
  accept_local: 23,
  route_localnet: 26,
};

/** Milliseconds go in; the file takes hundredths of a second (USER_HZ). */
function proxyDelay(op: Extract<NetOp, { op: "sysctl" }>, index: number): NetlinkRequest {
  const milliseconds = Buffer.alloc(8);
  milliseconds.writeBigUInt64LE(BigInt(op.value) * 10n);
  const message = new NetlinkMessage(RTM_SETNEIGHTBL, NLM_F_REQUEST).bytes(Uint8Array.of(AF_INET, 0, 0, 0));
  message.text(NDTA_NAME, "arp_cache").nested(NDTA_PARMS, () => {
    message.u32(NDTPA_IFINDEX, index).attribute(NDTPA_PROXY_DELAY, milliseconds);
  });
  return { message, describe: () => JSON.stringify(op) };
}

/**
 * The request that does what writing /proc/sys/net/ipv4/conf/INTERFACE/SETTING, or an interface's proxy_delay, would; undefined for any other sysctl. A
 * file costs 30 µs to open, write and close, an attribute in a batch under one.
 */
export function interfaceSetting(
  op: Extract<NetOp, { op: "sysctl" }>,
  indexes: InterfaceIndexes,
): NetlinkRequest | undefined {
  const [, neighbours = ""] = /^ipv4\/neigh\/([^/]+)\/proxy_delay$/.exec(op.key) ?? [];
  if (indexes.has(neighbours)) return proxyDelay(op, indexes.of(neighbours));
  const [, name = "", setting = ""] = /^ipv4\/conf\/([^/]+)\/([a-z_]+)$/.exec(op.key) ?? [];
  const number = SETTINGS[setting];
  if (number === undefined || !indexes.has(name)) return undefined;
  const header = Buffer.alloc(16);
  header.writeInt32LE(indexes.of(name), 4);
  const message = new NetlinkMessage(RTM_NEWLINK, NLM_F_REQUEST).bytes(header);
  message.nested(IFLA_AF_SPEC, () => {
    message.nested(AF_INET, () => {
      message.nested(IFLA_INET_CONF, () => message.u32(number, Number(op.value)));
    });
  });
  return { message, describe: () => JSON.stringify(op) };
}
