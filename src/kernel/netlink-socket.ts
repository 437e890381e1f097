import { calls, check, errnoName, writeAside } from "./libc.ts";
import type { NetlinkMessage } from "./netlink-message.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOL_NETLINK = 270;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
/** Sequence numbers of batches, so that they are none of their messages'. */
const FIRST_OF_BATCH = 0x8000_0000;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NLM_F_ACK = 4;
const NLM_F_ACK_TLVS = 0x200;
const NLM_F_CAPPED = 0x100;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLMSGERR_ATTR_MSG = 1;

/** Messages a send; their errors must fit the socket's receive buffer (about 270 packets of 208 KiB). */
const BATCH = 128;
const EXISTS = 17;

/** What the kernel answers; one for all sockets of a thread, since each answer is read in the call that asked. */
const reply = Buffer.alloc(65536);

/** A request that the kernel refused. */
export class NetlinkError extends Error {
  readonly errno: number;
  readonly code: string;
  /** What the request was, as the caller named it. */
  readonly request: string;

  constructor(request: string, errno: number, kernelMessage: string | undefined) {
    super(`${request}: ${errnoName(errno)}${kernelMessage === undefined ? "" : `: ${kernelMessage}`}`);
    this.name = "NetlinkError";
    this.request = request;
    this.errno = errno;
    this.code = errnoName(errno);
  }
}

export interface NetlinkRequest {
  message: NetlinkMessage;
  /** Named in the error. */
  describe: () => string;
  /** EEXIST is success: the object is wanted, not its creation. */
  mayExist?: boolean;
  /** errno numbers that are success. */
  tolerate?: readonly number[];
}

/**
 * A netlink socket (netlink(7)) of the namespace it was opened in; usable from any namespace afterwards. Calls but
 * `transaction` block the thread, for the kernel's own time only: requests are handled inside send(2).
 */
export class NetlinkSocket {
  private readonly fd: number;
  private sequence = 0;

