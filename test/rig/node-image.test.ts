import { expect, test } from "vitest";
import { mustExecIn, openDocker, removeContainer } from "../../src/exec/docker.ts";
import { prepareNodeImage, type PreparedNodeImage } from "../../src/providers/kind/node-image.ts";
import { STORE_PATH } from "../../src/providers/kind/node-store.ts";
import { AGNHOST_IMAGE } from "../../src/providers/real/agnhost-image.ts";
import { kubernetesVersion } from "./kubernetes-version.ts";
import { describeOnRig } from "./rig.ts";

const MINUTES = 60_000;

describeOnRig("the prepared node image", () => {
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

  test(
    "is made anew where its volume was pruned, and takes the place of the useless one",
    { timeout: 5 * MINUTES },
    async () => {
      const docker = await openDocker();
      const reference = `kindest/node:${kubernetesVersion()}`;
      const [base, agnhost] = await Promise.all([
        docker.getImage(reference).inspect(),
        docker.getImage(AGNHOST_IMAGE).inspect(),
      ]);
      const prepare = (): Promise<PreparedNodeImage> =>
        prepareNodeImage({
          docker,
          base: { reference, id: base.Id },
          images: new Map([[AGNHOST_IMAGE, agnhost.Id]]),
          signal: AbortSignal.timeout(4 * MINUTES),
          progress: () => undefined,
        });
      const first = await prepare();
      await docker.getVolume(first.volume).remove();
      const second = await prepare();
      expect(await blobsIn(second)).toBeGreaterThan(10);
      expect(await prepare()).toEqual({ ...second, wasMade: false });
      const dangling = await docker.listImages({ filters: { dangling: ["true"], label: ["cnilab.dev/node-hash"] } });
      expect(dangling).toEqual([]);
    },
  );
});
