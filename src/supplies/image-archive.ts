import { Readable } from "node:stream";
import { openChecked } from "./bundle-blobs.ts";
import type { Bundle, BundledImage } from "./bundle-types.ts";
import { encodeTarHeader, TAR_BLOCK, tarPadding } from "./tar-header.ts";

/**
 * The archive that `docker load` takes, made of a bundle's blobs as it is read: manifest.json after the layout of the Docker
 * Image Specification v1.2, which every engine reads, each blob once. Fails with BUNDLE_DIGEST at a damaged blob.
 */
export function imageArchive(bundle: Bundle, images: readonly BundledImage[]): Readable {
  return Readable.from(entries(bundle, images), { objectMode: false, highWaterMark: 1 << 20 });
}

async function* entries(bundle: Bundle, images: readonly BundledImage[]): AsyncGenerator<Uint8Array> {
  const done = new Set<string>();
  for (const { reference, config, layers } of images) {
    const parts: [string, string][] = [
      [config, `configuration of ${reference}`],
      ...layers.map((layer, index): [string, string] => [layer, `layer ${index + 1} of ${reference}`]),
    ];
    for (const [sha256, what] of parts) {
      if (done.has(sha256)) continue;
      done.add(sha256);
      const size = bundle.blobs.size(sha256);
      yield encodeTarHeader(blobPath(sha256), size);
      yield* openChecked(bundle, sha256, what) as AsyncIterable<Buffer>;
      // An empty chunk would stall a stream of bytes.
      if (tarPadding(size) > 0) yield Buffer.alloc(tarPadding(size));
    }
  }
  const manifest = Buffer.from(
    JSON.stringify(
      images.map(({ reference, config, layers }) => ({
        Config: blobPath(config),
        RepoTags: [reference],
        Layers: layers.map(blobPath),
      })),
    ),
  );
  yield encodeTarHeader("manifest.json", manifest.length);
  yield manifest;
  yield Buffer.alloc(tarPadding(manifest.length) + 2 * TAR_BLOCK);
}

function blobPath(sha256: string): string {
  return `blobs/sha256/${sha256}`;
}
