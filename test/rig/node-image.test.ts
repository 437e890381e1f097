import { execFileSync } from "node:child_process";
import { afterAll, expect, test } from "vitest";
import { mustExecIn, openDocker, removeContainer } from "../../src/exec/docker.ts";
import { prepareNodeImage, type PreparedNodeImage } from "../../src/providers/kind/node-image.ts";
import { STORE_PATH } from "../../src/providers/kind/node-store.ts";
import { kubernetesVersion } from "./kubernetes-version.ts";
import { onRig, rigMissing } from "./rig.ts";

const MINUTES = 60_000;
// Two images with all that the newest has take a minute or two.
const isLong = process.env["CNILAB_LONG_LANES"] !== undefined;
const missing = rigMissing ?? (isLong ? undefined : "too long for CI: npm run test:compare");
const ONLY_HERE = "cnilab-test/only-here:1";

onRig(missing)("the prepared node image", () => {
  /** Blobs in the image's volume, as its nodes see them. */
  async function blobsIn(image: PreparedNodeImage): Promise<number> {
    const docker = await openDocker();
    const container = await docker.createContainer({
      Image: image.reference,
      Entrypoint: ["sleep", "infinity"],
      Cmd: [],
      HostConfig: { NetworkMode: "none", Binds: [`${image.storeOnHost}:${STORE_PATH}:ro`] },
    });
    try {
      await container.start();
      // Through the links of the image's own folder: without the volume they lead nowhere.
      const count = "find -L /var/lib/containerd/io.containerd.content.v1.content/blobs/sha256 -type f | wc -l";
      return Number(await mustExecIn(container, ["bash", "-c", count]));
    } finally {
      await removeContainer(docker, container.id);
    }
  }

  const made: PreparedNodeImage[] = [];
  afterAll(async () => {
    const docker = await openDocker();
    for (const { reference, volume } of made) {
      await docker.getImage(reference).remove();
      await docker.getVolume(volume).remove();
    }
    await docker.getImage(ONLY_HERE).remove();
  });

  /** An image that no prepared one has: none of those that labs left can serve. */
  async function makeImage(): Promise<string> {
    const docker = await openDocker();
    execFileSync("docker", ["import", "-", ONLY_HERE], { input: execFileSync("tar", ["-c", "-T", "/dev/null"]) });
    return (await docker.getImage(ONLY_HERE).inspect()).Id;
  }

  test(
    "is made anew where its volume was pruned, and takes the place of the useless one",
    { timeout: 5 * MINUTES },
    async () => {
      const docker = await openDocker();
      const reference = `kindest/node:${kubernetesVersion()}`;
      const [base, only] = await Promise.all([docker.getImage(reference).inspect(), makeImage()]);
      const prepare = (): Promise<PreparedNodeImage> =>
        prepareNodeImage({
          docker,
          base: { reference, id: base.Id },
          images: new Map([[ONLY_HERE, only]]),
          signal: AbortSignal.timeout(4 * MINUTES),
          progress: () => undefined,
        });
      const first = await prepare();
      expect(first.wasMade).toBe(true);
      await docker.getVolume(first.volume).remove();
      const second = await prepare();
      made.push(second);
      expect(second.wasMade).toBe(true);
      expect(await blobsIn(second)).toBeGreaterThan(10);
      expect(await prepare()).toEqual({ ...second, wasMade: false });
      const dangling = await docker.listImages({ filters: { dangling: ["true"], label: ["cnilab.dev/node-hash"] } });
      expect(dangling).toEqual([]);
    },
  );
});
