import { LabError } from "../core/errors.ts";
import { attributeValue } from "./netlink-attributes.ts";
import { NetlinkMessage } from "./netlink-message.ts";
import type { NetlinkSocket } from "./netlink-socket.ts";
import { linkHeader } from "./rtnetlink.ts";

const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const IFLA_OPERSTATE = 16;
const IFLA_EXT_MASK = 29;
const RTEXT_FILTER_SKIP_STATS = 8;
/** RFC 2863, ifOperStatus, in the kernel's numbers (linux/if.h). */
const IF_OPER_UP = 6;
const ATTRIBUTES_AT = 16;
/** The kernel handles links in a row at most once a second where it is not in a hurry. */
const TIMEOUT_MS = 5000;

const pause = new Int32Array(new SharedArrayBuffer(4));

/**
 * Blocks until the link carries packets. Of a veth pair the end that was up first has a carrier when the other one is up, and drops
 * all packets until the kernel's link watch has seen that; on a busy host this takes hundreds of milliseconds. Asked for one
 * link by its number, the kernel (6.8 and later) does it before it answers; older ones are asked again.
 */
export function untilCarrying(socket: NetlinkSocket, link: { name: string; index: number }): void {
  const startedAt = performance.now();
  for (;;) {
    const message = new NetlinkMessage(RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK).bytes(linkHeader(link.index));
    const answers = socket.dump(message.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS));
    if (answers.some(({ type, payload }) => type === RTM_NEWLINK && operationalState(payload) === IF_OPER_UP)) return;
    if (performance.now() - startedAt > TIMEOUT_MS) {
      throw new LabError("LINK_WITHOUT_CARRIER", `link ${link.name} has no carrier after ${TIMEOUT_MS / 1000} s`, {
        hint: "the kernel has not handled its link events; look at the host's load",
      });
    }
    Atomics.wait(pause, 0, 0, 1);
  }
}

function operationalState(payload: Buffer): number | undefined {
  return attributeValue(payload.subarray(ATTRIBUTES_AT), IFLA_OPERSTATE)?.[0];
}
