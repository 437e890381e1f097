import { calls, check } from "./libc.ts";
import type { NetworkNamespace } from "./namespace.ts";

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
/** sockaddr_ll (packet(7)). */
const NAME = { family: 0, protocol: 2, index: 4, lladdr: 12, bytes: 20 } as const;
const LLADDR_BYTES = 6;

/** A socket of frames of one interface, which does not block, and the interface's hardware address. `protocol` 0 receives nothing. Throws SystemCallError. */
export function openLink(
  namespace: NetworkNamespace,
  index: number,
  protocol: number,
): { fd: number; lladdr: Uint8Array } {
  const fd = namespace.enter(() =>
    check("socket", calls.socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "packet"),
  );
  try {
    const name = Buffer.alloc(NAME.bytes);
    name.writeUInt16LE(AF_PACKET, NAME.family);
    name.writeUInt16BE(protocol, NAME.protocol);
    name.writeInt32LE(index, NAME.index);
    check("bind", calls.bind(fd, name, name.length), "packet");
    const own = Buffer.alloc(NAME.bytes);
    check("getsockname", calls.getsockname(fd, own, [own.length]));
    return { fd, lladdr: own.subarray(NAME.lladdr, NAME.lladdr + LLADDR_BYTES) };
  } catch (error) {
    calls.close(fd);
    throw error;
  }
}
