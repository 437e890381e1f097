const NLA_F_NESTED = 0x8000;
const HEADER_BYTES = 16;
const NFNL_SUBSYS_NFTABLES = 10;
const NLM_F_REQUEST = 1;

/** Little-endian, as the hosts that cnilab runs on. Byte by byte: Buffer's methods cost several times as much. */
function putUint16(buffer: Buffer, at: number, value: number): void {
  buffer[at] = value;
  buffer[at + 1] = value >>> 8;
}

/**
 * Writes nf_tables messages one behind the other into one growing buffer: thousands a transaction, where a buffer an attribute
 * would be most of its cost. Numbers are in network byte order, as nf_tables has them (linux/netfilter/nf_tables.h).
 */
export class NftWriter {
  private buffer = Buffer.allocUnsafe(4096);
  private length = 0;
  private messageStart = 0;
  /** Each message has a number of its own, by which the kernel tells a refused one. */
  private static sequence = 0;

  private reserve(bytes: number): number {
    const start = this.length;
    const padded = (bytes + 3) & ~3;
    this.length = start + padded;
    if (this.length > this.buffer.length) {
      const larger = Buffer.allocUnsafe(this.length * 2);
      this.buffer.copy(larger, 0, 0, start);
      this.buffer = larger;
    }
    for (let at = start + bytes; at < this.length; at++) this.buffer[at] = 0;
    return start;
  }

  /** Begins a message of this NFT_MSG_ type; `family` is an NFPROTO_ number. */
  begin(type: number, flags: number, family: number): this {
    this.messageStart = this.reserve(HEADER_BYTES + 4);
    NftWriter.sequence = (NftWriter.sequence % 0x7fff_ffff) + 1;
    const { buffer, messageStart: at } = this;
    buffer.fill(0, at, this.length);
    putUint16(buffer, at + 4, (NFNL_SUBSYS_NFTABLES << 8) | type);
    putUint16(buffer, at + 6, flags | NLM_F_REQUEST);
    putUint16(buffer, at + 8, NftWriter.sequence & 0xffff);
    putUint16(buffer, at + 10, NftWriter.sequence >>> 16);
    // struct nfgenmsg: family, version 0, resource 0.
    buffer[at + 16] = family;
    return this;
  }

  end(): this {
    this.buffer.writeUInt32LE(this.length - this.messageStart, this.messageStart);
    return this;
  }

  private attribute(type: number, bytes: number): number {
    const start = this.reserve(4 + bytes);
    putUint16(this.buffer, start, 4 + bytes);
    putUint16(this.buffer, start + 2, type);
    return start + 4;
  }

  u32(type: number, value: number): this {
    const at = this.attribute(type, 4);
    const { buffer } = this;
    buffer[at] = value >>> 24;
    buffer[at + 1] = value >>> 16;
    buffer[at + 2] = value >>> 8;
    buffer[at + 3] = value;
    return this;
  }

  u64(type: number, value: bigint): this {
    const at = this.attribute(type, 8);
    this.buffer.writeBigUInt64BE(value, at);
    return this;
  }

  bytes(type: number, data: Uint8Array): this {
    const at = this.attribute(type, data.length);
    this.buffer.set(data, at);
    return this;
  }

  /** Zero-terminated; ASCII, as all names in a ruleset are. */
  text(type: number, value: string): this {
    const at = this.attribute(type, value.length + 1);
    this.buffer.write(value, at, "latin1");
    this.buffer[at + value.length] = 0;
    return this;
  }

  /** An attribute that holds what `fill` writes. */
  nested(type: number, fill: () => void): this {
    const start = this.reserve(4);
    fill();
    const length = this.length - start;
    // A length field has 16 bits: whoever writes lists splits them.
    if (length > 0xffff) throw new RangeError(`an nf_tables attribute of ${length} bytes`);
    putUint16(this.buffer, start, length);
    putUint16(this.buffer, start + 2, type | NLA_F_NESTED);
    return this;
  }

  /** The messages so far, copied; the writer is empty afterwards. */
  take(): Buffer {
    const taken = Buffer.from(this.buffer.subarray(0, this.length));
    this.length = 0;
    return taken;
  }
}
