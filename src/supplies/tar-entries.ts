import { LabError } from "../core/errors.ts";
import { applyPax, decodeTarHeader, TAR_BLOCK, tarPadding, type TarHeader } from "./tar-header.ts";

/** An entry of an archive that is being read; `body` must be read, or is skipped, before the next entry. */
export interface TarEntry {
  header: TarHeader;
  body: AsyncIterable<Uint8Array>;
}

/** Extended headers hold paths; more than this is no archive of an engine. */
const MAX_PAX_BYTES = 1024 * 1024;

/** The entries of a tar archive as it streams by. Throws TAR_TRUNCATED and TAR_INVALID. */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const reader = new BlockReader(source);
  let pax: Buffer | undefined;
  for (;;) {
    const block = await reader.take(TAR_BLOCK);
    const decoded = decodeTarHeader(block);
    if (decoded === undefined) {
      await reader.drain();
      return;
    }
    if (decoded.type === "pax" || decoded.type === "pax-global") {
      if (decoded.size > MAX_PAX_BYTES) throw new LabError("TAR_INVALID", "a pax header is too long");
      const records = await reader.take(decoded.size);
      await reader.take(tarPadding(decoded.size));
      if (decoded.type === "pax") pax = records;
      continue;
    }
    const header = pax === undefined ? decoded : applyPax(decoded, pax);
    pax = undefined;
    const size = header.type === "file" ? header.size : 0;
    const body = new EntryBody(reader, size);
    yield { header, body };
    await body.skip();
    await reader.take(tarPadding(size));
  }
}

/** Takes exact numbers of bytes out of chunks of any size. */
class BlockReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Whatever there is, at most `length` bytes. */
  async next(length: number): Promise<Buffer> {
    while (this.#rest.length === 0) {
      const next = await this.#source.next();
      if (next.done === true) throw new LabError("TAR_TRUNCATED", "a tar archive ends before its end");
      this.#rest = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
    }
    const part = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(part.length);
    return part;
  }

  async take(length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let left = length; left > 0;) {
      const part = await this.next(left);
      parts.push(part);
      left -= part.length;
    }
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
  }

  /** Reads to the end, so that who writes the archive is not cut off. */
  async drain(): Promise<void> {
    for (let end = false; !end;) end = (await this.#source.next()).done === true;
  }
}

class EntryBody implements AsyncIterable<Uint8Array> {
  readonly #reader: BlockReader;
  #left: number;

  constructor(reader: BlockReader, size: number) {
    this.#reader = reader;
    this.#left = size;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    while (this.#left > 0) {
      const part = await this.#reader.next(this.#left);
      this.#left -= part.length;
      yield part;
    }
  }

  async skip(): Promise<void> {
    while (this.#left > 0) this.#left -= (await this.#reader.next(this.#left)).length;
  }
}
