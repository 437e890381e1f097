import { LabError } from "../core/errors.ts";
import { attributeValue } from "./netlink-attributes.ts";
import { NetlinkMessage } from "./netlink-message.ts";
import type { NetlinkSocket } from "./netlink-socket.ts";

/* linux/rtnetlink.h, linux/if_addr.h */
const RTM_NEWADDR = 20;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const NLM_F_REQUEST = 1;
const NLM_F_DUMP = 0x300;
const AF_INET6 = 10;
const IFA_ADDRESS = 1;
const IFA_F_TENTATIVE = 0x40;
const RTA_DST = 1;
const RTN_LOCAL = 2;
const LINK_LOCAL_SCOPE = 253;
const TIMEOUT_MS = 5000;

const pause = new Int32Array(new SharedArrayBuffer(4));

function dump(socket: NetlinkSocket, type: number, headerLength: number): Buffer[] {
  const header = Buffer.alloc(headerLength);
  header.writeUInt8(AF_INET6, 0);
  const answers = socket.dump(new NetlinkMessage(type, NLM_F_REQUEST | NLM_F_DUMP).bytes(header));
  const wanted = type === RTM_GETADDR ? RTM_NEWADDR : RTM_NEWROUTE;
  return answers.filter((answer) => answer.type === wanted).map(({ payload }) => payload);
}

/** What is still missing; undefined where nothing is. */
function missing(socket: NetlinkSocket, linkLocal: readonly { name: string; index: number }[]): string | undefined {
  const local = new Set(
    dump(socket, RTM_GETROUTE, 12)
      .filter((route) => route.readUInt8(7) === RTN_LOCAL)
      .map((route) => attributeValue(route.subarray(12), RTA_DST)?.toString("hex")),
  );
  const addresses = dump(socket, RTM_GETADDR, 8).map((payload) => ({
    text: attributeValue(payload.subarray(8), IFA_ADDRESS)?.toString("hex") ?? "",
    isTentative: (payload.readUInt8(2) & IFA_F_TENTATIVE) !== 0,
    isLinkLocal: payload.readUInt8(3) === LINK_LOCAL_SCOPE,
    index: payload.readUInt32LE(4),
  }));
  const unusable = addresses.find(({ text, isTentative }) => isTentative || !local.has(text));
  if (unusable !== undefined) return `its address ${unusable.text}`;
  const bare = linkLocal.find(({ index }) => !addresses.some((each) => each.isLinkLocal && each.index === index));
  return bare === undefined ? undefined : `a link-local address of ${bare.name}`;
}

/**
 * Blocks until every IPv6 address of the socket's namespace takes packets, and each of these links has its link-local one, which
 * a router asks for neighbours from. The kernel answers a request for an address at once, and makes its local route (and ends
 * duplicate address detection, even where there is none) in a work queue of its own. Throws ADDRESS_NOT_USABLE.
 */
export function untilUsable(socket: NetlinkSocket, linkLocal: readonly { name: string; index: number }[]): void {
  const startedAt = performance.now();
  for (;;) {
    const what = missing(socket, linkLocal);
    if (what === undefined) return;
    if (performance.now() - startedAt > TIMEOUT_MS) {
      throw new LabError("ADDRESS_NOT_USABLE", `the kernel has not made ${what} usable after ${TIMEOUT_MS / 1000} s`, {
        hint: "look at the host's load, and whether IPv6 is switched off (net.ipv6.conf.*.disable_ipv6)",
      });
    }
    Atomics.wait(pause, 0, 0, 1);
  }
}
