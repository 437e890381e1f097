import { LabError } from "../core/errors.ts";
import { formatIpBytes } from "../core/ip.ts";
import { calls, check, errnoName, lastErrno, SystemCallError } from "./libc.ts";

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const IPPROTO_SCTP = 132;

/** What socket(2) says of a protocol that the kernel lacks. */
const NO_PROTOCOL: ReadonlySet<string> = new Set(["EPROTONOSUPPORT", "ESOCKTNOSUPPORT"]);

/** Node's default backlog (511) turns a thousand connects at once into SYN retransmits. */
const BACKLOG = 4096;

/** A sockaddr_in or sockaddr_in6 (ip(7), ipv6(7)) of an IP literal and port. */
export function socketAddress(address: string, port: number): Uint8Array {
  const family = address.includes(":") ? AF_INET6 : AF_INET;
  const bytes = Buffer.alloc(family === AF_INET ? 16 : 28);
  bytes.writeUInt16LE(family, 0);
  bytes.writeUInt16BE(port, 2);
  if (family === AF_INET) {
    const parts = address.split(".").map(Number);
    if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255)) {
      throw new LabError("BAD_ADDRESS", `"${address}" is not an IP address`);
    }
    bytes.set(parts, 4);
  } else {
    ipv6Bytes(address).copy(bytes, 8);
  }
  return bytes;
}

/** An IP literal as messages of the kernel have it: 4 or 16 bytes. */
export function addressBytes(address: string): Buffer {
  const name = Buffer.from(socketAddress(address, 0));
  return address.includes(":") ? name.subarray(8, 24) : name.subarray(4, 8);
}

function ipv6Bytes(address: string): Buffer {
  const [head = "", tail] = address.split("::");
  const groups = (text: string): number[] =>
    text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const bytes = Buffer.alloc(16);
  left.forEach((group, index) => bytes.writeUInt16BE(group, index * 2));
  right.forEach((group, index) => bytes.writeUInt16BE(group, (8 - right.length + index) * 2));
  return bytes;
}

const one = Uint8Array.of(1, 0, 0, 0);

function open(type: number, address: string): number {
  const family = address.includes(":") ? AF_INET6 : AF_INET;
  const fd = check("socket", calls.socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (family === AF_INET6) calls.setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, one, 4);
  return fd;
}

function bound(type: number, address: string, port: number): number {
  const fd = open(type, address);
  try {
    calls.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, one, 4);
    const name = socketAddress(address, port);
    check("bind", calls.bind(fd, name, name.length), `${address}:${port}`);
    if (type === SOCK_STREAM) check("listen", calls.listen(fd, BACKLOG), `${address}:${port}`);
    return fd;
  } catch (error) {
    calls.close(fd);
    throw error;
  }
}

/** A listening TCP socket of the calling thread's namespace, non-blocking; give it to
 * `server.listen({fd}, BACKLOG)`: Node calls listen(2) again, and ignores `backlog` among the options. */
export function listenTcp(address: string, port: number): number {
  return bound(SOCK_STREAM, address, port);
}

/** A bound UDP socket of the calling thread's namespace, non-blocking; give it to `dgram`'s `bind({fd})`. */
export function bindUdp(address: string, port: number): number {
  return bound(SOCK_DGRAM, address, port);
}

/** A fresh non-blocking socket of the calling thread's namespace. It shares no port (SO_REUSEADDR): a server's datagrams stay the server's. */
export function openSocket(protocol: "tcp" | "udp", address: string): number {
  return open(protocol === "tcp" ? SOCK_STREAM : SOCK_DGRAM, address);
}

/**
 * A TCP socket of the calling thread's namespace that is on its way to that port: whoever reads from it is told by the kernel how it
 * went. Give it to `new Socket({fd})`.
 */
export function connectTcp(address: string, port: number): number {
  const fd = open(SOCK_STREAM, address);
  const name = socketAddress(address, port);
  if (calls.connect(fd, name, name.length) < 0) {
    const errno = lastErrno();
    if (errnoName(errno) !== "EINPROGRESS") {
      calls.close(fd);
      throw new SystemCallError("connect", errno, `${address}:${port}`);
    }
  }
  return fd;
}

/** A socket's own address and port (getsockname(2)); undefined where it has none. */
export function localEnd(fd: number): { address: string; port: number } | undefined {
  const name = Buffer.alloc(28);
  if (calls.getsockname(fd, name, [28]) < 0) return undefined;
  const address = name.readUInt16LE(0) === AF_INET ? name.subarray(4, 8) : name.subarray(8, 24);
  return { address: formatIpBytes(address), port: name.readUInt16BE(2) };
}

/** Whether this kernel has SCTP sockets, found by opening one, which loads the module where that is allowed. Throws SystemCallError. */
export function hasSctp(): boolean {
  const fd = calls.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SCTP);
  if (fd < 0 && NO_PROTOCOL.has(errnoName(lastErrno()))) return false;
  calls.close(check("socket", fd, "SCTP"));
  return true;
}

/**
 * A listening stream socket at a path (unix(7)); at most 107 bytes of path. Unlike a Node server's, it leaves the path in
 * place when this process closes it, so that a child can be given it.
 */
export function listenUnix(path: string): number {
  const name = Buffer.alloc(110);
  name.writeUInt16LE(AF_UNIX, 0);
  name.write(path, 2, 108, "utf8");
  const fd = check("socket", calls.socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  try {
    check("bind", calls.bind(fd, name, 2 + Buffer.byteLength(path) + 1), path);
    check("listen", calls.listen(fd, 128), path);
    return fd;
  } catch (error) {
    calls.close(fd);
    throw error;
  }
}
