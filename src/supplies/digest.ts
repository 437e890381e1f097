import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** Hex SHA-256 of a stream, read to its end. */
export async function sha256OfStream(stream: Readable): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(stream, hash);
  return hash.digest("hex");
}

/** Hex SHA-256 of a file; undefined where there is none. */
export async function sha256OfFile(path: string): Promise<string | undefined> {
  try {
    return await sha256OfStream(createReadStream(path, { highWaterMark: 1 << 20 }));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
