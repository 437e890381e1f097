import type { Readable } from "node:stream";
import type { ExecutableName } from "./lock.ts";

/** An image in a bundle: the blobs that make it. */
export interface BundledImage {
  /** As labs and manifests name it: "nginx:1.22". */
  reference: string;
  /** Hex SHA-256 of the image configuration. */
  config: string;
  /** Hex SHA-256 of each layer's archive, from the lowest. */
  layers: string[];
  /** `sha256:…` of each layer unpacked: what tells whether an engine has this very image. */
  diffIds: string[];
  /** As the configuration has it; empty where it has none. */
  created: string;
}

/** An upstream file in a bundle. */
export interface BundledFile {
  name: string;
  sha256: string;
}

export interface BundledExecutable {
  name: ExecutableName;
  version: string;
  /** As Go names it: "linux/amd64". */
  platform: string;
  sha256: string;
}

/** A lab in a bundle, with every file of its folder. */
export interface BundledLab {
  name: string;
  provider: string;
  cni: string;
  /** Paths below the lab's folder. */
  files: { path: string; sha256: string }[];
}

/** bundle.json: what the blobs of a bundle are. */
export interface BundleIndex {
  schemaVersion: 1;
  /** "cnilab 0.1.0". */
  createdBy: string;
  /** ISO 8601. */
  createdAt: string;
  images: BundledImage[];
  files: BundledFile[];
  executables: BundledExecutable[];
  labs: BundledLab[];
}

/** Blobs by the hex SHA-256 of their contents, in a folder or a tar archive. */
export interface BlobReader {
  /** The bundle's path, for messages. */
  path: string;
  /** All of them, referred to or not. */
  list(): string[];
  has(sha256: string): boolean;
  size(sha256: string): number;
  /** Not checked: {@link openChecked} is what callers want. */
  open(sha256: string): Readable;
  close(): Promise<void>;
}

/** Blobs that can be added to. */
export interface BlobWriter extends BlobReader {
  /** Stores a stream of that size once, whatever its digest is, and returns it. */
  add(size: number, source: AsyncIterable<Uint8Array>): Promise<string>;
  /** Takes a blob out, because it is damaged. */
  discard(sha256: string): Promise<void>;
  writeIndex(text: string): Promise<void>;
}

/** A bundle that can be used. */
export interface Bundle {
  path: string;
  index: BundleIndex;
  blobs: BlobReader;
}
