import { createHash, randomUUID } from "node:crypto";
import { createReadStream, readdirSync, statSync } from "node:fs";
import { mkdir, open, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BlobWriter } from "./bundle-types.ts";

const DIGEST = /^[0-9a-f]{64}$/;

/** Blobs as files of a folder: `blobs/sha256/DIGEST`, as an OCI image layout has them. */
export async function openFolderBlobs(path: string, { mayWrite }: { mayWrite: boolean }): Promise<BlobWriter> {
  const folder = join(path, "blobs", "sha256");
  if (mayWrite) await mkdir(folder, { recursive: true });
  const sizes = new Map<string, number>();
  for (const name of readdirSync(folder)) {
    if (DIGEST.test(name)) sizes.set(name, statSync(join(folder, name)).size);
    // What an interrupted run was writing is of no use: its digest is not known.
    else if (mayWrite) await rm(join(folder, name), { force: true });
  }
  return {
    path,
    list: () => [...sizes.keys()],
    has: (sha256) => sizes.has(sha256),
    size: (sha256) => sizes.get(sha256) ?? 0,
    open: (sha256) => createReadStream(join(folder, sha256), { highWaterMark: 1 << 20 }),
    async add(_size, source) {
      const part = join(folder, `${randomUUID()}.part`);
      const hash = createHash("sha256");
      const file = await open(part, "w");
      let bytes = 0;
      try {
        for await (const chunk of source) {
          hash.update(chunk);
          await file.write(chunk);
          bytes += chunk.length;
        }
        await file.close();
        const digest = hash.digest("hex");
        if (sizes.has(digest)) await rm(part);
        else await rename(part, join(folder, digest));
        sizes.set(digest, bytes);
        return digest;
      } catch (error) {
        await file.close();
        await rm(part, { force: true });
        throw error;
      }
    },
    async discard(sha256) {
      await rm(join(folder, sha256), { force: true });
      sizes.delete(sha256);
    },
    async writeIndex(text) {
      const part = join(path, "bundle.json.part");
      await writeFile(part, text);
      await rename(part, join(path, "bundle.json"));
    },
    close: () => Promise.resolve(),
  };
}
