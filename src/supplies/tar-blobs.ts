import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import type { BlobWriter } from "./bundle-types.ts";
import { decodeTarHeader, encodeTarHeader, TAR_BLOCK, tarPadding } from "./tar-header.ts";

const BLOB_PATH = /^blobs\/sha256\/([0-9a-f]{64})$/;

/** Where contents lie in the archive. */
interface Place {
  start: number;
  size: number;
}

/** A bundle's archive, and the index that was found in it. */
export interface TarBundle {
  blobs: BlobWriter;
  /** Contents of bundle.json; undefined in an archive whose making was interrupted. */
  indexText: string | undefined;
  /** The entry in whose middle the archive ends; undefined where it is whole. */
  cutOff: string | undefined;
}

/**
 * Blobs as entries of a tar archive, read where they lie. New ones are appended over the index, which is always the last
 * entry; a cut-off last entry, which an interrupted run leaves, is written over as well. Throws TAR_INVALID.
 */
export async function openTarBlobs(path: string, { mayWrite }: { mayWrite: boolean }): Promise<TarBundle> {
  const file = await open(path, mayWrite ? ((await isThere(path)) ? "r+" : "w+") : "r");
  let scan: Scan;
  try {
    scan = await scanArchive(file);
  } catch (error) {
    await file.close();
    throw error;
  }
  const { places, index, cutOff } = scan;
  const indexText = index === undefined ? undefined : (await readAt(file, index.start, index.size)).toString();
  let { end } = scan;
  // Readers open the path anew: nothing is left open by who never says that it is done.
  if (!mayWrite) await file.close();

  async function add(size: number, source: AsyncIterable<Uint8Array>): Promise<string> {
    const hash = createHash("sha256");
    let at = end + TAR_BLOCK;
    // Whatever follows is gone from now on; a reader of a half-written archive finds its end here.
    await file.truncate(end);
    for await (const chunk of source) {
      hash.update(chunk);
      await file.write(chunk, 0, chunk.length, at);
      at += chunk.length;
    }
    if (at - end - TAR_BLOCK !== size) throw new Error(`a blob of ${size} bytes had ${at - end - TAR_BLOCK}`);
    const digest = hash.digest("hex");
    if (places.has(digest)) await file.truncate(end);
    else {
      await file.truncate(at + tarPadding(size));
      // The header goes last: without it the archive ends before this blob.
      await file.write(encodeTarHeader(`blobs/sha256/${digest}`, size), 0, TAR_BLOCK, end);
      places.set(digest, { start: end + TAR_BLOCK, size });
      end = at + tarPadding(size);
    }
    return digest;
  }

  return {
    indexText,
    cutOff,
    blobs: {
      path,
      list: () => [...places.keys()],
      has: (sha256) => places.has(sha256),
      size: (sha256) => places.get(sha256)?.size ?? 0,
      open(sha256) {
        const { start, size } = places.get(sha256) as Place;
        if (size === 0) return createReadStream("/dev/null");
        return createReadStream(path, { start, end: start + size - 1, highWaterMark: 1 << 20 });
      },
      add,
      async discard(sha256) {
        // The damaged bytes stay, under a name that nothing refers to.
        const place = places.get(sha256);
        if (place === undefined) return;
        const header = encodeTarHeader(`damaged/${sha256}`, place.size);
        await file.write(header, 0, TAR_BLOCK, place.start - TAR_BLOCK);
        places.delete(sha256);
      },
      async writeIndex(text) {
        const body = Buffer.from(text);
        const blocks = Buffer.concat([
          encodeTarHeader("bundle.json", body.length),
          body,
          Buffer.alloc(tarPadding(body.length) + 2 * TAR_BLOCK),
        ]);
        await file.truncate(end);
        await file.write(blocks, 0, blocks.length, end);
      },
      close: () => (mayWrite ? file.close() : Promise.resolve()),
    },
  };
}

interface Scan {
  places: Map<string, Place>;
  index: Place | undefined;
  /** Where the next blob goes: after the last one that is whole. */
  end: number;
  cutOff: string | undefined;
}

async function scanArchive(file: FileHandle): Promise<Scan> {
  const { size: length } = await file.stat();
  const places = new Map<string, Place>();
  let index: Place | undefined;
  let end = 0;
  let cutOff: string | undefined;
  for (let at = 0; at + TAR_BLOCK <= length;) {
    const header = decodeTarHeader(await readAt(file, at, TAR_BLOCK));
    if (header === undefined) break;
    const place = { start: at + TAR_BLOCK, size: header.size };
    const next = place.start + header.size + tarPadding(header.size);
    if (next > length) {
      cutOff = header.path;
      break;
    }
    const digest = BLOB_PATH.exec(header.path)?.[1];
    if (digest !== undefined) places.set(digest, place);
    if (header.path === "bundle.json") index = place;
    else end = next;
    at = next;
  }
  return { places, index, end, cutOff };
}

async function readAt(file: FileHandle, start: number, size: number): Promise<Buffer> {
  const buffer = Buffer.alloc(size);
  for (let done = 0; done < size;) {
    const { bytesRead } = await file.read(buffer, done, size - done, start + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return buffer;
}

async function isThere(path: string): Promise<boolean> {
  try {
    await (await open(path, "r")).close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
