import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import type { DockerImages, LocalImage } from "../../../src/supplies/docker-images.ts";
import { readTar } from "../../../src/supplies/tar-entries.ts";
import { encodeTarHeader, TAR_BLOCK, tarPadding } from "../../../src/supplies/tar-header.ts";

export function sha256(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("hex");
}

/** A tar entry: header, contents, padding. */
export function tarEntry(path: string, content: Buffer | string): Buffer {
  const body = Buffer.from(content);
  return Buffer.concat([encodeTarHeader(path, body.length), body, Buffer.alloc(tarPadding(body.length))]);
}

export function tarSymlink(path: string, target: string): Buffer {
  const header = encodeTarHeader(path, 0);
  header.write("2", 156);
  header.write(target, 157);
  header.write("        ", 148);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}

export const tarEnd = Buffer.alloc(2 * TAR_BLOCK);

export interface FakeImage {
  layers: Buffer[];
  /** Part of the configuration beside its layers. */
  created?: string;
}

function configOf({ layers, created = "2026-01-01T00:00:00Z" }: FakeImage): string {
  const diffIds = layers.map((layer) => `sha256:${sha256(layer)}`);
  return JSON.stringify({ created, rootfs: { type: "layers", diff_ids: diffIds } });
}

/** An engine in memory that saves as Docker 20.10 does (folders, repeated layers as links) and loads what it is given. */
export class FakeDocker implements DockerImages {
  readonly images = new Map<string, FakeImage>();
  /** What registries have. */
  readonly registry = new Map<string, FakeImage>();
  readonly saved: string[][] = [];
  readonly pulled: string[] = [];
  readonly loaded: string[][] = [];
  /** Ends an archive after so many bytes, as an interrupt does. */
  cutSaveAfter: number | undefined;

  constructor(images: Record<string, FakeImage> = {}) {
    for (const [reference, image] of Object.entries(images)) this.images.set(reference, image);
  }

  inspect(reference: string): Promise<LocalImage | undefined> {
    const image = this.images.get(reference);
    if (image === undefined) return Promise.resolve(undefined);
    const config = configOf(image);
    return Promise.resolve({
      id: `sha256:${sha256(config)}`,
      diffIds: image.layers.map((layer) => `sha256:${sha256(layer)}`),
      created: image.created ?? "2026-01-01T00:00:00Z",
    });
  }

  pull(reference: string): Promise<void> {
    this.pulled.push(reference);
    const image = this.registry.get(reference);
    if (image === undefined) return Promise.reject(new Error("no such repository"));
    this.images.set(reference, image);
    return Promise.resolve();
  }

  save(references: readonly string[]): Promise<Readable> {
    this.saved.push([...references]);
    const parts: Buffer[] = [];
    const paths = new Map<string, string>();
    const manifest = references.map((reference) => {
      const image = this.images.get(reference) as FakeImage;
      const config = configOf(image);
      const layers = image.layers.map((layer, index) => {
        const path = `${sha256(`${reference} ${index}`)}/layer.tar`;
        const first = paths.get(sha256(layer));
        parts.push(first === undefined ? tarEntry(path, layer) : tarSymlink(path, `../${first}`));
        if (first === undefined) paths.set(sha256(layer), path);
        return path;
      });
      parts.push(tarEntry(`${sha256(config)}.json`, config));
      return { Config: `${sha256(config)}.json`, RepoTags: [reference], Layers: layers };
    });
    parts.push(tarEntry("manifest.json", JSON.stringify(manifest)), tarEnd);
    const archive = Buffer.concat(parts).subarray(0, this.cutSaveAfter);
    return Promise.resolve(Readable.from([archive]));
  }

  async load(archive: Readable): Promise<void> {
    const files = new Map<string, Buffer>();
    for await (const { header, body } of readTar(archive)) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of body) chunks.push(chunk);
      files.set(header.path, Buffer.concat(chunks));
    }
    const text = files.get("manifest.json")?.toString() ?? "[]";
    const manifest = JSON.parse(text) as { Config: string; RepoTags: string[]; Layers: string[] }[];
    this.loaded.push(manifest.flatMap(({ RepoTags }) => RepoTags));
    for (const { Config, RepoTags, Layers } of manifest) {
      const { created } = JSON.parse((files.get(Config) as Buffer).toString()) as { created: string };
      const layers = Layers.map((layer) => files.get(layer) as Buffer);
      for (const tag of RepoTags) this.images.set(tag, { layers, created });
    }
  }
}
