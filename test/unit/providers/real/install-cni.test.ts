import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubeObject } from "../../../../src/kube/types.ts";
import type { Plan, PlannedCni } from "../../../../src/plan/types.ts";
import {
  cniImages,
  cniKernelFeatures,
  cniManifest,
  cniManifestName,
  installCni,
  missingPlugins,
} from "../../../../src/providers/real/install-cni.ts";
import { plannedNode } from "../../cnis/cluster.ts";
import { daemonSet } from "../../cnis/install-world.ts";

let directory: string;
const supplies = { file: (name: string): Promise<string> => Promise.resolve(join(directory, name)) };

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "cnilab-install-cni-"));
  const image = { init: "rajchaudhuri/weave-kube:latest", npc: "rajchaudhuri/weave-npc:latest" };
  const items = [
    daemonSet("weave-net", [
      { name: "weave-init", init: true, image: image.init, pull: "Always" },
      { name: "weave", image: image.init, pull: "Always" },
      { name: "weave-npc", image: image.npc, pull: "Always" },
    ]),
    { apiVersion: "v1", kind: "Namespace", metadata: { name: "weave" } },
  ];
  writeFileSync(join(directory, "weave-v2.9.0.yaml"), JSON.stringify({ apiVersion: "v1", kind: "List", items }));
});

afterAll(() => {
  rmSync(directory, { recursive: true });
});

function plan(cni: Partial<PlannedCni> = {}): Plan {
  return {
    apiVersion: "cnilab.dev/v1alpha1",
    lab: { name: "shop", title: "A shop", file: "lab.yaml", directory: "." },
    provider: "kind",
    topology: { name: "two", networks: [], nodes: [plannedNode("one"), plannedNode("two")] },
    cni: {
      name: "weave",
      mode: "sleeve",
      podCidrs: ["10.32.0.0/12"],
      mtu: 1376,
      enforcesPolicy: true,
      options: {},
      ...cni,
    },
    cluster: { serviceCidrs: ["10.96.0.0/12"], dnsAddress: "10.96.0.10", dnsDomain: "cluster.local" },
    scenario: [],
    probes: [],
    tasks: [],
  };
}

describe("the installation of a CNI", () => {
  it("needs the images of the patched manifest, not of the upstream one", async () => {
    expect(await cniImages(plan(), supplies)).toEqual([
      "rajchaudhuri/weave-kube:2.9.0",
      "rajchaudhuri/weave-npc:2.9.0",
    ]);
    expect(cniManifestName(plan())).toBe("weave-v2.9.0.yaml");
  });

  it("applies all objects at once, namespaces first, and tells each patch with its reason", async () => {
    const applied: string[][] = [];
    const told: string[] = [];
    await installCni({
      api: {
        apply: (objects: readonly KubeObject[]) => {
          applied.push(objects.map(({ kind }) => kind));
          return Promise.resolve([]);
        },
      },
      plan: plan(),
      supplies,
      signal: new AbortController().signal,
      progress: (message) => told.push(message),
    });
    expect(applied).toEqual([["Namespace", "DaemonSet"]]);
    expect(told).toContain(
      "DaemonSet kube-system/weave-net: container weave has WEAVE_NO_FASTDP=1 (mode sleeve, also where the kernel has Open vSwitch)",
    );
    expect(told.at(-1)).toBe("apply weave-v2.9.0.yaml: 2 objects");
  });

  it("applies nothing once it is aborted", async () => {
    const installed = installCni({
      api: { apply: () => Promise.reject(new Error("applied")) },
      plan: plan(),
      supplies,
      signal: AbortSignal.abort(new Error("interrupted")),
      progress: () => undefined,
    });
    await expect(installed).rejects.toThrow("interrupted");
  });

  it("draws a password for every cluster, which no patch shows", async () => {
    const made = await Promise.all([1, 2].map(() => cniManifest(plan({ options: { encrypted: true } }), supplies)));
    const passwords = made.map(({ objects }) => {
      const secret = objects.find(({ kind }) => kind === "Secret") as KubeObject & {
        stringData: Record<string, string>;
      };
      return secret.stringData["weave-passwd"] ?? "";
    });
    expect(new Set(passwords).size).toBe(2);
    for (const [index, password] of passwords.entries()) {
      expect(password.length).toBeGreaterThanOrEqual(32);
      expect(JSON.stringify(made[index]?.patches)).not.toContain(password);
    }
  });

  it("is refused for a mode that there is not", async () => {
    await expect(cniManifest(plan({ mode: "awsvpc" }), supplies)).rejects.toMatchObject({
      code: "CNI_MODE_NOT_INSTALLABLE",
      hint: "modes: sleeve, fastdp",
    });
  });

  it.each([
    [{ name: "calico", mode: "vxlan" }, ["vxlan"]],
    [{ name: "calico", mode: "direct" }, []],
    [{ name: "calico", mode: "ipip" }, ["ipip"]],
    [{ name: "flannel", mode: "wireguard" }, ["wireguard"]],
    [{ mode: "sleeve", options: { encrypted: true } }, []],
    [{ mode: "fastdp" }, ["openvswitch", "vxlan"]],
    [{ mode: "fastdp", options: { encrypted: true } }, ["openvswitch", "vxlan", "esp"]],
  ])("of %j needs of the kernel %j", (cni, features) => {
    expect(cniKernelFeatures(plan(cni))).toEqual(features);
  });

  it("names the plugins that a node lacks", async () => {
    const listed: Record<string, string[]> = { one: ["bridge", "host-local", "portmap"], two: ["host-local"] };
    const flannel = plan({ name: "flannel", mode: "vxlan" });
    const list = (node: string): Promise<string[]> => Promise.resolve(listed[node] ?? []);
    expect(await missingPlugins(flannel, list)).toEqual(new Map([["two", ["bridge", "portmap"]]]));
    // Calico brings all that it calls: its nodes need not even be asked.
    const calico = plan({ name: "calico", mode: "vxlan" });
    expect(await missingPlugins(calico, () => Promise.reject(new Error("asked")))).toEqual(new Map());
  });
});