  /** Opens it in the calling thread's current namespace; `family` is NETLINK_ROUTE (0), NETLINK_NETFILTER (12), … */
  constructor(family = 0) {
    this.fd = check("socket", calls.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, family), "netlink");
    const one = Uint8Array.of(1, 0, 0, 0);
    check("setsockopt", calls.setsockopt(this.fd, SOL_NETLINK, NETLINK_CAP_ACK, one, 4));
    check("setsockopt", calls.setsockopt(this.fd, SOL_NETLINK, NETLINK_EXT_ACK, one, 4));
  }

  /** Carries the requests out in order; throws the first that the kernel refused, after which later ones may have been done. */
  request(requests: readonly NetlinkRequest[]): void {
    for (let start = 0; start < requests.length; start += BATCH) this.batch(requests.slice(start, start + BATCH));
  }

  private batch(requests: readonly NetlinkRequest[]): void {
    const first = this.sequence + 1;
    const parts = requests.map((request, index) => {
      // Only the last is acknowledged: the kernel reports errors of the others all the same, and handles them in order.
      if (index === requests.length - 1) request.message.addFlags(NLM_F_ACK);
      this.sequence += 1;
      return request.message.finish(this.sequence);
    });
    const data = Buffer.concat(parts);
    check("send", calls.send(this.fd, data, data.length, 0), "netlink");
    let failure: NetlinkError | undefined;
    for (;;) {
      const length = check("recv", calls.recv(this.fd, reply, reply.length, 0), "netlink");
      for (let offset = 0; offset + 16 <= length;) {
        const size = reply.readUInt32LE(offset);
        const type = reply.readUInt16LE(offset + 4);
        const sequence = reply.readUInt32LE(offset + 8);
        if (type === NLMSG_ERROR && sequence >= first) {
          const errno = -reply.readInt32LE(offset + 16);
          const request = requests[sequence - first];
          if (errno !== 0 && request !== undefined && !accepts(request, errno)) {
            failure ??= new NetlinkError(request.describe(), errno, this.extendedMessage(offset, size));
          }
          if (sequence === this.sequence) {
            if (failure !== undefined) throw failure;
            return;
          }
        }
        offset += (size + 3) & ~3;
      }
    }
  }

  /**
   * Sends messages that belong together (nfnetlink's batches): `begin`, `body`, whose last message asks for an acknowledgement and has the
   * sequence number `last`, and `end`. Gives 0, or the errno and kernel's words of the first that was refused. Numbers in `body` are below 2³¹.
   * The kernel works on it on another thread; the socket is not to be used meanwhile.
   */
  async transaction(
    begin: NetlinkMessage,
    body: Buffer,
    last: number,
    end: NetlinkMessage,
  ): Promise<{ errno: number; sequence: number; words?: string }> {
    this.sequence += 1;
    const first = FIRST_OF_BATCH + (this.sequence % FIRST_OF_BATCH);
    await writeAside(this.fd, [begin.finish(first), body, end.finish(first)]);
    // The answer is there: requests are handled inside the call.
    let refusal: { errno: number; sequence: number; words?: string } | undefined;
    for (;;) {
      const length = check("recv", calls.recv(this.fd, reply, reply.length, 0), "netlink");
      for (let offset = 0; offset + 16 <= length;) {
        const size = reply.readUInt32LE(offset);
        const sequence = reply.readUInt32LE(offset + 8);
        if (reply.readUInt16LE(offset + 4) === NLMSG_ERROR) {
          const errno = -reply.readInt32LE(offset + 16);
          const words = this.extendedMessage(offset, size);
          if (errno !== 0) refusal ??= { errno, sequence, ...(words === undefined ? {} : { words }) };
          // What concerns the batch as a whole is said of its first message.
          if (sequence === last || sequence === first) return refusal ?? { errno: 0, sequence };
        }
        offset += (size + 3) & ~3;
      }
    }
  }

  /** Has the socket's buffer hold `bytes` of messages, or as many as the host allows an ordinary user (net.core.wmem_max); gives how many. */
  enlargeSendBuffer(bytes: number): number {
    const value = Buffer.alloc(4);
    value.writeInt32LE(bytes);
    check("setsockopt", calls.setsockopt(this.fd, SOL_SOCKET, SO_SNDBUF, value, 4), "SO_SNDBUF");
    check("getsockopt", calls.getsockopt(this.fd, SOL_SOCKET, SO_SNDBUF, value, [4]), "SO_SNDBUF");
    return value.readInt32LE(0);
  }

  private extendedMessage(offset: number, size: number): string | undefined {
    const flags = reply.readUInt16LE(offset + 6);
    if ((flags & NLM_F_ACK_TLVS) === 0) return undefined;
    const echoed = (flags & NLM_F_CAPPED) === 0 ? reply.readUInt32LE(offset + 20) : 16;
    for (let at = offset + 20 + echoed; at + 4 <= offset + size;) {
      const length = reply.readUInt16LE(at);
      if (length < 4) return undefined;
      if ((reply.readUInt16LE(at + 2) & 0x3fff) === NLMSGERR_ATTR_MSG) {
        return reply.toString("utf8", at + 4, at + length - 1);
      }
      at += (length + 3) & ~3;
    }
    return undefined;
  }

  /** Sends one dump request and gives each message of the answer: its type and what follows the header. */
  dump(message: NetlinkMessage): { type: number; payload: Buffer }[] {
    const answers: { type: number; payload: Buffer }[] = [];
    this.eachAnswer(message, (type, buffer, start, end) => {
      answers.push({ type, payload: Buffer.from(buffer.subarray(start, end)) });
    });
    return answers;
  }

  /**
   * As {@link dump}, with what follows each header at its place in a buffer that the next answers overwrite: `take` must neither keep it
   * nor use a socket.
   */
  eachAnswer(message: NetlinkMessage, take: (type: number, buffer: Buffer, start: number, end: number) => void): void {
    this.sequence += 1;
    const data = message.finish(this.sequence);
    check("send", calls.send(this.fd, data, data.length, 0), "netlink");
    for (;;) {
      const length = check("recv", calls.recv(this.fd, reply, reply.length, 0), "netlink");
      for (let offset = 0; offset + 16 <= length;) {
        const size = reply.readUInt32LE(offset);
        const type = reply.readUInt16LE(offset + 4);
        if (reply.readUInt32LE(offset + 8) === this.sequence) {
          if (type === NLMSG_DONE) return;
          if (type === NLMSG_ERROR) {
            const errno = -reply.readInt32LE(offset + 16);
            if (errno === 0) return;
            throw new NetlinkError("dump", errno, this.extendedMessage(offset, size));
          }
          take(type, reply, offset + 16, offset + size);
        }
        offset += (size + 3) & ~3;
      }
    }
  }

  close(): void {
    calls.close(this.fd);
  }
}

function accepts(request: NetlinkRequest, errno: number): boolean {
  return (request.mayExist === true && errno === EXISTS) || (request.tolerate?.includes(errno) ?? false);
}
