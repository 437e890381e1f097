import { formatIpBytes } from "../core/ip.ts";
import { calls, check, lastErrno, SystemCallError } from "./libc.ts";
import { openLink } from "./link-address.ts";
import type { NetworkNamespace } from "./namespace.ts";
import {
  ALL_NODES,
  NEIGHBOUR_SOLICITATION,
  neighbourAdvertisement,
  solicitedAddress,
  solicitedNodeGroup,
} from "./neighbour-messages.ts";
import { addressBytes } from "./sockets.ts";

const AF_INET6 = 10;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const IPPROTO_IPV6 = 41;
const IPPROTO_ICMPV6 = 58;
/** icmpv6(7): a bit for each type, set where the socket is not to see it. */
const ICMPV6_FILTER = 1;
const FILTER_BYTES = 32;
/** ipv6(7) */
const IPV6 = { unicastHops: 16, multicastInterface: 17, multicastHops: 18, multicastLoop: 19, join: 20, leave: 21 };
/** What neighbour discovery must have, so that nobody beyond the link can have sent it (RFC 4861, section 3.1). */
const HOP_LIMIT = 255;
const EAGAIN = 11;
const EADDRNOTAVAIL = 99;
const ENETDOWN = 100;
const ENETUNREACH = 101;
/** Of a link that is down, or has lost its IPv6 addresses. */
const NO_LINK: ReadonlySet<number> = new Set([EADDRNOTAVAIL, ENETDOWN, ENETUNREACH]);
/** sockaddr_in6 (ipv6(7)). */
const NAME = { address: 8, scope: 24, bytes: 28 } as const;
const MESSAGE_BYTES = 2048;

/**
 * Answers neighbour discovery on one interface for IPv6 addresses that it does not have, as MetalLB's speaker does (internal/layer2/ndp.go): a
 * raw socket that sees solicitations alone, and is in the group of each address. Those that a neighbour sends to a hardware address
 * it knows, to see whether it still answers, are not for this host's addresses and reach no socket; the neighbour then asks the group.
 */
export class NdpResponder {
  readonly fd: number;
  private readonly index: number;
  private readonly lladdr: Uint8Array;
  private readonly message = Buffer.alloc(MESSAGE_BYTES);
  private readonly name = Buffer.alloc(NAME.bytes);
  private addresses: ReadonlySet<string> = new Set();
  /** Hexadecimal. */
  private groups: ReadonlySet<string> = new Set();

  /** `index` is the interface's in that namespace. Throws SystemCallError. */
  constructor(namespace: NetworkNamespace, index: number) {
    const link = openLink(namespace, index, 0);
    calls.close(link.fd);
    this.lladdr = link.lladdr;
    this.index = index;
    const type = SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC;
    this.fd = namespace.enter(() => check("socket", calls.socket(AF_INET6, type, IPPROTO_ICMPV6), "ICMPv6"));
    const filter = Buffer.alloc(FILTER_BYTES, 0xff);
    const byte = NEIGHBOUR_SOLICITATION >> 3;
    filter[byte] = 0xff & ~(1 << (NEIGHBOUR_SOLICITATION & 7));
    this.set(IPPROTO_ICMPV6, ICMPV6_FILTER, filter);
    this.set(IPPROTO_IPV6, IPV6.multicastInterface, number(index));
    this.set(IPPROTO_IPV6, IPV6.multicastLoop, number(0));
    for (const option of [IPV6.unicastHops, IPV6.multicastHops]) this.set(IPPROTO_IPV6, option, number(HOP_LIMIT));
  }

  /** Answers for these IPv6 addresses from now on; new ones are announced to the link, so that who knew them elsewhere learns better. */
  answerFor(addresses: Iterable<string>): void {
    const before = this.addresses;
    this.addresses = new Set(addresses);
    const known = this.groups;
    this.groups = new Set([...this.addresses].map((each) => solicitedNodeGroup(addressBytes(each)).toString("hex")));
    for (const group of known) if (!this.groups.has(group)) this.membership(IPV6.leave, group);
    for (const group of this.groups) if (!known.has(group)) this.membership(IPV6.join, group);
    for (const address of this.addresses)
      if (!before.has(address)) this.send(ALL_NODES, neighbourAdvertisement(addressBytes(address), this.lladdr, false));
  }

  /** Answers all solicitations that wait. */
  read(): void {
    for (;;) {
      const bytes = Number(calls.recvfrom(this.fd, this.message, this.message.length, 0, this.name, [NAME.bytes]));
      if (bytes < 0) {
        const errno = lastErrno();
        if (errno === EAGAIN) return;
        throw new SystemCallError("recvfrom", errno, "ICMPv6");
      }
      const target = solicitedAddress(this.message.subarray(0, bytes));
      if (target === undefined || !this.addresses.has(formatIpBytes(target))) continue;
      const asker = Uint8Array.from(this.name.subarray(NAME.address, NAME.scope));
      this.send(asker, neighbourAdvertisement(target, this.lladdr, true));
    }
  }

  private send(to: Uint8Array, message: Uint8Array): void {
    const name = Buffer.alloc(NAME.bytes);
    name.writeUInt16LE(AF_INET6, 0);
    name.set(to, NAME.address);
    name.writeUInt32LE(this.index, NAME.scope);
    const sent = calls.sendto(this.fd, message, message.length, 0, name, name.length);
    // Nobody hears a link that is down.
    if (sent < 0 && !NO_LINK.has(lastErrno())) throw new SystemCallError("sendto", lastErrno(), "ICMPv6");
  }

  private membership(option: number, group: string): void {
    this.set(IPPROTO_IPV6, option, Buffer.concat([Buffer.from(group, "hex"), number(this.index)]));
  }

  private set(level: number, option: number, value: Uint8Array): void {
    check("setsockopt", calls.setsockopt(this.fd, level, option, value, value.length), "ICMPv6");
  }

  close(): void {
    calls.close(this.fd);
  }
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}
