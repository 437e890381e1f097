import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { LabError } from "../core/errors.ts";
import type { BlobReader } from "./bundle-types.ts";

/** What has blobs, and what each is part of. */
interface Holder {
  path: string;
  blobs: BlobReader;
}

/** A blob's contents, whose digest is checked at their end: the stream fails with BUNDLE_DIGEST. `what` names the blob to people. */
export function openChecked(holder: Holder, sha256: string, what: string): Readable {
  return Readable.from(checked(holder, sha256, what), { objectMode: false, highWaterMark: 1 << 20 });
}

async function* checked({ path, blobs }: Holder, sha256: string, what: string): AsyncGenerator<Uint8Array> {
  if (!blobs.has(sha256)) {
    throw new LabError("BUNDLE_DIGEST", `${path} lacks blobs/sha256/${sha256} (${what})`, { hint: REMEDY });
  }
  const hash = createHash("sha256");
  for await (const chunk of blobs.open(sha256) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    yield chunk;
  }
  const found = hash.digest("hex");
  if (found !== sha256) {
    throw new LabError("BUNDLE_DIGEST", `blobs/sha256/${sha256} (${what}) of ${path} was altered or cut off`, {
      hint: REMEDY,
    });
  }
}

const REMEDY = "copy the bundle again, or make it anew with cnilab bundle create, which keeps what is whole";
