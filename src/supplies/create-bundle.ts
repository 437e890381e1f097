import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { LabError } from "../core/errors.ts";
import { openChecked } from "./bundle-blobs.ts";
import { blobNames } from "./bundle-index.ts";
import type { BlobWriter, BundledExecutable, BundledImage, BundleIndex } from "./bundle-types.ts";
import { sha256OfFile, sha256OfStream } from "./digest.ts";
import type { DockerImages, LocalImage } from "./docker-images.ts";
import { isSameImage, provideImages, pullImages } from "./image-supply.ts";
import type { ExecutableName } from "./lock.ts";
import { openBundleToWrite } from "./open-bundle.ts";
import { canonicalReference, saveImages } from "./save-images.ts";
import type { Supplies } from "./types.ts";

/** What a bundle is to hold. */
export interface BundleNeeds {
  images: readonly string[];
  /** Images that no registry has, such as those built by hand: taken where the engine has them, else left out and told. */
  ownImages: readonly string[];
  /** Names of the lock. */
  files: readonly string[];
  executables: readonly ExecutableName[];
  labs: readonly { name: string; provider: string; cni: string; directory: string; files: readonly string[] }[];
}

export interface CreateContext {
  /** Where files and executables come from. */
  supplies: Pick<Supplies, "file" | "executable">;
  /** "engine" takes the images that the local engine has, "registry" pulls them. */
  imagesFrom: "engine" | "registry";
  docker: () => Promise<DockerImages>;
  /** Version and platform of an executable file, which is run for it. */
  describeExecutable: (name: ExecutableName, path: string) => Promise<{ version: string; platform: string }>;
  createdBy: string;
  now: () => Date;
  signal: AbortSignal;
  progress: (message: string, done?: number, total?: number) => void;
}

/** What a finished bundle is. */
export interface BundleSummary {
  path: string;
  images: number;
  files: number;
  executables: number;
  labs: string[];
  blobs: number;
  bytes: number;
  /** How much of it this call added. */
  addedBytes: number;
  /** Of {@link BundleNeeds.ownImages}, those that the engine does not have. */
  leftOut: string[];
}

/**
 * Gathers everything into one folder or archive, each blob once. What an earlier or interrupted call left there is checked by
 * digest and kept; with other labs it is added to. A failed call leaves what it had, for the next. Throws SUPPLY_…, BUNDLE_….
 */
export async function createBundle(path: string, needs: BundleNeeds, context: CreateContext): Promise<BundleSummary> {
  const { blobs, index: earlier } = await openBundleToWrite(path);
  try {
    const maker = new BundleMaker(blobs, earlier, context);
    await maker.discardDamaged();
    // Small things first: what is wrong with them is told before gigabytes are copied.
    for (const name of needs.files) await maker.addFile(name);
    for (const name of needs.executables) await maker.addExecutable(name);
    for (const lab of needs.labs) await maker.addLab(lab);
    await maker.addImages(needs.images, needs.ownImages);
    return await maker.finish();
  } finally {
    await blobs.close();
  }
}

class BundleMaker {
  readonly #blobs: BlobWriter;
  readonly #context: CreateContext;
  readonly #index: BundleIndex;
  #addedBytes = 0;
  readonly #leftOut: string[] = [];

  constructor(blobs: BlobWriter, earlier: BundleIndex | undefined, context: CreateContext) {
    this.#blobs = blobs;
    this.#context = context;
    const made = { createdBy: context.createdBy, createdAt: context.now().toISOString() };
    const empty = { schemaVersion: 1 as const, images: [], files: [], executables: [], labs: [] };
    this.#index = { ...empty, ...earlier, ...made };
  }

