import type { TransformOptions } from "node:stream";
import { createInflate, type Inflate, type ZlibOptions } from "node:zlib";
import { SPDY_DICTIONARY } from "./dictionary.ts";
import { SpdyError } from "./frames.ts";

/** Headers say what a stream is for, in three short lines. */
const LARGEST_HEADERS_BYTES = 64 << 10;
const MOST_HEADERS = 64;

/** Reads the header blocks of one connection, in their order: they are one zlib stream (section 2.6.10.1). */
export class HeaderReader {
  private readonly inflate: Inflate;

  constructor() {
    // A stream's own options pass through zlib's, whose type does not know them.
    const options: ZlibOptions & TransformOptions = {
      dictionary: SPDY_DICTIONARY,
      readableHighWaterMark: 2 * LARGEST_HEADERS_BYTES,
    };
    this.inflate = createInflate(options);
    this.inflate.on("readable", () => {
      if (this.inflate.readableLength > LARGEST_HEADERS_BYTES)
        this.inflate.destroy(new SpdyError("headers that are too large"));
    });
    // Whoever reads a block is told by its own callback.
    this.inflate.on("error", () => undefined);
  }

  /** Names in lower case. Throws {@link SpdyError}; then the connection cannot be read any more. */
  async read(block: Uint8Array): Promise<Map<string, string>> {
    await new Promise<void>((resolve, reject) => {
      const failed = (error: Error): void => reject(new SpdyError(error.message));
      this.inflate.once("error", failed);
      this.inflate.write(block, (error) => {
        this.inflate.off("error", failed);
        if (error === undefined || error === null) resolve();
        else failed(error);
      });
    });
    return pairsOf((this.inflate.read() as Buffer | null) ?? Buffer.alloc(0));
  }

  close(): void {
    this.inflate.destroy();
  }
}

function pairsOf(block: Buffer): Map<string, string> {
  let offset = 0;
  const number = (): number => {
    if (offset + 4 > block.length) throw new SpdyError("headers that end too early");
    offset += 4;
    return block.readUInt32BE(offset - 4);
  };
  const text = (): string => {
    const length = number();
    if (offset + length > block.length) throw new SpdyError("a header that ends too early");
    offset += length;
    return block.toString("latin1", offset - length, offset);
  };
  const count = number();
  if (count > MOST_HEADERS) throw new SpdyError(`${count} headers`);
  const headers = new Map<string, string>();
  for (let index = 0; index < count; index += 1) headers.set(text().toLowerCase(), text());
  return headers;
}

/** zlib's head, which names the dictionary by its checksum (RFC 1950). */
const ZLIB_HEAD = Buffer.of(0x78, 0xbb, 0xe3, 0xc6, 0xa7, 0xc2);
/** A stored block of deflate (RFC 1951, 3.2.4) with the number 0, and an empty one: Go's reader gives out a block's bytes only then. */
const NO_HEADERS = Buffer.of(0x00, 0x04, 0x00, 0xfb, 0xff, 0, 0, 0, 0, 0x00, 0x00, 0x00, 0xff, 0xff);

/** A block of no headers, the first one of a connection or a later one: all that replies here have to say. */
export function emptyHeaders(isFirst: boolean): Buffer {
  return isFirst ? Buffer.concat([ZLIB_HEAD, NO_HEADERS]) : NO_HEADERS;
}
