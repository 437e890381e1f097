import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LabProblems } from "../../../src/core/errors.ts";
import { loadLab, type LoadedLab } from "../../../src/lab/load.ts";
import { fixtureRegistries } from "./fixture-registries.ts";

const HEAD = "apiVersion: cnilab.dev/v1alpha1\nkind: Lab\nmetadata: { name: shop, title: A shop }\n";
const SHOP = `apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: nginx }] }
---
apiVersion: v1
kind: Service
metadata: { name: db, namespace: shop }
spec: { selector: { app: db }, ports: [{ port: 5432 }] }
`;
const POLICY =
  "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: deny, namespace: shop }\nspec: { podSelector: {} }\n";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "cnilab-load-"));
  await mkdir(path.join(folder, "manifests"));
  await writeFile(path.join(folder, "manifests/shop.yaml"), SHOP);
  await writeFile(path.join(folder, "policy.yaml"), POLICY);
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function load(text: string): Promise<LoadedLab> {
  await writeFile(path.join(folder, "lab.yaml"), HEAD + text);
  return loadLab(folder, fixtureRegistries);
}

async function codesOf(text: string): Promise<string[]> {
  try {
    await load(text);
    return [];
  } catch (error) {
    if (!(error instanceof LabProblems)) throw error;
    return error.problems.map(({ code }) => code);
  }
}

test("a short lab gets every default", async () => {
  const { lab, warnings } = await load("cni: calico\n");
  expect(warnings).toEqual([]);
  expect(lab).toMatchObject({
    name: "shop",
    topology: { name: "two-workers" },
    cni: { name: "calico", options: {} },
    cluster: { serviceCidrs: ["10.96.0.0/12"], dnsAddress: "10.96.0.10", dnsDomain: "cluster.local" },
    scenario: [],
    probes: [],
    tasks: [],
  });
  expect([lab.cni.mode, lab.cnis, lab.providers]).toEqual([undefined, undefined, undefined]);
});

test("steps hold their options and the objects of their manifests with file and line", async () => {
  const { lab } = await load(
    "cni: calico\nscenario:\n  - apply: manifests/shop.yaml\n  - wait: { for: deployment/web, namespace: shop, timeout: 5s }\n",
  );
  expect(lab.scenario.map(({ kind, options }) => [kind, options])).toEqual([
    ["apply", "manifests/shop.yaml"],
    ["wait", { for: "deployment/web", namespace: "shop", timeout: 5000 }],
  ]);
  expect(
    lab.scenario[0]?.objects.map(({ object, file, line }) => [object.kind, path.relative(folder, file), line]),
  ).toEqual([
    ["Namespace", "manifests/shop.yaml", 1],
    ["Deployment", "manifests/shop.yaml", 5],
    ["Service", "manifests/shop.yaml", 14],
  ]);
});

test("from may stand beside a probe's kind or inside its options, and means the same", async () => {
  const { lab } = await load(`cni: calico
scenario: [{ apply: manifests/shop.yaml }]
probes:
  - { from: shop/deployment/web, tcp: { to: shop/service/db, port: 1 }, expect: allowed }
  - { tcp: { to: shop/service/db, port: 1, from: shop/deployment/web }, expect: allowed }
`);
  const [beside, inside] = lab.probes;
  expect(beside?.from).toEqual({ kind: "workload", workload: "deployment", namespace: "shop", name: "web" });
  expect([inside?.from, inside?.options]).toEqual([beside?.from, beside?.options]);
});

test("a bad from inside the options is shown there", async () => {
  await writeFile(
    path.join(folder, "lab.yaml"),
    `${HEAD}cni: calico\nprobes:\n  - { tcp: { to: external, port: 1, from: a/b/c/d }, expect: allowed }\n`,
  );
  await expect(loadLab(folder, fixtureRegistries)).rejects.toMatchObject({
    problems: [{ code: "LAB_BAD_REF", span: { line: 6, column: 43 } }],
  });
});

test("a kind that starts nowhere keeps a from of its own", async () => {
  const { lab } = await load(
    "cni: calico\nprobes:\n  - { matrix: { pods: shop/*, from: other/*, ports: [80/tcp] }, expect: policy }\n",
  );
  expect(lab.probes[0]).toMatchObject({ kind: "matrix", options: { from: { namespace: "other", name: "*" } } });
  expect(lab.probes[0]?.from).toBeUndefined();
});

