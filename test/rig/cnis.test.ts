import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cnis } from "../../src/cnis/registry.ts";
import type { Cni, KernelFeature } from "../../src/cnis/types.ts";
import type { Plan } from "../../src/plan/types.ts";
import { NODE_IMAGE } from "../../src/providers/kind/images.ts";
import { kind } from "../../src/providers/kind/provider.ts";
import { openKubernetesApi, type KubernetesApi } from "../../src/providers/real/api/kubernetes-api.ts";
import { cniKernelFeatures, cniManifest } from "../../src/providers/real/install-cni.ts";
import { missingKernelFeatures, type RunOnKernel } from "../../src/providers/kernel-features.ts";
import { openSupplies } from "../../src/supplies/supplies.ts";
import type { Supplies } from "../../src/supplies/types.ts";
import { describeOnRig, rigEnvironment, rigHome, weaveManifests } from "./rig.ts";

const CLUSTER = "cnilab-rig-cnis";
const ALL_FEATURES: KernelFeature[] = ["vxlan", "ipip", "wireguard", "openvswitch", "esp"];

/** Every CNI, mode and choice of encryption. */
const installations = Object.values<Cni>(cnis).flatMap((cni) =>
  cni.modes.flatMap(({ name: mode }) =>
    (cni.name === "weave" ? [{}, { encrypted: true }] : [{}]).map((options) => ({ cni, mode, options })),
  ),
);

function planOf({ cni, mode, options }: (typeof installations)[number]): Plan {
  return {
    apiVersion: "cnilab.dev/v1alpha1",
    lab: { name: "cnis", title: "CNIs", file: "lab.yaml", directory: "." },
    provider: "kind",
    topology: { name: "none", networks: [], nodes: [] },
    cni: {
      name: cni.name,
      mode,
      podCidrs: ["10.77.0.0/16"],
      mtu: 1400,
      enforcesPolicy: cni.enforcesPolicy,
      options,
    },
    cluster: { serviceCidrs: ["10.96.0.0/16"], dnsAddress: "10.96.0.10", dnsDomain: "cluster.local" },
    scenario: [],
    probes: [],
    tasks: [],
  };
}

/** Where the rig has upstream files: found by digest, whatever they are called there. Weave's are in its source tree. */
function suppliesFor(cni: string, cacheDirectory: string): Supplies {
  const folder = cni === "weave" ? weaveManifests : join(rigHome, "manifests");
  return openSupplies({
    cacheDirectory,
    docker: () => Promise.reject(new Error("no image is needed")),
    isOffline: true,
    localFiles: folder,
  });
}

describeOnRig("the manifests of CNIs on a real API server", () => {
  let directory: string;
  let api: KubernetesApi;
  const undo: (() => unknown)[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "cnilab-rig-cnis-"));
    undo.push(() => rm(directory, { recursive: true }));
    const kubeconfig = join(directory, "kubeconfig");
    const config = join(directory, "kind.yaml");
    const cluster = {
      kind: "Cluster",
      apiVersion: "kind.x-k8s.io/v1alpha4",
      networking: { disableDefaultCNI: true },
      nodes: [{ role: "control-plane", image: NODE_IMAGE }],
    };
    await writeFile(config, JSON.stringify(cluster));
    const byName = ["--name", CLUSTER, "--kubeconfig", kubeconfig];
    undo.push(() => execa("kind", ["delete", "cluster", ...byName], { env: rigEnvironment }));
    await execa("kind", ["create", "cluster", "--config", config, ...byName], { env: rigEnvironment });
    api = await openKubernetesApi(await readFile(kubeconfig, "utf8"));
    undo.push(() => api.close());
  });

  afterAll(async () => {
    for (const step of undo.toReversed()) await step();
  });

  test.for(installations)(
    "$cni.name in mode $mode with options $options passes a strict dry run with its patches",
    async (installation, context) => {
      const { name } = installation.cni;
      if (name === "weave" && !existsSync(weaveManifests)) context.skip("needs Docker and the rig: it has no Weave");
      const supplies = suppliesFor(name, directory);
      const plan = planOf(installation);
      const manifest = await cniManifest(plan, supplies);
      const results = await api.apply(manifest.objects, { dryRun: true });
      expect(results.flatMap(({ warnings }) => warnings)).toEqual([]);
      expect(results.map(({ action }) => action)).toEqual(manifest.objects.map(() => "created"));
    },
  );

  test("a misspelt field of such a manifest would not pass", async () => {
    const flannel = { cni: cnis.flannel, mode: "vxlan", options: {} };
    const { objects } = await cniManifest(planOf(flannel), suppliesFor("flannel", directory));
    const broken = objects.map((object) => (object.kind === "DaemonSet" ? { ...object, spek: {} } : object));
    await expect(api.apply(broken, { dryRun: true })).rejects.toMatchObject({
      code: "APPLY_REJECTED",
      message: expect.stringContaining("spek") as unknown,
    });
  });

  test("the kernel is the same, seen from the host and from a node", async () => {
    const inNode: RunOnKernel = async (argv) => {
      const { exitCode, stderr } = await execa("docker", ["exec", `${CLUSTER}-control-plane`, ...argv], {
        reject: false,
      });
      return { exitCode, stderr };
    };
    const missing = await missingKernelFeatures(ALL_FEATURES);
    expect(await missingKernelFeatures(ALL_FEATURES, inNode)).toEqual(missing);
  });

  test("a mode that the kernel cannot carry is refused at preflight, the missing feature named", async () => {
    const missing = await missingKernelFeatures(ALL_FEATURES);
    await Promise.all(
      installations.map(async (installation) => {
        const plan = planOf(installation);
        const refused = (await kind.preflight(plan)).filter(({ code }) => code === "HOST_KERNEL_FEATURE");
        const lacking = cniKernelFeatures(plan).filter((feature) => missing.includes(feature));
        expect(refused.map(({ ok, message }) => `${ok} ${message}`)).toEqual(
          lacking.map(
            (feature) => `false this kernel has no ${feature}, which ${plan.cni.name} in mode ${plan.cni.mode} needs`,
          ),
        );
      }),
    );
  });
});
