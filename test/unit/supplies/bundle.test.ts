import { createReadStream, existsSync } from "node:fs";
import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createBundle, type BundleNeeds, type BundleSummary } from "../../../src/supplies/create-bundle.ts";
import { openBundle, verifyBundle } from "../../../src/supplies/open-bundle.ts";
import { openSupplies } from "../../../src/supplies/supplies.ts";
import { hostPlatform, type SupplyLock } from "../../../src/supplies/lock.ts";
import type { Supplies } from "../../../src/supplies/types.ts";
import { FakeDocker, sha256 } from "./fake-docker.ts";

/** Over the size up to which a save keeps files in memory. */
const base = Buffer.alloc(1_500_000, "base");
const [nginx, web] = [Buffer.from("nginx"), Buffer.alloc(1_200_000, "web")];
const manifest = "kind: DaemonSet\n";
const lock: SupplyLock = {
  files: [{ name: "cni.yaml", url: "https://x.test/cni.yaml", sha256: sha256(manifest), bytes: manifest.length }],
  executables: [],
};

let folder: string;
let docker: FakeDocker;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cnilab-bundle-"));
  await mkdir(join(folder, "files"));
  await mkdir(join(folder, "bin"));
  await mkdir(join(folder, "lab"));
  await writeFile(join(folder, "files", "any-name"), manifest);
  await writeFile(join(folder, "bin", "kind"), "#!/bin/sh\n", { mode: 0o755 });
  await writeFile(join(folder, "lab", "lab.yaml"), "kind: Lab\n");
  docker = new FakeDocker({ "nginx:1.22": { layers: [base, nginx] }, "web:1": { layers: [base, web] } });
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

const needs: BundleNeeds = {
  images: ["nginx:1.22", "web:1"],
  ownImages: [],
  files: ["cni.yaml"],
  executables: ["kind"],
  labs: [],
};

function suppliesWith(options: { bundle?: string; from?: FakeDocker } = {}): Supplies {
  return openSupplies({
    cacheDirectory: join(folder, options.bundle === undefined ? "cache" : "other-cache"),
    docker: () => Promise.resolve(options.from ?? docker),
    lock,
    isOffline: true,
    bundle: options.bundle,
    ...(options.bundle === undefined ? { localFiles: join(folder, "files"), path: join(folder, "bin") } : {}),
  });
}

function create(
  path: string,
  changes: Partial<BundleNeeds> = {},
  from: "engine" | "registry" = "engine",
): Promise<BundleSummary> {
  const lab = {
    name: "shop",
    provider: "kind",
    cni: "calico:vxlan",
    directory: join(folder, "lab"),
    files: ["lab.yaml"],
  };
  return createBundle(
    path,
    { ...needs, labs: [lab], ...changes },
    {
      supplies: suppliesWith(),
      docker: () => Promise.resolve(docker),
      imagesFrom: from,
      describeExecutable: () => Promise.resolve({ version: "v0.30.0", platform: hostPlatform() }),
      createdBy: "test",
      now: () => new Date(0),
      signal: new AbortController().signal,
      progress: () => undefined,
    },
  );
}

function layersOf(engine: FakeDocker, reference: string): string[] {
  return (engine.images.get(reference)?.layers ?? []).map((layer) => sha256(layer));
}

