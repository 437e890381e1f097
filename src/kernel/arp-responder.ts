import { addressBytes } from "./sockets.ts";
import { announcement } from "./announce-address.ts";
import { calls, lastErrno, SystemCallError } from "./libc.ts";
import { openLink } from "./link-address.ts";
import type { NetworkNamespace } from "./namespace.ts";

const ETH_P_ARP = 0x0806;
const EAGAIN = 11;
const ENETDOWN = 100;
const ETHERNET = { destination: 0, source: 6, header: 14 } as const;
/** Offsets in an ARP packet for IPv4 over Ethernet (RFC 826). */
const ARP = { operation: 6, sender: 8, senderAddress: 14, targetAddress: 24, bytes: 28 } as const;
const REQUEST = 1;
const REPLY = 2;
const FRAME_BYTES = 2048;

/**
 * The frame that answers an ARP request for one of the addresses with `lladdr` (six bytes); undefined where the frame is no such
 * request. A sender that asks for its own address looks whether somebody has it, and is answered, too (RFC 5227).
 */
export function arpReply(frame: Uint8Array, lladdr: Uint8Array, has: (address: string) => boolean): Buffer | undefined {
  const packet = Buffer.from(frame).subarray(ETHERNET.header);
  if (packet.length < ARP.bytes || packet.readUInt16BE(ARP.operation) !== REQUEST) return undefined;
  const target = packet.subarray(ARP.targetAddress, ARP.targetAddress + 4);
  if (!has(target.join("."))) return undefined;
  const asker = packet.subarray(ARP.sender, ARP.senderAddress);
  const reply = Buffer.from(packet.subarray(0, ARP.operation));
  const operation = Buffer.alloc(2);
  operation.writeUInt16BE(REPLY);
  const type = Buffer.alloc(2);
  type.writeUInt16BE(ETH_P_ARP);
  const askerAddress = packet.subarray(ARP.senderAddress, ARP.senderAddress + 4);
  return Buffer.concat([asker, lladdr, type, reply, operation, lladdr, target, asker, askerAddress]);
}

/** Answers ARP on one interface for addresses that it does not have, as MetalLB's speaker does. */
export class ArpResponder {
  readonly fd: number;
  private readonly lladdr: Uint8Array;
  private readonly frame = Buffer.alloc(FRAME_BYTES);
  private addresses: ReadonlySet<string> = new Set();

  /** `index` is the interface's in that namespace. Throws SystemCallError. */
  constructor(namespace: NetworkNamespace, index: number) {
    const { fd, lladdr } = openLink(namespace, index, ETH_P_ARP);
    this.fd = fd;
    this.lladdr = lladdr;
  }

  /** Answers for these IPv4 addresses from now on; new ones are announced, so that who knew them elsewhere learns better. */
  answerFor(addresses: Iterable<string>): void {
    const before = this.addresses;
    this.addresses = new Set(addresses);
    for (const address of this.addresses)
      if (!before.has(address)) this.send(announcement(this.lladdr, addressBytes(address)));
  }

  /** Answers all requests that wait. */
  read(): void {
    for (;;) {
      const bytes = calls.recv(this.fd, this.frame, this.frame.length, 0);
      if (bytes < 0) {
        const errno = lastErrno();
        // The link went down: told once, and nothing more comes until it is up.
        if (errno === ENETDOWN) continue;
        if (errno === EAGAIN) return;
        throw new SystemCallError("recv", errno, "ARP");
      }
      const reply = arpReply(this.frame.subarray(0, bytes), this.lladdr, (address) => this.addresses.has(address));
      if (reply !== undefined) this.send(reply);
    }
  }

  private send(frame: Uint8Array): void {
    const sent = calls.send(this.fd, frame, frame.length, 0);
    // Nobody hears a link that is down.
    if (sent < 0 && lastErrno() !== ENETDOWN) throw new SystemCallError("send", lastErrno(), "ARP");
  }

  close(): void {
    calls.close(this.fd);
  }
}
