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
const SETTINGS: Readonly<Record<string, number>> = {
  forwarding: 1,
  proxy_arp: 3,
  rp_filter: 8,
  arp_ignore: 19,
  accept_local: 23,
  route_localnet: 26,
};

/**
 * The request that does what writing /proc/sys/net/ipv4/conf/INTERFACE/SETTING would; undefined for any other sysctl. A
 * file costs 30 µs to open, write and close, an attribute in a batch under one.
 */
export function interfaceSetting(
  op: Extract<NetOp, { op: "sysctl" }>,
  indexes: InterfaceIndexes,
): NetlinkRequest | undefined {
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
