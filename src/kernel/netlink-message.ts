/** Builds one netlink message (netlink(7)): header, fixed part, attributes; little-endian hosts only. */
export class NetlinkMessage {
  private buffer = Buffer.alloc(256);
  private length = 16;

  constructor(type: number, flags: number) {
    this.buffer.writeUInt16LE(type, 4);
    this.buffer.writeUInt16LE(flags, 6);
  }

  private reserve(bytes: number): number {
    const start = this.length;
    this.length = start + ((bytes + 3) & ~3);
    if (this.length > this.buffer.length) {
      const larger = Buffer.alloc(this.length * 2);
      this.buffer.copy(larger);
      this.buffer = larger;
    }
    return start;
  }

  /** Appends raw bytes, padded to four: the fixed structure after the header. */
  bytes(data: Uint8Array): this {
    const start = this.reserve(data.length);
    this.buffer.set(data, start);
    return this;
  }

  attribute(type: number, data: Uint8Array): this {
    const start = this.reserve(4 + data.length);
    this.buffer.writeUInt16LE(4 + data.length, start);
    this.buffer.writeUInt16LE(type, start + 2);
    this.buffer.set(data, start + 4);
    return this;
  }

  u8(type: number, value: number): this {
    return this.attribute(type, Uint8Array.of(value));
  }

  /** In the host's byte order. */
  u16(type: number, value: number): this {
    const data = Buffer.alloc(2);
    data.writeUInt16LE(value);
    return this.attribute(type, data);
  }

  u32(type: number, value: number): this {
    const data = Buffer.alloc(4);
    data.writeUInt32LE(value >>> 0);
    return this.attribute(type, data);
  }

  /** In network byte order. */
  be16(type: number, value: number): this {
    const data = Buffer.alloc(2);
    data.writeUInt16BE(value);
    return this.attribute(type, data);
  }

  /** Zero-terminated. */
  text(type: number, value: string): this {
    return this.attribute(type, Buffer.from(`${value}\0`));
  }

  /** An attribute that holds what `fill` appends. */
  nested(type: number, fill: (message: this) => void): this {
    const start = this.reserve(4);
    fill(this);
    this.buffer.writeUInt16LE(this.length - start, start);
    this.buffer.writeUInt16LE(type, start + 2);
    return this;
  }

  finish(sequence: number): Buffer {
    this.buffer.writeUInt32LE(this.length, 0);
    this.buffer.writeUInt32LE(sequence, 8);
    return this.buffer.subarray(0, this.length);
  }

  /** Sets flags on top of those given at construction; before `finish`. */
  addFlags(flags: number): this {
    this.buffer.writeUInt16LE(this.buffer.readUInt16LE(6) | flags, 6);
    return this;
  }
}