test("a probe without a name gets one that depends on nothing but itself and its equals before it", async () => {
  const probe = "  - { from: external, ping: { to: node/worker1 }, expect: { loss: '0 %' } }\n".replace(
    "'0 %'",
    '"== 0 %"',
  );
  const { lab } = await load(
    `cni: calico\nprobes:\n${probe}${probe}  - { name: mine, from: external, ping: { to: node/worker1, count: 1 }, expect: allowed }\n`,
  );
  expect(lab.probes.map(({ name }) => name)).toEqual([
    "ping node/worker1 from external",
    "ping node/worker1 from external (2)",
    "mine",
  ]);
  expect(lab.probes[0]?.expect).toEqual({ loss: { operator: "==", value: 0, text: "== 0 %" } });
});

test("pods of a workload, and objects that every cluster or only a solution has, may be named", async () => {
  expect(
    await codesOf(`cni: calico
scenario: [{ apply: manifests/shop.yaml }]
probes:
  - { name: a, from: shop/web-5d4f-x, tcp: { to: default/service/kubernetes, port: 443 }, expect: allowed }
  - { name: b, from: node/control-plane, tcp: { to: kube-system/service/kube-dns, port: 53 }, expect: allowed }
  - { name: c, from: external, tcp: { to: nowhere.example, port: 1 }, expect: rejected }
`),
  ).toEqual([]);
});

test("with a manifest that cannot be read, no reference is called missing", async () => {
  await writeFile(path.join(folder, "manifests/shop.yaml"), "a: [\n");
  expect(
    await codesOf(
      "cni: calico\nscenario: [{ apply: manifests/shop.yaml }]\nprobes: [{ from: shop/deployment/web, ping: { to: external }, expect: allowed }]\n",
    ),
  ).toEqual(["YAML_SYNTAX"]);
});

test("problems of lab and manifests come together, the lab's first", async () => {
  await writeFile(path.join(folder, "policy.yaml"), POLICY.replace("podSelector", "podSelectr"));
  expect(
    await codesOf(
      "cni: calcio\nscenario: [{ apply: manifests/shop.yaml }, { apply: policy.yaml }]\nprobes: [{ tpc: {}, expect: allowed }]\n",
    ),
  ).toEqual(["LAB_UNKNOWN_CNI", "LAB_UNKNOWN_PROBE", "MANIFEST_UNKNOWN_FIELD"]);
});

test("tasks have the names that they say, or those of their places, and say whether they are a bonus", async () => {
  const task = "text: t, probes: [p], solution: manifests/shop.yaml";
  const { lab } = await load(
    `cni: calico\nscenario: [{ apply: manifests/shop.yaml }]\nprobes: [{ name: p, from: external, ping: { to: external }, expect: allowed }]\ntasks: [{ ${task} }, { name: second, bonus: true, ${task} }, { bonus: false, ${task} }]\n`,
  );
  expect(lab.tasks.map(({ name, isBonus }) => [name, isBonus])).toEqual([
    ["task-1", undefined],
    ["second", true],
    ["task-3", undefined],
  ]);
});

test("a hint that is a text costs nothing", async () => {
  const { lab } = await load(
    "cni: calico\nscenario: [{ apply: manifests/shop.yaml }]\nprobes: [{ name: p, from: external, ping: { to: external }, expect: allowed }]\ntasks: [{ text: t, probes: [p], solution: manifests/shop.yaml, hints: [' one ', { text: two, cost: 0.5 }, { text: three }] }]\n",
  );
  expect(lab.tasks[0]?.hints).toEqual([
    { text: "one", cost: 0 },
    { text: "two", cost: 0.5 },
    { text: "three", cost: 0 },
  ]);
});

test.each([
  ["a policy in the scenario", "scenario: [{ apply: manifests/shop.yaml }, { apply: policy.yaml }]\n"],
  [
    "a policy in a solution",
    "scenario: [{ apply: manifests/shop.yaml }]\nprobes: [{ name: p, from: external, ping: { to: external }, expect: allowed }]\ntasks: [{ text: t, probes: [p], solution: policy.yaml }]\n",
  ],
  ["an expectation by policy", "probes: [{ matrix: { pods: a/*, ports: [1] }, expect: policy }]\n"],
])("%s on a CNI that enforces none is a warning with the remedy, and none on one that does", async (_name, text) => {
  const { warnings } = await load(`cni: flannel\n${text}`);
  expect(warnings.map(({ code, hint, span }) => [code, hint, span?.line])).toEqual([
    ["LAB_POLICY_NOT_ENFORCED", "CNIs that enforce it: calico", 4],
  ]);
  expect((await load(`cni: calico\n${text}`)).warnings).toEqual([]);
});

test("the same object in two steps is an update, not a duplicate", async () => {
  await writeFile(path.join(folder, "policy2.yaml"), POLICY.replace("{}", "{ matchLabels: { app: web } }"));
  expect(
    await codesOf(
      "cni: calico\nscenario: [{ apply: manifests/shop.yaml }, { apply: policy.yaml }, { apply: policy2.yaml }]\n",
    ),
  ).toEqual([]);
});
