import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cnis } from "../../src/cnis/registry.ts";
import { openDocker } from "../../src/exec/docker.ts";
import { buildPlan } from "../../src/plan/build-plan.ts";
import type { Plan } from "../../src/plan/types.ts";
import { LABELS, ownerOf } from "../../src/providers/kind/names.ts";
import { kind } from "../../src/providers/kind/provider.ts";
import type { UpContext } from "../../src/providers/types.ts";
import { readLab } from "../../src/run/read-lab.ts";
import { dockerImages } from "../../src/supplies/docker-images.ts";
import { openSupplies } from "../../src/supplies/supplies.ts";
import { describeOnRig, rigEnvironment } from "./rig.ts";

const NAME = "rig-kind-provider";
const MINUTES = 60_000;

let root: string;
let plan: Plan;

function stateDirectory(name: string): string {
  const directory = join(root, name, "labs", NAME);
  mkdirSync(directory, { recursive: true });
  return directory;
}

async function contextOf(
  directory: string,
  signal: AbortSignal,
  onMessage = (_: string): void => {},
): Promise<UpContext> {
  const docker = await openDocker();
  return {
    stateDirectory: directory,
    signal,
    emit: (event) => {
      if (event.type === "progress") onMessage(event.message);
    },
    supplies: openSupplies({
      cacheDirectory: join(root, "cache"),
      docker: () => Promise.resolve(dockerImages(docker)),
      isOffline: true,
      localFiles: rigEnvironment["CNILAB_FILES"],
      path: rigEnvironment["PATH"],
    }),
  };
}

/** Names of everything in Docker that is this lab's. */
async function leftInDocker(directory: string): Promise<string[]> {
  const docker = await openDocker();
  const label = [`${LABELS.owner}=${ownerOf(directory)}`];
  const [containers, networks, nodes] = await Promise.all([
    docker.listContainers({ all: true, filters: { label } }),
    docker.listNetworks({ filters: { label } }),
    docker.listContainers({ all: true, filters: { name: [`cnilab-${NAME}`] } }),
  ]);
  return [...containers, ...nodes].flatMap(({ Names }) => Names).concat(networks.map((network) => network.Name));
}

describeOnRig("a lab on kind", () => {
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), "cnilab-rig-"));
    const { lab } = await readLab("default-deny");
    plan = buildPlan({ ...lab, name: NAME }, { provider: kind, cnis, cniOverride: { name: "calico", mode: "vxlan" } });
  });

  afterAll(() => rmSync(root, { recursive: true, force: true }));

  test(
    "is up with nodes of the topology's names, is found by another client, and is gone after down",
    async () => {
      const directory = stateDirectory("up");
      const up = await kind.up(plan, await contextOf(directory, new AbortController().signal));
      try {
        expect(await kind.isUp(up.handle, directory)).toBe(false);
        await up.detach();
        await up.cluster.close();
        expect(await kind.isUp(up.handle, directory)).toBe(true);
        const cluster = await kind.attach(up.handle, directory);
        const nodes = await cluster.list({ kind: "Node" });
        expect(nodes.map(({ metadata }) => metadata.name).toSorted()).toEqual(["control-plane", "worker1", "worker2"]);
        const [external = ""] = await cluster.addresses({ kind: "external" });
        const answer = await cluster.exec(
          { kind: "node", name: "worker2" },
          ["curl", "-s", `http://${external}/hostname`],
          {
            timeoutMs: 5000,
          },
        );
        expect(answer.stdout).toBe("external");
        const other = stateDirectory("other");
        await expect(kind.up(plan, await contextOf(other, new AbortController().signal))).rejects.toMatchObject({
          code: "KIND_CLUSTER_TAKEN",
        });
        expect(await kind.isUp(up.handle, directory)).toBe(true);
        await cluster.close();
      } finally {
        await kind.down(up.handle, directory);
      }
      expect(await leftInDocker(directory)).toEqual([]);
      expect(readdirSync(directory)).toEqual([]);
      await kind.down(undefined, directory);
    },
    8 * MINUTES,
  );

  test(
    "that is interrupted while nodes are made leaves nothing",
    async () => {
      const directory = stateDirectory("interrupted");
      const abort = new AbortController();
      const context = await contextOf(directory, abort.signal, (message) => {
        if (message === "kind: Preparing nodes") setTimeout(() => abort.abort(new Error("interrupted")), 300);
      });
      await expect(kind.up(plan, context)).rejects.toThrow("interrupted");
      expect(await leftInDocker(directory)).toEqual([]);
    },
    4 * MINUTES,
  );
});