describe.each(["bundle", "bundle.tar"])("%s", (name) => {
  let path: string;
  beforeEach(() => {
    path = join(folder, name);
  });

  test("holds each layer once, and gives an empty host everything", async () => {
    const made = await create(path);
    expect(made).toMatchObject({ images: 2, files: 1, executables: 1, labs: ["shop"] });
    // Two configurations, three layers, the manifest, the executable, the lab.
    expect(made.blobs).toBe(8);
    expect(await verifyBundle(await openBundle(path))).toEqual([]);

    const empty = new FakeDocker();
    const supplies = suppliesWith({ bundle: path, from: empty });
    expect(await readFile(await supplies.file("cni.yaml"), "utf8")).toBe(manifest);
    expect(await readFile(await supplies.executable("kind"), "utf8")).toBe("#!/bin/sh\n");
    expect((await stat(await supplies.executable("kind"))).mode & 0o111).toBe(0o111);
    const ids = await supplies.images(["nginx:1.22", "web:1"]);
    expect(ids.get("web:1")).toBe((await docker.inspect("web:1"))?.id);
    expect(empty.loaded).toEqual([["nginx:1.22", "web:1"]]);
    expect(layersOf(empty, "nginx:1.22")).toEqual([base, nginx].map((layer) => sha256(layer)));
    // Once they are there, nothing is loaded again.
    await supplies.images(["nginx:1.22", "web:1"]);
    expect(empty.loaded).toHaveLength(1);
  });

  test("a second create takes nothing out of the engine again", async () => {
    await create(path);
    const again = await create(path);
    expect(docker.saved).toHaveLength(1);
    expect(again.addedBytes).toBe(0);
  });

  test("an image that no registry has is taken where the engine has it, and left out elsewhere", async () => {
    expect((await create(path, { ownImages: ["agent:1"] })).leftOut).toEqual(["agent:1"]);
    const names = async (): Promise<string[]> =>
      (await openBundle(path)).index.images.map(({ reference }) => reference).toSorted();
    expect(await names()).toEqual(["nginx:1.22", "web:1"]);
    docker.images.set("agent:1", { layers: [base, Buffer.from("agent")] });
    expect((await create(path, { ownImages: ["agent:1"] }, "registry")).leftOut).toEqual([]);
    expect(await names()).toEqual(["agent:1", "nginx:1.22", "web:1"]);
    expect(docker.pulled).toEqual([]);
  });

  test("an image that changed since is taken anew, and other labs are added", async () => {
    await create(path, { images: ["nginx:1.22"] });
    docker.images.set("nginx:1.22", { layers: [base, Buffer.from("newer")] });
    await create(path, { labs: [], images: ["nginx:1.22", "web:1"] });
    const { index } = await openBundle(path);
    expect(index.labs.map((lab) => lab.name)).toEqual(["shop"]);
    expect(index.images.find(({ reference }) => reference === "nginx:1.22")?.layers[1]).toBe(sha256("newer"));
  });

  test("an interrupted create goes on where it was", async () => {
    docker.cutSaveAfter = 2_000_000;
    await expect(create(path)).rejects.toMatchObject({ code: "TAR_TRUNCATED" });
    await expect(openBundle(path)).rejects.toMatchObject({ code: "BUNDLE_INVALID" });
    docker.cutSaveAfter = undefined;
    const made = await create(path);
    // The base layer was whole; the rest is what came after it.
    expect(made.addedBytes).toBeLessThan(base.length);
    expect(await verifyBundle(await openBundle(path))).toEqual([]);
  });

  test("an altered blob is named, not used, and mended by the next create", async () => {
    await create(path);
    const blob = `blobs/sha256/${sha256(web)}`;
    await alter(path, blob);
    const [problem, ...others] = await verifyBundle(await openBundle(path));
    expect(problem).toMatchObject({ code: "BUNDLE_DIGEST" });
    expect(problem?.message).toContain(`${blob} (layer 2 of web:1)`);
    expect(others).toEqual([]);
    const empty = new FakeDocker();
    const loading = suppliesWith({ bundle: path, from: empty }).images(["web:1"]);
    await expect(loading).rejects.toMatchObject({ code: "BUNDLE_DIGEST" });
    expect(empty.images.size).toBe(0);
    await create(path);
    expect(await verifyBundle(await openBundle(path))).toEqual([]);
  });

  test("an image that the bundle lacks is missing, by name: nothing is pulled", async () => {
    await create(path);
    const empty = new FakeDocker();
    const asking = suppliesWith({ bundle: path, from: empty }).images(["nginx:1.22", "busybox:1.35", "absent:2"]);
    await expect(asking).rejects.toMatchObject({ code: "SUPPLY_MISSING" });
    await expect(asking).rejects.toThrow(/busybox:1\.35\n {2}absent:2/);
    expect(empty.pulled).toEqual([]);
  });

  test("its images are written as archives of their own, each once, and what it lacks is named", async () => {
    const path = join(folder, "bundle");
    await create(path);
    const other = new FakeDocker();
    const supplies = suppliesWith({ bundle: path, from: other });
    expect([supplies.hasBundle, suppliesWith().hasBundle]).toEqual([true, false]);
    const archives = join(folder, "archives");
    await supplies.imageArchives(["web:1", "nginx:1.22", "web:1"], archives);
    const written = (await readdir(archives)).toSorted();
    expect(written.map((name) => name.slice(17)).toSorted()).toEqual(["nginx-1.22.tar", "web-1.tar"]);
    for (const name of written) await other.load(createReadStream(join(archives, name)));
    expect(other.loaded.map((names) => names.join()).toSorted()).toEqual(["nginx:1.22", "web:1"]);
    const before = await stat(join(archives, written[0] ?? ""));
    await supplies.imageArchives(["web:1", "nginx:1.22"], archives);
    expect((await stat(join(archives, written[0] ?? ""))).ino).toBe(before.ino);
    await expect(supplies.imageArchives(["web:1", "a:1", "b:1"], archives)).rejects.toThrow(
      "the bundle lacks a:1, b:1",
    );
  });

  test("the bundle's image wins over another one of that name", async () => {
    await create(path);
    const other = new FakeDocker({ "web:1": { layers: [Buffer.from("mine")] } });
    await suppliesWith({ bundle: path, from: other }).images(["web:1"]);
    expect(layersOf(other, "web:1")).toEqual([base, web].map((layer) => sha256(layer)));
  });

  async function alter(bundle: string, blob: string): Promise<void> {
    const isFolder = (await stat(bundle)).isDirectory();
    const file = await open(isFolder ? join(bundle, blob) : bundle, "r+");
    const at = isFolder ? 100 : (await readFile(bundle)).indexOf(blob) + 512 + 100;
    await file.write("!", at);
    await file.close();
  }
});

