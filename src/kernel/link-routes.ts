import { attributeValue } from "./netlink-attributes.ts";
import { NetlinkMessage } from "./netlink-message.ts";
import type { NetlinkRequest, NetlinkSocket } from "./netlink-socket.ts";

/* linux/rtnetlink.h */
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const NLM_F_REQUEST = 1;
const NLM_F_DUMP = 0x300;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;
const AF_INET = 2;
const AF_INET6 = 10;
const RT_TABLE_MAIN = 254;
const RTPROT_KERNEL = 2;
const RTN_UNICAST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTNH_F_ONLINK = 4;
const FLAGS_AT = 8;

/** A route as the kernel tells it: struct rtmsg and its attributes. */
export type SavedRoute = Buffer;

/** The routes of the main table, of both families, through a link, but for those that the kernel makes anew with its addresses. */
export function saveRoutes(socket: NetlinkSocket, link: number): SavedRoute[] {
  return [AF_INET, AF_INET6]
    .flatMap((family) => {
      const header = Buffer.alloc(12);
      header.writeUInt8(family, 0);
      return socket.dump(new NetlinkMessage(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP).bytes(header));
    })
    .filter(({ type }) => type === RTM_NEWROUTE)
    .map(({ payload }) => payload)
    .filter((route) => {
      const isOurs =
        route.readUInt8(4) === RT_TABLE_MAIN &&
        route.readUInt8(5) !== RTPROT_KERNEL &&
        // IPv6 has black holes on the loopback link: they are no link's.
        route.readUInt8(7) === RTN_UNICAST;
      return isOurs && attributeValue(route.subarray(12), RTA_OIF)?.readUInt32LE(0) === link;
    });
}

/** The requests that make them again; those that are there stay. Routes to neighbours go first: the others lead through them. */
export function restoreRequests(routes: readonly SavedRoute[]): NetlinkRequest[] {
  const isFar = (route: SavedRoute): number => (attributeValue(route.subarray(12), RTA_GATEWAY) === undefined ? 0 : 1);
  return routes
    .toSorted((one, other) => isFar(one) - isFar(other))
    .map((route) => {
      const again = Buffer.from(route);
      // What the kernel says of the link's state (dead, linkdown) is not taken back in.
      again.writeUInt32LE(route.readUInt32LE(FLAGS_AT) & RTNH_F_ONLINK, FLAGS_AT);
      const message = new NetlinkMessage(RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL).bytes(again);
      return { message, describe: () => `route of a link that is up again: ${again.toString("hex")}`, mayExist: true };
    });
}
