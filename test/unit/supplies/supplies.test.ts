import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { hostPlatform, type SupplyLock } from "../../../src/supplies/lock.ts";
import { openSupplies, type SuppliesOptions } from "../../../src/supplies/supplies.ts";
import { FakeDocker, sha256 } from "./fake-docker.ts";

const text = "kind: DaemonSet\n";
const lock: SupplyLock = {
  files: [{ name: "cni.yaml", url: "https://x.test/cni.yaml", sha256: sha256(text), bytes: text.length }],
  executables: [
    { name: "kind", version: "v1", platform: hostPlatform(), url: "https://x.test/kind", sha256: sha256("program") },
  ],
};

let folder: string;
let asked: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cnilab-supplies-"));
  asked = [];
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

function supplies(answers: Record<string, string> = {}, options: Partial<SuppliesOptions> = {}) {
  return openSupplies({
    cacheDirectory: join(folder, "cache"),
    docker: () => Promise.reject(new Error("Docker was asked")),
    lock,
    path: "",
    fetch: (url) => {
      asked.push(url);
      const body = answers[url];
      return Promise.resolve(body === undefined ? new Response("", { status: 404 }) : new Response(body));
    },
    ...options,
  });
}

test("a file is fetched once, checked, and then comes from the cache", async () => {
  const path = await supplies({ "https://x.test/cni.yaml": text }).file("cni.yaml");
  expect(await readFile(path, "utf8")).toBe(text);
  expect(await supplies().file("cni.yaml")).toBe(path);
  expect(asked).toEqual(["https://x.test/cni.yaml"]);
});

test("a cached file that was altered is fetched again", async () => {
  const answers = { "https://x.test/cni.yaml": text };
  await writeFile(await supplies(answers).file("cni.yaml"), "altered");
  expect(await readFile(await supplies(answers).file("cni.yaml"), "utf8")).toBe(text);
  expect(asked).toHaveLength(2);
});

test.each(["another file of sixteen", "short", `${text}and more`])(
  "%j in its place is refused and not kept",
  async (other) => {
    const asking = supplies({ "https://x.test/cni.yaml": other }).file("cni.yaml");
    await expect(asking).rejects.toMatchObject({ code: "SUPPLY_DIGEST" });
    expect(await readdir(join(folder, "cache", "files"))).toEqual([]);
  },
);

test("a source that does not have the file is told with its address", async () => {
  const asking = supplies().file("cni.yaml");
  await expect(asking).rejects.toMatchObject({ code: "SUPPLY_UNREACHABLE" });
  await expect(asking).rejects.toThrow("https://x.test/cni.yaml: it answered 404");
});

test("a local folder's file is found by its digest, whatever its name", async () => {
  const localFiles = join(folder, "files");
  await mkdir(localFiles);
  await writeFile(join(localFiles, "a"), "x".repeat(text.length));
  await writeFile(join(localFiles, "b"), text);
  expect(await readFile(await supplies({}, { localFiles }).file("cni.yaml"), "utf8")).toBe(text);
  expect(asked).toEqual([]);
});

test("a name that is not in the lock, and all that is not here when offline, is missing", async () => {
  await expect(supplies().file("other.yaml")).rejects.toMatchObject({ code: "SUPPLY_MISSING" });
  await expect(supplies({}, { isOffline: true }).file("cni.yaml")).rejects.toMatchObject({ code: "SUPPLY_MISSING" });
  expect(asked).toEqual([]);
});

test("a command comes from PATH, else it is fetched by the lock, else it is missing with its remedy", async () => {
  const bin = join(folder, "bin");
  await mkdir(bin);
  const fetched = await supplies({ "https://x.test/kind": "program" }).executable("kind");
  expect(await readFile(fetched, "utf8")).toBe("program");
  await writeFile(join(bin, "kind"), "own", { mode: 0o755 });
  expect(await supplies({}, { path: bin }).executable("kind")).toBe(join(bin, "kind"));
  const asking = supplies({}, { path: bin }).executable("kubectl");
  await expect(asking).rejects.toMatchObject({
    code: "SUPPLY_MISSING",
    hint: expect.stringContaining("kubernetes.io") as string,
  });
});

test("images are pulled where they are missing, and all that fail are named", async () => {
  const docker = new FakeDocker({ "here:1": { layers: [Buffer.from("a")] } });
  docker.registry.set("there:1", { layers: [Buffer.from("b")] });
  const mine = supplies({}, { docker: () => Promise.resolve(docker) });
  const ids = await mine.images(["here:1", "there:1", "here:1"]);
  expect([...ids.keys()]).toEqual(["here:1", "there:1"]);
  expect(docker.pulled).toEqual(["there:1"]);
  await expect(mine.images(["gone:1", "gone:2"])).rejects.toThrow(/gone:1: .*\n {2}gone:2: /);
});
