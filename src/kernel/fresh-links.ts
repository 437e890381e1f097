import { attributeValue } from "./netlink-attributes.ts";
import { NetlinkMessage } from "./netlink-message.ts";
import { NetlinkSocket } from "./netlink-socket.ts";
import type { NetworkNamespace } from "./namespace.ts";
import { linkHeader } from "./rtnetlink.ts";

/* linux/rtnetlink.h, linux/if_link.h */
const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const NLM_F_REQUEST = 1;
const NLM_F_DUMP = 0x300;
const HEADER_BYTES = 16;
const IFLA_IFNAME = 3;

/** A link and its number. */
export interface FreshLink {
  name: string;
  index: number;
}

let known: readonly FreshLink[] | undefined;

/**
 * What a namespace has that was just made: `lo`, and where the modules of tunnels are loaded their first devices, such as `tunl0` and
 * `sit0` (net.core.fb_tunnels_only_for_init_net). Looked up once: namespaces of this process begin alike.
 */
export function freshLinks(namespace: NetworkNamespace): readonly FreshLink[] {
  known ??= namespace.enter(linksHere);
  return known;
}

function linksHere(): FreshLink[] {
  const socket = new NetlinkSocket();
  try {
    const request = new NetlinkMessage(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP).bytes(linkHeader(0));
    return socket
      .dump(request)
      .filter(({ type }) => type === RTM_NEWLINK)
      .map(({ payload }) => ({
        name: attributeValue(payload.subarray(HEADER_BYTES), IFLA_IFNAME)?.toString("utf8").replace(/\0$/, "") ?? "",
        index: payload.readInt32LE(4),
      }));
  } finally {
    socket.close();
  }
}