  async discardDamaged(): Promise<void> {
    const all = this.#blobs.list();
    for (const [number, sha256] of all.entries()) {
      this.#context.signal.throwIfAborted();
      this.#context.progress("check what is there", number + 1, all.length);
      try {
        await sha256OfStream(openChecked({ path: this.#blobs.path, blobs: this.#blobs }, sha256, "blob"));
      } catch (error) {
        if (!(error instanceof LabError)) throw error;
        await this.#blobs.discard(sha256);
      }
    }
    // What lost a blob is gathered again if it is still needed, and is not to be promised before.
    const has = (sha256: string): boolean => this.#blobs.has(sha256);
    const index = this.#index;
    index.images = index.images.filter(({ config, layers }) => [config, ...layers].every(has));
    index.files = index.files.filter((file) => has(file.sha256));
    index.executables = index.executables.filter((executable) => has(executable.sha256));
    index.labs = index.labs.filter((lab) => lab.files.every((file) => has(file.sha256)));
  }

  async addFile(name: string): Promise<void> {
    const sha256 = await this.#store(await this.#context.supplies.file(name));
    replace(this.#index.files, { name, sha256 }, (each) => each.name === name);
  }

  async addExecutable(name: ExecutableName): Promise<void> {
    const path = await this.#context.supplies.executable(name);
    const { version, platform } = await this.#context.describeExecutable(name, path);
    const sha256 = await this.#store(path);
    const executable: BundledExecutable = { name, version, platform, sha256 };
    replace(this.#index.executables, executable, (each) => each.name === name && each.platform === platform);
  }

  async addLab({ name, provider, cni, directory, files }: BundleNeeds["labs"][number]): Promise<void> {
    const stored: { path: string; sha256: string }[] = [];
    for (const path of files) stored.push({ path, sha256: await this.#store(join(directory, path)) });
    const isSame = (each: BundleIndex["labs"][number]): boolean =>
      each.name === name && each.provider === provider && each.cni === cni;
    replace(this.#index.labs, { name, provider, cni, files: stored }, isSame);
  }

  async addImages(references: readonly string[], own: readonly string[]): Promise<void> {
    if (references.length + own.length === 0) return;
    for (const reference of [...references, ...own]) canonicalReference(reference);
    const { imagesFrom, signal, progress } = this.#context;
    const docker = await this.#context.docker();
    const isKept = (reference: string): boolean => this.#index.images.some((image) => image.reference === reference);
    const wanted = [...new Set(references)].filter((reference) => imagesFrom === "engine" || !isKept(reference));
    if (imagesFrom === "registry") await pullImages(wanted, { docker, signal, progress });
    else await provideImages(wanted, { docker, bundle: undefined, isOffline: true, signal, progress });
    for (const reference of own) {
      if ((await docker.inspect(reference)) !== undefined) wanted.push(reference);
      else this.#leftOut.push(reference);
    }
    const total = references.length + own.length;
    const toSave: { reference: string; local: LocalImage }[] = [];
    for (const reference of wanted) {
      const local = await docker.inspect(reference);
      if (local === undefined) {
        throw new LabError("SUPPLY_MISSING", `image ${reference} was removed from the engine meanwhile`);
      }
      const kept = this.#index.images.find((image) => image.reference === reference);
      if (kept !== undefined && isSameImage(local, kept)) continue;
      const fromBlobs = this.#composed(reference, local);
      if (fromBlobs === undefined) toSave.push({ reference, local });
      else this.#addImage(fromBlobs);
    }
    // One archive for all images on one base: the engine puts the base into it once.
    const groups = new Map<string, string[]>();
    for (const { reference, local } of toSave) {
      const base = local.diffIds[0] ?? "";
      groups.set(base, [...(groups.get(base) ?? []), reference]);
    }
    let done = total - toSave.length;
    for (const names of groups.values()) {
      signal.throwIfAborted();
      progress(`save ${names.join(", ")}`, done, total);
      const before = this.#bytes();
      for (const image of await saveImages(names, docker, this.#blobs)) this.#addImage(image);
      this.#addedBytes += this.#bytes() - before;
      done += names.length;
      await this.#writeIndex();
    }
  }

  async finish(): Promise<BundleSummary> {
    await this.#writeIndex();
    const { images, files, executables, labs } = this.#index;
    return {
      path: this.#blobs.path,
      images: images.length,
      files: files.length,
      executables: executables.length,
      labs: [...new Set(labs.map(({ name }) => name))],
      blobs: blobNames(this.#index).size,
      bytes: this.#bytes(),
      addedBytes: this.#addedBytes,
      leftOut: this.#leftOut,
    };
  }

  /** An image whose blobs an interrupted call left; where the engine's id is the configuration's digest, this can be seen. */
  #composed(reference: string, { id, diffIds, created }: LocalImage): BundledImage | undefined {
    const config = id.replace(/^sha256:/, "");
    const layers = diffIds.map((digest) => digest.replace(/^sha256:/, ""));
    if (![config, ...layers].every((sha256) => this.#blobs.has(sha256))) return undefined;
    return { reference, config, layers, diffIds, created };
  }

  #addImage(image: BundledImage): void {
    replace(this.#index.images, image, (each) => each.reference === image.reference);
  }

  async #store(path: string): Promise<string> {
    this.#context.signal.throwIfAborted();
    const sha256 = await sha256OfFile(path);
    if (sha256 !== undefined && this.#blobs.has(sha256)) return sha256;
    const { size } = await stat(path);
    this.#addedBytes += size;
    return this.#blobs.add(size, createReadStream(path) as AsyncIterable<Uint8Array>);
  }

  #bytes(): number {
    return this.#blobs.list().reduce((sum, sha256) => sum + this.#blobs.size(sha256), 0);
  }

  #writeIndex(): Promise<void> {
    return this.#blobs.writeIndex(`${JSON.stringify(this.#index, undefined, 2)}\n`);
  }
}

function replace<Item>(items: Item[], item: Item, isSame: (each: Item) => boolean): void {
  const at = items.findIndex(isSame);
  if (at < 0) items.push(item);
  else items[at] = item;
}
