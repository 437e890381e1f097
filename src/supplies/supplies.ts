import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { LabError } from "../core/errors.ts";
import { findProgram } from "../exec/find-program.ts";
import { openChecked } from "./bundle-blobs.ts";
import type { Bundle } from "./bundle-types.ts";
import { sha256OfFile } from "./digest.ts";
import type { DockerImages } from "./docker-images.ts";
import { download, type Fetch } from "./download.ts";
import { cachedPath, findByDigest, storeVerified } from "./file-cache.ts";
import { writeArchives } from "./image-archives.ts";
import { provideImages } from "./image-supply.ts";
import { hostPlatform, supplyLock, type ExecutableName, type SupplyLock } from "./lock.ts";
import { openBundle } from "./open-bundle.ts";
import type { Supplies } from "./types.ts";

/** Executables of the lock have no recorded size; kind is 10 MB and kubectl 60 MB. */
const MAX_EXECUTABLE_BYTES = 256 * 1024 * 1024;

export interface SuppliesOptions {
  /** Folder or tar that `cnilab bundle create` made. */
  bundle?: string | undefined;
  /** Files are kept in its folder `files`, by digest. */
  cacheDirectory: string;
  /** Called when an image is asked for, not before. */
  docker: () => Promise<DockerImages>;
  /** Default: src/supplies/lock.json. */
  lock?: SupplyLock;
  /** Nothing is fetched from the internet. */
  isOffline?: boolean;
  /** A folder whose files are taken by their digest, whatever their names (environment CNILAB_FILES). */
  localFiles?: string | undefined;
  /** Value of PATH. */
  path?: string | undefined;
  fetch?: Fetch;
  signal?: AbortSignal;
  /** Told what takes a while. */
  progress?: (message: string) => void;
}

/**
 * Supplies from a bundle, this host, or the internet. Nothing is read, and no bundle opened, before something is asked
 * for. Calls throw SUPPLY_MISSING, SUPPLY_DIGEST, SUPPLY_UNREACHABLE, BUNDLE_….
 */
export function openSupplies(options: SuppliesOptions): Supplies {
  const { cacheDirectory, docker, isOffline = false, lock = supplyLock, signal } = options;
  const fetch: Fetch = options.fetch ?? globalThis.fetch;
  const progress = options.progress ?? (() => undefined);
  let opened: Promise<Bundle> | undefined;
  const bundle = async (): Promise<Bundle | undefined> =>
    options.bundle === undefined ? undefined : (opened ??= openBundle(options.bundle));
  const files = new Map<string, Promise<string>>();

  async function provideFile(name: string): Promise<string> {
    const locked = lock.files.find((file) => file.name === name);
    if (locked === undefined) throw new LabError("SUPPLY_MISSING", `no file ${name} is in the lock`);
    const { sha256, bytes, url } = locked;
    const expected = { what: name, sha256, maxBytes: bytes, signal };
    const cached = cachedPath(cacheDirectory, sha256);
    // Content by digest is the same wherever it lies, so that the nearest copy comes first.
    if ((await sha256OfFile(cached)) === sha256) return cached;
    const bundled = await bundle();
    if (bundled?.blobs.has(sha256) === true) {
      await storeVerified(openChecked(bundled, sha256, name), cached, expected);
      return cached;
    }
    const local = options.localFiles === undefined ? undefined : await findByDigest(options.localFiles, locked);
    if (local !== undefined) {
      await storeVerified(createReadStream(local), cached, expected);
      return cached;
    }
    if (isOffline) {
      throw new LabError("SUPPLY_MISSING", `${name} is not here, and nothing is fetched with a bundle`, {
        hint: `make the bundle anew, or put the file of ${url} into a folder and set CNILAB_FILES to it`,
      });
    }
    progress(`fetch ${name}`);
    await download(url, cached, expected, fetch);
    return cached;
  }

  async function provideExecutable(name: ExecutableName): Promise<string> {
    const platform = hostPlatform();
    const bundled = await bundle();
    const inBundle = bundled?.index.executables.find((each) => each.name === name && each.platform === platform);
    if (bundled !== undefined && inBundle !== undefined) {
      const { sha256 } = inBundle;
      const path = executablePath(cacheDirectory, sha256, name);
      if ((await sha256OfFile(path)) === sha256) return path;
      const expected = { what: name, sha256, maxBytes: bundled.blobs.size(sha256), isExecutable: true, signal };
      await storeVerified(openChecked(bundled, sha256, name), path, expected);
      await writeFileAtomic(loadedPath(cacheDirectory, name), `${sha256}\n`);
      return path;
    }
    const installed = await findProgram(name, options.path);
    if (installed !== undefined) return installed;
    const loaded = await loadedExecutable(cacheDirectory, name);
    if (loaded !== undefined) return loaded;
    const locked = lock.executables.find((each) => each.name === name && each.platform === platform);
    if (locked !== undefined) {
      const path = executablePath(cacheDirectory, locked.sha256, name);
      if ((await sha256OfFile(path)) === locked.sha256) return path;
      if (!isOffline) {
        const what = `${name} ${locked.version}`;
        progress(`fetch ${what}`);
        const expected = {
          what,
          sha256: locked.sha256,
          maxBytes: MAX_EXECUTABLE_BYTES,
          isExecutable: true,
          signal,
        };
        await download(locked.url, path, expected, fetch);
        return path;
      }
    }
    throw new LabError("SUPPLY_MISSING", `the command ${name} is not in PATH${whyNotFetched(isOffline, platform)}`, {
      hint: `install ${name} (https://${DOCUMENTED_AT[name]})`,
    });
  }

  return {
    file: (name) => remembered(files, name, () => provideFile(name)),
    images: async (references) =>
      provideImages(references, { docker: await docker(), bundle: await bundle(), isOffline, signal, progress }),
    executable: (name) => provideExecutable(name),
    hasBundle: options.bundle !== undefined,
    imageArchives: async (references, folder) =>
      writeArchives(references, { bundle: await bundle(), folder, progress }),
  };
}

/** Where each executable's makers say how to get it. */
const DOCUMENTED_AT: Readonly<Record<ExecutableName, string>> = {
  kind: "kind.sigs.k8s.io/docs/user/quick-start",
  kubectl: "kubernetes.io/docs/tasks/tools",
  kubeadm: "kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm",
  kubelet: "kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm",
};

/** One call at a time for a file; each later one checks the digest again. */
function remembered(
  running: Map<string, Promise<string>>,
  name: string,
  provide: () => Promise<string>,
): Promise<string> {
  const call = running.get(name) ?? provide().finally(() => running.delete(name));
  running.set(name, call);
  return call;
}

/** In a folder of its own, so that the command keeps its name. */
function executablePath(cacheDirectory: string, sha256: string, name: string): string {
  return join(cacheDirectory, "executables", sha256, name);
}

/** Which executable a bundle brought last: it may be another than the lock's. */
function loadedPath(cacheDirectory: string, name: string): string {
  return join(cacheDirectory, "executables", `${name}.sha256`);
}

async function loadedExecutable(cacheDirectory: string, name: string): Promise<string | undefined> {
  let sha256: string;
  try {
    sha256 = (await readFile(loadedPath(cacheDirectory, name), "utf8")).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const path = executablePath(cacheDirectory, sha256, name);
  return (await sha256OfFile(path)) === sha256 ? path : undefined;
}

function whyNotFetched(isOffline: boolean, platform: string): string {
  return isOffline ? ", and nothing is fetched with a bundle" : `, and none for ${platform} is in the lock`;
}
