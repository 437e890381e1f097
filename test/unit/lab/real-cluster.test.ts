import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LabProblems } from "../../../src/core/errors.ts";
import { loadLab } from "../../../src/lab/load.ts";
import type { Lab } from "../../../src/lab/types.ts";
import { featuresNeeded } from "../../../src/plan/needs.ts";
import { fixtureRegistries } from "./fixture-registries.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "cnilab-real-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function lab(cluster: string): Promise<Lab> {
  const head = "apiVersion: cnilab.dev/v1alpha1\nkind: Lab\nmetadata: { name: shop, title: A shop }\ncni: calico\n";
  await writeFile(path.join(folder, "lab.yaml"), `${head}${cluster}`);
  return (await loadLab(folder, fixtureRegistries)).lab;
}

async function problems(cluster: string): Promise<string[]> {
  try {
    await lab(cluster);
    return [];
  } catch (error) {
    if (!(error instanceof LabProblems)) throw error;
    return error.problems.map(({ code, message, span }) => `${span?.line} ${code} ${message}`);
  }
}

test("a lab that says nothing of real clusters has nothing of them", async () => {
  expect((await lab("cluster: { dnsDomain: lab.test }\n")).realCluster).toBeUndefined();
});

test("what a lab says has its defaults filled in, and add-ons are a feature that it needs", async () => {
  const { realCluster, ...rest } = await lab(
    "cluster:\n  addOns: [metallb, traefik]\n  kubeadmPatches: ['kind: KubeletConfiguration']\n" +
      "  portMappings: [{ node: worker1, containerPort: 30443, hostPort: 8443 }]\n",
  );
  expect(realCluster).toEqual({
    kubeProxyMode: "nftables",
    addOns: ["metallb", "traefik"],
    kubeadmPatches: ["kind: KubeletConfiguration"],
    portMappings: [{ node: "worker1", containerPort: 30443, hostPort: 8443, protocol: "tcp" }],
  });
  expect(featuresNeeded({ ...rest, ...(realCluster && { realCluster }) }).get("add-ons")).toBe(
    "it asks for metallb, traefik",
  );
  const mode = featuresNeeded(await lab("cluster: { kubeProxyMode: nftables }\n"));
  expect([mode.has("add-ons"), mode.get("cluster-settings")]).toEqual([false, "it sets cluster.kubeProxyMode"]);
  expect(featuresNeeded({ ...rest, ...(realCluster && { realCluster }) }).get("cluster-settings")).toBe(
    "it sets cluster.kubeadmPatches, cluster.portMappings",
  );
  expect(featuresNeeded(await lab("cluster: { addOns: [metallb] }\n")).has("cluster-settings")).toBe(false);
});

test.each([
  ["addOns: [metallb, metallb]", "metallb is listed twice"],
  ["addOns: [gateway-api]", "gateway-api needs the add-on traefik"],
  ["kubeadmPatches: ['kind: KubeletConfig']", "a kubeadm patch needs a kind of kubeadm's configuration"],
  ["kubeadmPatches: ['{']", "a kubeadm patch is no YAML"],
  ['kubeadmPatches: ["kind: KubeletConfiguration\\n---\\nkind: JoinConfiguration"]', "a kubeadm patch is one document"],
  ["portMappings: [{ node: wroker1, containerPort: 1, hostPort: 1 }]", 'unknown node "wroker1"'],
  ["portMappings: [{ node: worker1, containerPort: 1, hostPort: 1, listenAddress: here }]", '"here" is no IP address'],
  [
    "portMappings: [{ node: worker1, containerPort: 1, hostPort: 1 }, { node: worker1, containerPort: 2, hostPort: 1 }]",
    "host port 1/tcp is mapped twice",
  ],
])("%s is told at its line", async (text, message) => {
  const found = await problems(`cluster:\n  ${text}\n`);
  expect(found).toHaveLength(1);
  expect(found[0]).toContain(message);
  expect(found[0]).toMatch(/^6 LAB_/);
});
