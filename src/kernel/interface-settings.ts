import type { NetOp } from "./net-ops.ts";
import { NetlinkMessage } from "./netlink-message.ts";
import type { NetlinkRequest } from "./netlink-socket.ts";
import type { InterfaceIndexes } from "./interface-indexes.ts";

/* linux/rtnetlink.h, linux/if_link.h; the settings' numbers are the IPV4_DEVCONF_ ones of linux/ip.h */
const RTM_NEWLINK = 16;
const NLM_F_REQUEST = 1;
const IFLA_AF_SPEC = 26;
const AF_INET = 2;
const AF_INET6 = 10;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const IN6_ADDR_GEN_MODE_NONE = 1;
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

interface Setting {
  name: string;
  /** An IPV4_DEVCONF_ number, or that it takes no link-local address. */
  set: { number: number; value: number } | "without-ipv6-address";
}

/** Interface and setting of an operation that an attribute can carry. */
function settingOf(op: NetOp, indexes: InterfaceIndexes): Setting | undefined {
  if (op.op === "link-without-ipv6-address") return { name: op.name, set: "without-ipv6-address" };
  if (op.op !== "sysctl") return undefined;
  const [, name = "", setting = ""] = /^ipv4\/conf\/([^/]+)\/([a-z_]+)$/.exec(op.key) ?? [];
  const number = SETTINGS[setting];
  return number === undefined || !indexes.has(name) ? undefined : { name, set: { number, value: Number(op.value) } };
}

/**
 * The request that does what writing /proc/sys/net/ipv4/conf/INTERFACE/SETTING, or an interface's proxy_delay, would, for
 * the operation at `start` and those behind it that set the same interface; undefined for any other sysctl. A file costs
 * 30 µs to open, write and close; a request little, but each tells all listeners of the link, so several go in one.
 */
export function interfaceSettings(
  ops: readonly NetOp[],
  start: number,
  indexes: InterfaceIndexes,
): { request: NetlinkRequest; count: number } | undefined {
  const op = ops[start];
  if (op === undefined) return undefined;
  if (op.op === "sysctl") {
    const [, neighbours = ""] = /^ipv4\/neigh\/([^/]+)\/proxy_delay$/.exec(op.key) ?? [];
    if (indexes.has(neighbours)) return { request: proxyDelay(op, indexes.of(neighbours)), count: 1 };
  }
  const first = settingOf(op, indexes);
  if (first === undefined) return undefined;
  const settings = [first];
  for (let next = ops[start + 1]; next !== undefined; next = ops[start + settings.length]) {
    const setting = settingOf(next, indexes);
    if (setting?.name !== first.name) break;
    settings.push(setting);
  }
  const header = Buffer.alloc(16);
  header.writeInt32LE(indexes.of(first.name), 4);
  const message = new NetlinkMessage(RTM_NEWLINK, NLM_F_REQUEST).bytes(header);
  message.nested(IFLA_AF_SPEC, () => {
    const numbers = settings.flatMap(({ set }) => (typeof set === "object" ? [set] : []));
    if (numbers.length > 0) {
      message.nested(AF_INET, () => {
        message.nested(IFLA_INET_CONF, () => {
          for (const { number, value } of numbers) message.u32(number, value);
        });
      });
    }
    if (settings.some(({ set }) => set === "without-ipv6-address")) {
      message.nested(AF_INET6, () => message.u8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE));
    }
  });
  const done = ops.slice(start, start + settings.length);
  return { request: { message, describe: () => JSON.stringify(done) }, count: settings.length };
}
