import { randomInt } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { formatIp, formatIpBytes, parseIp } from "../core/ip.ts";
import { calls, check, errnoName, lastErrno } from "./libc.ts";
import type { NetworkNamespace } from "./namespace.ts";
import { socketAddress } from "./sockets.ts";

const AF_INET = 2;
const AF_INET6 = 10;
const SOCKADDR_IN6_BYTES = 28;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const IPPROTO_ICMP = 1;
const IPPROTO_ICMPV6 = 58;
const IPPROTO_IP = 0;
const IPPROTO_IPV6 = 41;
const IP_MTU_DISCOVER = 10;
const IPV6_MTU_DISCOVER = 23;
const IPV6_DONTFRAG = 62;
/** DF is set, and what the kernel has learnt of the path's MTU is not heeded (ip(7)); its number is the same for IPv6. */
const PMTUDISC_PROBE = 3;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_SNDBUF = 7;
const EAGAIN = 11;
const IP_HEADER = 20;
const IPV6_HEADER = 40;
const ICMP_HEADER = 8;
const ECHO_REPLY = 0;
const UNREACHABLE = 3;
const FRAGMENTATION_NEEDED = 4;
const ECHO_REQUEST = 8;
/** RFC 4443. */
const ICMPV6 = { packetTooBig: 2, lastError: 127, echoRequest: 128, echoReply: 129 } as const;
const BUFFER_BYTES = 4 << 20;
const LONGEST_LOOK_MS = 10;

/** Echo requests of several sizes, sent at once. */
export interface EchoRequest {
  /** IPv4 or IPv6 literal. */
  address: string;
  /** Bytes of each packet with its headers; 28 (IPv6: 48) to 65535, no two alike. */
  sizes: number[];
  /** How often a size without an answer is sent, evenly over the deadline. */
  tries: number;
  deadlineMs: number;
}

/** What became of one size. */
export interface EchoReply {
  size: number;
  /**
   * - `too-big`: fragmentation would have been needed; `by` says where, undefined for the source's own link.
   * - `unreachable`: an ICMP error or the source's own kernel says so in `detail`.
   */
  outcome: "answered" | "too-big" | "unreachable" | "silent";
  by?: string;
  /** That the next link takes, as the refusal names it. */
  mtu?: number;
  detail?: string;
}

/**
 * Sends ICMP echo requests that must not be fragmented (RFC 1191, RFC 8201), whatever MTU the kernel learnt for the path before, and reads who
 * answers: the destination, or whoever refuses. A raw socket in the namespace: it is shown all ICMP that comes in (raw(7)).
 */
export async function sendEchoes(
  namespace: NetworkNamespace,
  { address, sizes, tries, deadlineMs }: EchoRequest,
  signal: AbortSignal,
): Promise<EchoReply[]> {
  const fd = namespace.enter(() => openRaw(isIpv6(address)));
  try {
    const id = randomInt(0x10000);
    const startedAt = performance.now();
    const replies = new Map<number, EchoReply>();
    const open = (): number[] => sizes.filter((size) => !replies.has(size));
    const set = (reply: EchoReply): void => {
      if (!replies.has(reply.size)) replies.set(reply.size, reply);
    };
    let sent = 0;
    let lookMs = 1;
    for (;;) {
      signal.throwIfAborted();
      const now = performance.now() - startedAt;
      if (sent < tries && now >= (sent * deadlineMs) / tries) {
        sent += 1;
        for (const size of open()) send(fd, address, size, { id, sequence: sizes.indexOf(size) }, set);
      }
      read(fd, address, id, sizes, set);
      if (open().length === 0 || now >= deadlineMs) break;
      await pause(lookMs);
      lookMs = Math.min(lookMs * 2, LONGEST_LOOK_MS);
    }
    return sizes.map((size) => replies.get(size) ?? { size, outcome: "silent" });
  } finally {
    calls.close(fd);
  }
}

/** Bytes of ICMP, its own header included, in a packet of that size to that address. */
export function icmpBytes(address: string, size: number): number {
  return size - (isIpv6(address) ? IPV6_HEADER : IP_HEADER);
}

function isIpv6(address: string): boolean {
  return address.includes(":");
}

function openRaw(isSix: boolean): number {
  const [family, protocol] = isSix ? [AF_INET6, IPPROTO_ICMPV6] : [AF_INET, IPPROTO_ICMP];
  const fd = check("socket", calls.socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
  const set = (level: number, name: number, value: number): void => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value);
    check("setsockopt", calls.setsockopt(fd, level, name, bytes, 4));
  };
  try {
    if (isSix) {
      set(IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE);
      // Else the sender itself would make fragments.
      set(IPPROTO_IPV6, IPV6_DONTFRAG, 1);
    } else {
      set(IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE);
    }
    set(SOL_SOCKET, SO_SNDBUF, BUFFER_BYTES);
    set(SOL_SOCKET, SO_RCVBUF, BUFFER_BYTES);
    return fd;
  } catch (error) {
    calls.close(fd);
    throw error;
  }
}

function send(
  fd: number,
  address: string,
  size: number,
  { id, sequence }: { id: number; sequence: number },
  set: (reply: EchoReply) => void,
): void {
  const isSix = isIpv6(address);
  const packet = Buffer.alloc(icmpBytes(address, size));
  packet[0] = isSix ? ICMPV6.echoRequest : ECHO_REQUEST;
  packet.writeUInt16BE(id, 4);
  packet.writeUInt16BE(sequence, 6);
  // The kernel writes that of ICMPv6, which counts the addresses in.
  if (!isSix) packet.writeUInt16BE(checksum(packet), 2);
  const name = socketAddress(address, 0);
  if (calls.sendto(fd, packet, packet.length, 0, name, name.length) >= 0) return;
  const errno = lastErrno();
  // At once: the next call of anybody's sets it anew.
  if (errno !== EAGAIN) set(notSent(size, errnoName(errno)));
}

