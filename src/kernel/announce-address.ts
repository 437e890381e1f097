import { calls, check } from "./libc.ts";
import type { NetworkNamespace } from "./namespace.ts";

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const ETH_P_ARP = 0x0806;
const BROADCAST = Buffer.alloc(6, 0xff);
/** Ethernet, IPv4, six and four bytes of address, a request (RFC 826). */
const REQUEST = Buffer.from([0, 1, 8, 0, 6, 4, 0, 1]);

/**
 * The frame of an ARP announcement (RFC 5227, section 3): a request by and for the same IPv4 address. `lladdr` is the hardware address
 * as six bytes, `address` the IPv4 one as four.
 */
export function announcement(lladdr: Uint8Array, address: Uint8Array): Buffer {
  const type = Buffer.from([ETH_P_ARP >> 8, ETH_P_ARP & 0xff]);
  return Buffer.concat([BROADCAST, lladdr, type, REQUEST, lladdr, address, Buffer.alloc(6), address]);
}

/** sockaddr_ll (packet(7)) of everybody on an interface. */
function everybody(index: number): Buffer {
  const name = Buffer.alloc(20);
  name.writeUInt16LE(AF_PACKET, 0);
  name.writeUInt16BE(ETH_P_ARP, 2);
  name.writeInt32LE(index, 4);
  name.writeUInt8(BROADCAST.length, 11);
  BROADCAST.copy(name, 12);
  return name;
}

/** Says by ARP, to all who know the address, that it is at `lladdr`; Linux takes the word of the last who says so. Throws SystemCallError. */
export function announceAddress(
  namespace: NetworkNamespace,
  { index, lladdr, address }: { index: number; lladdr: Uint8Array; address: Uint8Array },
): void {
  namespace.enter(() => {
    // Protocol 0: it sends and receives nothing.
    const fd = check("socket", calls.socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), "packet");
    try {
      const frame = announcement(lladdr, address);
      const name = everybody(index);
      check("sendto", calls.sendto(fd, frame, frame.length, 0, name, name.length), "ARP announcement");
    } finally {
      calls.close(fd);
    }
  });
}
