import { attributeValue } from "./netlink-attributes.ts";
import { NetlinkMessage } from "./netlink-message.ts";
import type { NetlinkRequest, NetlinkSocket } from "./netlink-socket.ts";

/* linux/rtnetlink.h, linux/neighbour.h */
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const RTM_NEWNEIGH = 28;
const RTM_GETNEIGH = 30;
const NLM_F_REQUEST = 1;
const NLM_F_REPLACE = 0x100;
const NLM_F_DUMP = 0x300;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;
const FAMILIES = [2, 10] as const;
const HEADER_BYTES = 12;
const RT_TABLE_MAIN = 254;
const RTPROT_KERNEL = 2;
const RTN_UNICAST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTNH_F_ONLINK = 4;
const ROUTE_FLAGS_AT = 8;
const NUD_PERMANENT = 0x80;

/** What goes with a link that is taken down, as the kernel tells it: struct rtmsg or ndmsg, and attributes. */
export interface SavedLink {
  routes: Buffer[];
  neighbours: Buffer[];
}

function dump(socket: NetlinkSocket, get: number, wanted: number): Buffer[] {
  return FAMILIES.flatMap((family) => {
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt8(family, 0);
    return socket.dump(new NetlinkMessage(get, NLM_F_REQUEST | NLM_F_DUMP).bytes(header));
  })
    .filter(({ type }) => type === wanted)
    .map(({ payload }) => payload);
}

/**
 * The routes of the main table through a link, but for those that the kernel makes anew with its addresses, and the permanent
 * neighbour entries on it; of both families.
 */
export function saveLink(socket: NetlinkSocket, link: number): SavedLink {
  const routes = dump(socket, RTM_GETROUTE, RTM_NEWROUTE).filter((route) => {
    const isOurs =
      route.readUInt8(4) === RT_TABLE_MAIN &&
      route.readUInt8(5) !== RTPROT_KERNEL &&
      // IPv6 has black holes on the loopback link: they are no link's.
      route.readUInt8(7) === RTN_UNICAST;
    return isOurs && attributeValue(route.subarray(HEADER_BYTES), RTA_OIF)?.readUInt32LE(0) === link;
  });
  const neighbours = dump(socket, RTM_GETNEIGH, RTM_NEWNEIGH).filter(
    (entry) => entry.readInt32LE(4) === link && entry.readUInt16LE(8) === NUD_PERMANENT,
  );
  return { routes, neighbours };
}

/** The requests that make it again; what is there stays. Routes to neighbours go first: the others lead through them. */
export function restoreRequests({ routes, neighbours }: SavedLink): NetlinkRequest[] {
  const isFar = (route: Buffer): number =>
    attributeValue(route.subarray(HEADER_BYTES), RTA_GATEWAY) === undefined ? 0 : 1;
  const again = (type: number, flags: number, payload: Buffer): NetlinkRequest => ({
    message: new NetlinkMessage(type, NLM_F_REQUEST | NLM_F_CREATE | flags).bytes(payload),
    describe: () => `what a link had that is up again: ${payload.toString("hex")}`,
    mayExist: true,
  });
  return [
    ...neighbours.map((entry) => again(RTM_NEWNEIGH, NLM_F_REPLACE, entry)),
    ...routes
      .toSorted((one, other) => isFar(one) - isFar(other))
      .map((route) => {
        const payload = Buffer.from(route);
        // What the kernel says of the link's state (dead, linkdown) is not taken back in.
        payload.writeUInt32LE(route.readUInt32LE(ROUTE_FLAGS_AT) & RTNH_F_ONLINK, ROUTE_FLAGS_AT);
        return again(RTM_NEWROUTE, NLM_F_EXCL, payload);
      }),
  ];
}
