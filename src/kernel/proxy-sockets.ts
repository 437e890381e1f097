import { formatIpBytes } from "../core/ip.ts";
import { calls, check } from "./libc.ts";
import { openSocket, socketAddress } from "./sockets.ts";

const SOL_SOCKET = 1;
const SO_MARK = 36;
const SOL_IP = 0;
const SOL_IPV6 = 41;
/** The same number for both families (linux/netfilter_ipv4.h, linux/netfilter_ipv6/ip6_tables.h). */
const SO_ORIGINAL_DST = 80;

/**
 * A TCP socket of the calling thread's namespace whose packets have this mark (socket(7), SO_MARK), and, where given, this source
 * address. Needs CAP_NET_ADMIN there. Give it to `new Socket({fd})`, which connects it.
 */
export function openMarked(to: string, mark: number, from?: string): number {
  const fd = openSocket("tcp", to);
  try {
    const value = Buffer.alloc(4);
    value.writeUInt32LE(mark);
    check("setsockopt", calls.setsockopt(fd, SOL_SOCKET, SO_MARK, value, 4), "SO_MARK");
    if (from !== undefined) {
      const name = socketAddress(from, 0);
      check("bind", calls.bind(fd, name, name.length), from);
    }
    return fd;
  } catch (error) {
    calls.close(fd);
    throw error;
  }
}

/** Where an accepted connection was going before netfilter redirected it; undefined where nothing did. */
export function originalDestination(fd: number, isIpv6: boolean): { address: string; port: number } | undefined {
  const name = Buffer.alloc(28);
  const size = isIpv6 ? 28 : 16;
  if (calls.getsockopt(fd, isIpv6 ? SOL_IPV6 : SOL_IP, SO_ORIGINAL_DST, name, [size]) < 0) return undefined;
  const address = isIpv6 ? name.subarray(8, 24) : name.subarray(4, 8);
  return { address: formatIpBytes(address), port: name.readUInt16BE(2) };
}