/** What the source's own kernel says to a request, by the name of its errno. */
export function notSent(size: number, errno: string): EchoReply {
  return errno === "EMSGSIZE" ? { size, outcome: "too-big" } : { size, outcome: "unreachable", detail: errno };
}

/** RFC 1071. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at + 1 < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  if (bytes.length % 2 === 1) sum += (bytes.at(-1) ?? 0) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function read(
  fd: number,
  address: string,
  id: number,
  sizes: readonly number[],
  set: (reply: EchoReply) => void,
): void {
  const buffer = Buffer.alloc(0x10000);
  const from = Buffer.alloc(SOCKADDR_IN6_BYTES);
  for (;;) {
    const length = Number(calls.recvfrom(fd, buffer, buffer.length, 0, from, [from.length]));
    if (length < 0 && lastErrno() === EAGAIN) return;
    // An ICMP error is told twice: as an error of the socket, and as the packet that follows.
    if (length <= 0) continue;
    const source = isIpv6(address) ? formatIpBytes(from.subarray(8, 24)) : "";
    const reply = replyOf(buffer.subarray(0, length), source, { address, id, sizes });
    if (reply !== undefined) set(reply);
  }
}

/**
 * Reads what a raw socket of ICMP or ICMPv6 received; undefined for what is not about the requests of this identifier, of which
 * the sequence number is the index of the size. `source` is for IPv6, where the packet does not say it.
 */
export function replyOf(
  packet: Buffer,
  source: string,
  { address, id, sizes }: { address: string; id: number; sizes: readonly number[] },
): EchoReply | undefined {
  return isIpv6(address) ? readReply6(packet, source, address, id, sizes) : readReply(packet, address, id, sizes);
}

/** Reads an ICMP packet of IPv4 with its IP header; undefined for what is not about these requests. */
export function readReply(
  packet: Buffer,
  address: string,
  id: number,
  sizes: readonly number[],
): EchoReply | undefined {
  const ip = readHeader(packet);
  if (ip === undefined || ip.payload.length < ICMP_HEADER) return undefined;
  const { payload, source } = ip;
  const [type = -1, code = -1] = payload;
  if (type === ECHO_REPLY) {
    const size = payload.readUInt16BE(4) === id ? sizes[payload.readUInt16BE(6)] : undefined;
    return size === undefined || source !== address ? undefined : { size, outcome: "answered" };
  }
  // The error quotes what it is about (RFC 792).
  const quoted = readHeader(payload.subarray(ICMP_HEADER));
  if (quoted === undefined || quoted.destination !== address || quoted.payload.length < ICMP_HEADER) return undefined;
  if (quoted.payload[0] !== ECHO_REQUEST || quoted.payload.readUInt16BE(4) !== id) return undefined;
  const size = sizes[quoted.payload.readUInt16BE(6)];
  if (size === undefined) return undefined;
  if (type === UNREACHABLE && code === FRAGMENTATION_NEEDED) {
    return { size, outcome: "too-big", by: source, mtu: payload.readUInt16BE(6) };
  }
  return { size, outcome: "unreachable", by: source, detail: `ICMP type ${type} code ${code}` };
}

/** Reads an ICMPv6 packet, which a raw socket gives without its IPv6 header; undefined for what is not about these requests. */
export function readReply6(
  packet: Buffer,
  source: string,
  address: string,
  id: number,
  sizes: readonly number[],
): EchoReply | undefined {
  if (packet.length < ICMP_HEADER) return undefined;
  const [type = -1, code = -1] = packet;
  const wanted = formatIp(parseIp(address) ?? { family: 6, value: 0n });
  if (type === ICMPV6.echoReply) {
    const size = packet.readUInt16BE(4) === id ? sizes[packet.readUInt16BE(6)] : undefined;
    return size === undefined || source !== wanted ? undefined : { size, outcome: "answered" };
  }
  // The error quotes what it is about, its IPv6 header in front (RFC 4443, 3).
  const quoted = packet.subarray(ICMP_HEADER);
  if (type > ICMPV6.lastError || quoted.length < IPV6_HEADER + ICMP_HEADER || quoted[6] !== IPPROTO_ICMPV6)
    return undefined;
  const request = quoted.subarray(IPV6_HEADER);
  if (formatIpBytes(quoted.subarray(24, 40)) !== wanted || request[0] !== ICMPV6.echoRequest) return undefined;
  const size = request.readUInt16BE(4) === id ? sizes[request.readUInt16BE(6)] : undefined;
  if (size === undefined) return undefined;
  if (type === ICMPV6.packetTooBig) return { size, outcome: "too-big", by: source, mtu: packet.readUInt32BE(4) };
  return { size, outcome: "unreachable", by: source, detail: `ICMPv6 type ${type} code ${code}` };
}

function readHeader(packet: Buffer): { source: string; destination: string; payload: Buffer } | undefined {
  if (packet.length < IP_HEADER || (packet[0] ?? 0) >> 4 !== 4) return undefined;
  const length = ((packet[0] ?? 0) & 15) * 4;
  if (packet[9] !== IPPROTO_ICMP) return undefined;
  return {
    source: [...packet.subarray(12, 16)].join("."),
    destination: [...packet.subarray(16, 20)].join("."),
    payload: packet.subarray(length),
  };
}