test("a cut-off archive names where it ends", async () => {
  const path = join(folder, "bundle.tar");
  await create(path);
  await truncate(path, 1_000_000);
  await expect(openBundle(path)).rejects.toMatchObject({ code: "BUNDLE_DIGEST" });
  await expect(openBundle(path)).rejects.toThrow(`blobs/sha256/${sha256(base)}`);
});

test("without --from images are pulled, and all that cannot be are named at once", async () => {
  docker.registry.set("nginx:1.22", { layers: [base, nginx] });
  const making = create(join(folder, "bundle"), { images: ["nginx:1.22", "gone:1", "gone:2"] }, "registry");
  await expect(making).rejects.toMatchObject({ code: "SUPPLY_MISSING" });
  await expect(making).rejects.toThrow(/gone:1: no such repository\n {2}gone:2/);
  expect(docker.pulled.toSorted()).toEqual(["gone:1", "gone:2", "nginx:1.22"]);
});

test("an image named by its digest is refused before anything is made of it", async () => {
  const making = create(join(folder, "bundle"), { images: [`nginx@sha256:${"0".repeat(64)}`] });
  await expect(making).rejects.toMatchObject({ code: "BUNDLE_IMAGE_BY_DIGEST" });
  expect(docker.saved).toEqual([]);
});

test("paths that lead out of a lab's folder make a bundle invalid", async () => {
  const path = join(folder, "bundle");
  await create(path);
  const file = join(path, "bundle.json");
  await writeFile(file, (await readFile(file, "utf8")).replace('"lab.yaml"', '"../../lab.yaml"'));
  await expect(openBundle(path)).rejects.toMatchObject({ code: "BUNDLE_INVALID" });
});

test("no bundle there is an error of its own", async () => {
  await expect(openBundle(join(folder, "nothing"))).rejects.toMatchObject({ code: "BUNDLE_NOT_FOUND" });
  expect(existsSync(join(folder, "nothing"))).toBe(false);
});
