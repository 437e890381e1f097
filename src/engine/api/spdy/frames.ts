/** SPDY/3.1 framing (draft-mbelshe-httpbis-spdy-00, section 2), as far as streams without HTTP in them need it. */
export const TYPE = { synStream: 1, synReply: 2, rstStream: 3, settings: 4, ping: 6, goAway: 7 } as const;
const VERSION = 3;
const HEAD_BYTES = 8;
/** kubectl's are 32 KiB. */
const LARGEST_FRAME_BYTES = 1 << 20;
export const FLAG_FIN = 1;

export type Frame =
  | { kind: "data"; streamId: number; flags: number; payload: Buffer }
  | { kind: "control"; type: number; flags: number; payload: Buffer };

/** What no SPDY/3.1 client sends. */
export class SpdyError extends Error {}

/** Cuts what comes into frames; throws {@link SpdyError} at one that is too large or of another version. */
export class FrameReader {
  private held: Buffer = Buffer.alloc(0);

  *read(bytes: Buffer): Generator<Frame, void> {
    this.held = this.held.length === 0 ? bytes : Buffer.concat([this.held, bytes]);
    while (this.held.length >= HEAD_BYTES) {
      const length = this.held.readUIntBE(5, 3);
      if (length > LARGEST_FRAME_BYTES) throw new SpdyError(`a frame of ${length} bytes`);
      if (this.held.length < HEAD_BYTES + length) return;
      const frame = frameOf(this.held, this.held.subarray(HEAD_BYTES, HEAD_BYTES + length));
      this.held = this.held.subarray(HEAD_BYTES + length);
      yield frame;
    }
  }
}

function frameOf(head: Buffer, payload: Buffer): Frame {
  const word = head.readUInt32BE(0);
  const flags = head.readUInt8(4);
  if (word < 0x8000_0000) return { kind: "data", streamId: word, flags, payload };
  const version = (word >>> 16) & 0x7fff;
  if (version !== VERSION) throw new SpdyError(`a frame of SPDY/${version}`);
  return { kind: "control", type: word & 0xffff, flags, payload };
}

export function dataFrame(streamId: number, data: Uint8Array, flags = 0): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32BE(streamId, 0);
  head.writeUInt8(flags, 4);
  head.writeUIntBE(data.length, 5, 3);
  return Buffer.concat([head, data]);
}

export function controlFrame(type: number, payload: Uint8Array, flags = 0): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32BE((0x8000_0000 | (VERSION << 16) | type) >>> 0, 0);
  head.writeUInt8(flags, 4);
  head.writeUIntBE(payload.length, 5, 3);
  return Buffer.concat([head, payload]);
}

/** The payload of a frame that is made of 32-bit numbers. */
export function words(...numbers: number[]): Buffer {
  const bytes = Buffer.alloc(numbers.length * 4);
  numbers.forEach((number, index) => bytes.writeUInt32BE(number, index * 4));
  return bytes;
}
