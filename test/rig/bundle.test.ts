import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { localDocker } from "../../src/run/supplies.ts";
import { createBundle } from "../../src/supplies/create-bundle.ts";
import { hostPlatform } from "../../src/supplies/lock.ts";
import { openBundle, verifyBundle } from "../../src/supplies/open-bundle.ts";
import { openSupplies, type SuppliesOptions } from "../../src/supplies/supplies.ts";
import { describeOnRig, rigEnvironment } from "./rig.ts";

/** Two images on one base layer, made here and removed: nothing of the engine's own is touched. */
const REPOSITORY = "cnilab-rig-bundle";
const images = [`${REPOSITORY}:one`, `${REPOSITORY}:two`];

describeOnRig("bundles with a real Docker engine", () => {
  let folder: string;
  let ids: Map<string, string>;

  const suppliesWith = (options: Partial<SuppliesOptions>): ReturnType<typeof openSupplies> =>
    openSupplies({
      cacheDirectory: join(folder, "cache"),
      docker: localDocker,
      isOffline: true,
      localFiles: rigEnvironment["CNILAB_FILES"],
      path: rigEnvironment["PATH"],
      ...options,
    });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "cnilab-rig-bundle-"));
    await writeFile(join(folder, "base"), "base".repeat(500_000));
    await execa("tar", ["-C", folder, "-cf", join(folder, "base.tar"), "base"]);
    await execa("docker", ["import", join(folder, "base.tar"), `${REPOSITORY}:base`]);
    for (const image of images) {
      const dockerfile = `FROM ${REPOSITORY}:base\nLABEL image=${image}\nCOPY base /${image.at(-1)}\n`;
      await execa("docker", ["build", "-q", "-t", image, "-f", "-", folder], {
        input: dockerfile,
        env: { DOCKER_BUILDKIT: "0" },
      });
    }
    ids = await suppliesWith({}).images(images);
  }, 60_000);

  afterAll(async () => {
    await execa("docker", ["image", "rm", "-f", ...images, `${REPOSITORY}:base`], { reject: false });
    await rm(folder, { recursive: true });
  });

  test.each(["bundle", "bundle.tar"])(
    "images go into %s and come back the same into an engine without them",
    async (name) => {
      const path = join(folder, name);
      // For the second name: the first left the engine as it was.
      const make = (): ReturnType<typeof createBundle> =>
        createBundle(
          path,
          { images, ownImages: [], files: ["calico-vxlan-v3.28.5.yaml"], executables: ["kind"], labs: [] },
          {
            supplies: suppliesWith({}),
            docker: localDocker,
            imagesFrom: "engine",
            describeExecutable: () => Promise.resolve({ version: "v0.30.0", platform: hostPlatform() }),
            createdBy: "rig",
            now: () => new Date(),
            signal: new AbortController().signal,
            progress: () => undefined,
          },
        );
      // Two configurations, the base, a layer each, the manifest, the command.
      expect((await make()).blobs).toBe(7);
      expect((await make()).addedBytes).toBe(0);
      expect(await verifyBundle(await openBundle(path))).toEqual([]);

      await execa("docker", ["image", "rm", "-f", ...images, `${REPOSITORY}:base`]);
      const offline = suppliesWith({
        bundle: path,
        cacheDirectory: join(folder, `${name}-cache`),
        localFiles: undefined,
        path: "",
      });
      expect(await offline.images(images)).toEqual(ids);
      const kind = await execa(await offline.executable("kind"), ["version"]);
      expect(kind.stdout).toContain("v0.30.0");
      expect(await offline.file("calico-vxlan-v3.28.5.yaml")).toContain(`${name}-cache`);
      await execa("docker", ["tag", images[0] ?? "", `${REPOSITORY}:base`]);
    },
  );
});
