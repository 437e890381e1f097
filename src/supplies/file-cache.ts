import { createHash, randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { chmod, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { LabError } from "../core/errors.ts";
import { sha256OfFile } from "./digest.ts";

/** Where a file of that digest is kept in the cache folder. */
export function cachedPath(cacheDirectory: string, sha256: string): string {
  return join(cacheDirectory, "files", sha256);
}

/** What {@link storeVerified} expects of a stream. */
export interface ExpectedContent {
  /** For messages: the file's name, or its address. */
  what: string;
  sha256: string;
  /** The stream is cut off beyond it. */
  maxBytes: number;
  /** Sets the file's mode. */
  isExecutable?: boolean;
  /** Told how many bytes have come so far. */
  onBytes?: (bytes: number) => void;
  signal?: AbortSignal | undefined;
}

/**
 * Writes a stream to a file and puts it in place only when it is whole and has its digest: a reader never sees a part
 * of it, and two writers do no harm. Throws SUPPLY_DIGEST.
 */
export async function storeVerified(source: Readable, path: string, expected: ExpectedContent): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const part = `${path}.${randomUUID()}.part`;
  const hash = createHash("sha256");
  let bytes = 0;
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      hash.update(chunk);
      expected.onBytes?.(bytes);
      if (bytes > expected.maxBytes) {
        done(digestError(expected, `is longer than ${expected.maxBytes} bytes`));
      } else done(null, chunk);
    },
  });
  try {
    const target = createWriteStream(part, { mode: expected.isExecutable === true ? 0o755 : 0o644 });
    if (expected.signal === undefined) await pipeline(source, meter, target);
    else await pipeline(source, meter, target, { signal: expected.signal });
    const found = hash.digest("hex");
    if (found !== expected.sha256) {
      throw digestError(expected, `has SHA-256 ${found}, not ${expected.sha256}`);
    }
    if (expected.isExecutable === true) await chmod(part, 0o755);
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

function digestError({ what }: ExpectedContent, problem: string): LabError {
  return new LabError("SUPPLY_DIGEST", `${what} ${problem}`, {
    hint: "its contents were changed on the way or at the source: nothing of it was used",
  });
}

/** A file of that size and digest in a folder, whatever its name; undefined where there is none. */
export async function findByDigest(
  folder: string,
  { sha256, bytes }: { sha256: string; bytes: number },
): Promise<string | undefined> {
  const entries = await readdir(folder, { withFileTypes: true });
  for (const entry of entries.filter((each) => each.isFile() || each.isSymbolicLink())) {
    const path = join(folder, entry.name);
    const { size } = await stat(path);
    // Hashing only what can match keeps a folder with large images cheap.
    if (size === bytes && (await sha256OfFile(path)) === sha256) return path;
  }
  return undefined;
}
