import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cnis } from "../../../src/cnis/registry.ts";
import type { Cni } from "../../../src/cnis/types.ts";
import { loadLab } from "../../../src/lab/load.ts";
import type { Lab } from "../../../src/lab/types.ts";
import { refusals } from "../../../src/plan/refusals.ts";
import { faultKey, isNodeFault, type Fault } from "../../../src/providers/fault.ts";
import { providers } from "../../../src/providers/registry.ts";
import type { Provider } from "../../../src/providers/types.ts";
import { registries } from "../../../src/run/registries.ts";

const steps: Record<string, string> = {
  linkDown: "{ linkDown: node/worker1 }",
  nodeDown: "{ nodeDown: node/worker1 }",
  partition: "{ partition: [[node/worker1], [node/worker2]] }",
  podKill: "{ podKill: shop/pod/web }",
  rolloutRestart: "{ rolloutRestart: shop/deployment/api }",
  mtu: "{ mtu: node/worker1, bytes: 1300 }",
  loss: "{ loss: node/worker1, percent: 5 }",
  rateLimit: "{ rateLimit: node/worker1, rate: 1 Mbit/s }",
  delay: "{ delay: node/worker1, time: 5ms }",
  kubeProxyStopped: "{ kubeProxyStopped: node/worker1 }",
  policyAgentStopped: "{ policyAgentStopped: node/worker1 }",
  dnsStopped: "{ dnsStopped: true }",
  cniMissing: "{ cniMissing: node/worker1 }",
  duplicateAddress: "{ duplicateAddress: node/worker1 }",
  conntrackFull: "{ conntrackFull: node/worker1 }",
  pause: "{ pause: node/worker1 }",
  killCniAgent: "{ killCniAgent: node/worker1 }",
  restart: "{ restart: node/worker1 }",
};

const POD =
  "apiVersion: v1\nkind: Namespace\nmetadata: { name: shop }\n---\napiVersion: v1\nkind: Pod\nmetadata: { name: web, namespace: shop }\nspec: { containers: [{ name: c, image: nginx }] }\n";
const DEPLOYMENT =
  "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: { name: api, namespace: shop }\nspec: { selector: { matchLabels: { app: api } }, template: { metadata: { labels: { app: api } }, spec: { containers: [{ name: c, image: nginx }] } } }\n";

let folder: string;
let table: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "cnilab-faults-"));
  await writeFile(path.join(folder, "pod.yaml"), `${POD}${DEPLOYMENT}`);
  table = await readFile(new URL("../../../docs/scenarios/fault.md", import.meta.url), "utf8");
});

afterAll(() => rm(folder, { recursive: true }));

async function labWith(step: string): Promise<Lab> {
  const head = "apiVersion: cnilab.dev/v1alpha1\nkind: Lab\nmetadata: { name: shop, title: A shop }\ncni: calico\n";
  await writeFile(path.join(folder, "lab.yaml"), `${head}scenario:\n  - apply: pod.yaml\n  - fault: ${step}\n`);
  return (await loadLab(folder, registries)).lab;
}

describe.each(Object.keys(steps))("%s", (word) => {
  test("goes where its page says, and is refused at its line elsewhere", async () => {
    const lab = await labWith(steps[word] ?? "");
    const row = table.split("\n").find((line) => line.startsWith(`| \`${word}\``)) ?? "";
    const cells = row.split("|").map((cell) => cell.trim());
    for (const [index, kind] of ["netns", "kind", "ssh", "existing"].entries()) {
      const provider = (providers as Record<string, Provider>)[kind];
      if (provider === undefined) throw new Error(`no provider ${kind}`);
      const found = refusals(lab, { provider, cni: cnis.calico as Cni, mode: "vxlan" });
      if (cells[index + 4] !== "") expect(found, `${word} on ${kind}`).toEqual([]);
      else {
        expect(found).toMatchObject([
          { code: "PLAN_PROVIDER_LACKS", message: `provider ${kind} has no fault ${word}`, span: { line: 7 } },
        ]);
      }
    }
  });
});

test("a fault and its restore have one key, and others another", () => {
  const link = { node: "worker1", interface: "eth0" };
  const fault: Fault = { kind: "loss", percent: 3, ...link };
  expect(faultKey({ kind: "loss", ...link })).toBe(faultKey(fault));
  expect(faultKey({ kind: "loss", ...link })).not.toBe(faultKey({ kind: "mtu", ...link }));
  expect(faultKey({ kind: "loss", ...link })).not.toBe(faultKey({ kind: "loss", ...link, interface: "eth1" }));
  expect(faultKey({ kind: "partition", groups: [["a", "b"], ["c"]] })).toBe(
    faultKey({ kind: "partition", groups: [["c"], ["b", "a"]] }),
  );
});

test("real clusters carry faults on nodes alone", () => {
  expect(isNodeFault({ kind: "pause", node: "worker1" })).toBe(true);
  expect(isNodeFault({ kind: "dnsStopped" })).toBe(false);
});
