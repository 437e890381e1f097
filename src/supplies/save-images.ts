import { Readable } from "node:stream";
import { posix } from "node:path";
import { LabError } from "../core/errors.ts";
import type { BlobWriter, BundledImage } from "./bundle-types.ts";
import type { DockerImages } from "./docker-images.ts";
import { readTar } from "./tar-entries.ts";

/** Files of an archive up to here wait in memory until its manifest says whether they belong to an image. */
const SMALL_BYTES = 1024 * 1024;

/** What `docker save` says of each image (Docker Image Specification v1.2); newer engines write it beside an OCI index. */
interface SavedImage {
  Config: string;
  RepoTags: string[] | null;
  Layers: string[];
}

/**
 * Takes images out of the engine into a bundle's blobs, each layer once. Throws SUPPLY_MISSING where the archive lacks one of
 * them, and what {@link readTar} throws.
 */
export async function saveImages(
  references: readonly string[],
  docker: DockerImages,
  blobs: BlobWriter,
): Promise<BundledImage[]> {
  const digests = new Map<string, string>();
  const links = new Map<string, string>();
  const small = new Map<string, Buffer>();
  for await (const { header, body } of readTar(await docker.save(references))) {
    const path = posix.normalize(header.path);
    if (header.type === "symlink") links.set(path, posix.join(posix.dirname(path), header.linkPath));
    else if (header.type === "link") links.set(path, posix.normalize(header.linkPath));
    else if (header.type !== "file") continue;
    else if (header.size > SMALL_BYTES) digests.set(path, await blobs.add(header.size, body));
    else small.set(path, await readAll(body));
  }
  const manifest = small.get("manifest.json");
  if (manifest === undefined) throw new LabError("TAR_INVALID", "the engine's archive has no manifest.json");

  const store = async (path: string): Promise<string> => {
    const target = links.get(posix.normalize(path)) ?? posix.normalize(path);
    const known = digests.get(target);
    if (known !== undefined) return known;
    const content = small.get(target);
    if (content === undefined) throw new LabError("TAR_INVALID", `the engine's archive lacks ${target}`);
    const digest = await blobs.add(content.length, Readable.from([content]));
    digests.set(target, digest);
    return digest;
  };

  const images: BundledImage[] = [];
  for (const saved of JSON.parse(manifest.toString()) as SavedImage[]) {
    const tags = new Set((saved.RepoTags ?? []).map(canonicalReference));
    for (const reference of references.filter((each) => tags.has(canonicalReference(each)))) {
      const configText = small.get(posix.normalize(saved.Config))?.toString() ?? "{}";
      const config = JSON.parse(configText) as { created?: string; rootfs?: { diff_ids?: string[] } };
      const layers: string[] = [];
      for (const layer of saved.Layers) layers.push(await store(layer));
      images.push({
        reference,
        config: await store(saved.Config),
        layers,
        diffIds: config.rootfs?.diff_ids ?? [],
        created: config.created ?? "",
      });
    }
  }
  const absent = references.filter((reference) => !images.some((image) => image.reference === reference));
  if (absent.length > 0) {
    throw new LabError("SUPPLY_MISSING", `the engine's archive lacks ${absent.join(", ")}`);
  }
  return images;
}

async function readAll(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts);
}

/**
 * A reference in full, as registries are asked: "docker.io/library/nginx:1.22" for "nginx:1.22" (distribution/reference's
 * normalisation). Throws BUNDLE_IMAGE_BY_DIGEST, since archives of the engine keep tags only.
 */
export function canonicalReference(reference: string): string {
  if (reference.includes("@")) {
    throw new LabError("BUNDLE_IMAGE_BY_DIGEST", `image ${reference} is named by its digest`, {
      hint: "a bundle keeps digests by itself: name the image by its tag",
    });
  }
  const slash = reference.indexOf("/");
  const first = slash < 0 ? "" : reference.slice(0, slash);
  const hasRegistry = first.includes(".") || first.includes(":") || first === "localhost";
  const registry = hasRegistry ? first : "docker.io";
  const rest = hasRegistry ? reference.slice(slash + 1) : reference;
  const repository = registry === "docker.io" && !rest.includes("/") ? `library/${rest}` : rest;
  const isTagged = repository.slice(repository.lastIndexOf("/") + 1).includes(":");
  return `${registry}/${repository}${isTagged ? "" : ":latest"}`;
}
