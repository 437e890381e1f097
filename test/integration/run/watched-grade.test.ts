import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { seededRandom } from "../../../src/engine/seeded-random.ts";
import type { GradeReport } from "../../../src/grade/types.ts";
import type { KubeObject } from "../../../src/kube/types.ts";
import type { RegradeEvent, WatchEvent } from "../../../src/report/watch-types.ts";
import { attachLab, type AttachedLab } from "../../../src/run/attach-lab.ts";
import type { RunContext } from "../../../src/run/context.ts";
import { probeAndJudge } from "../../../src/run/probing.ts";
import { WatchedGrade } from "../../../src/run/watched-grade.ts";
import { Cnilab } from "../../e2e/cnilab.ts";

const agnhost = "registry.k8s.io/e2e-test-images/agnhost:2.53";
const apps = ["a", "b", "c"];

let cnilab: Cnilab;

beforeEach(() => {
  cnilab = new Cnilab();
});

afterEach(() => cnilab.remove());

function pod(name: string, app: string, isOnHost = false): KubeObject {
  const port = isOnHost ? 9090 : 8080;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", labels: { app, name } },
    spec: {
      ...(isOnHost ? { hostNetwork: true } : {}),
      containers: [
        {
          name: "c",
          image: agnhost,
          args: ["netexec", `--http-port=${port}`, "--udp-port=-1"],
          ports: [{ containerPort: port }],
        },
      ],
    },
  };
}

function writeLab(): string {
  const folder = join(cnilab.stateHome, "random-changes");
  mkdirSync(folder, { recursive: true });
  const pods = [
    ...apps.map((app) => pod(`${app}1`, app)),
    ...apps.map((app) => pod(`${app}2`, app)),
    pod("host", "a", true),
  ];
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "a", namespace: "default" },
    // One pod: where policies treat several otherwise, it is chance which one answers.
    spec: { selector: { name: "a1" }, ports: [{ port: 80, targetPort: 8080 }] },
  };
  writeFileSync(join(folder, "all.yaml"), [...pods, service].map((each) => JSON.stringify(each)).join("\n---\n"));
  const wait = pods.map(({ metadata: { name } }) => ({
    wait: { for: `pod/${name}`, namespace: "default", condition: "ready", timeout: "30s" },
  }));
  writeFileSync(
    join(folder, "lab.yaml"),
    JSON.stringify({
      apiVersion: "cnilab.dev/v1alpha1",
      kind: "Lab",
      metadata: { name: "random-changes", title: "Random changes" },
      topology: "two-workers",
      cni: "calico",
      scenario: [{ apply: "all.yaml" }, ...wait],
      probes: [
        { name: "all", matrix: { pods: "default/*", ports: ["8080/tcp"], nodes: true }, expect: "policy" },
        { name: "service", from: "default/b1", tcp: { to: "default/service/a", port: 80 }, expect: "allowed" },
      ],
    }),
  );
  return folder;
}

function isPodPresent(objects: readonly KubeObject[], name: string): boolean {
  return objects.some(({ kind, metadata }) => kind === "Pod" && metadata.name === name);
}

/** One change at random: policies come, change and go, pods get other labels, and a pod comes and goes. */
async function change({ cluster }: AttachedLab, random: () => number): Promise<string> {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const objects = await cluster.list();
  const names = objects.filter(({ kind }) => kind === "NetworkPolicy").map(({ metadata: { name } }) => name);
  const what = random();
  if (what < 0.2 && names.length > 0) {
    const name = pick(names);
    await cluster.delete([{ kind: "NetworkPolicy", namespace: "default", name }]);
    return `without ${name}`;
  }
  if (what < 0.65) {
    const direction = pick(["Ingress", "Egress"]);
    const peer = { podSelector: { matchLabels: { app: pick(apps) } } };
    const block = { ipBlock: { cidr: "192.168.0.0/16" } };
    const peers = pick([[], [peer], [peer, block]]);
    const rules = peers.length === 0 ? [] : [{ [direction === "Ingress" ? "from" : "to"]: peers }];
    const spec = {
      podSelector: { matchLabels: { app: pick(apps) } },
      policyTypes: [direction],
      [direction.toLowerCase()]: rules,
    };
    const name = `p${Math.floor(random() * 4)}`;
    const metadata = { name, namespace: "default" };
    await cluster.apply([{ apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata, spec }]);
    return JSON.stringify({ name, spec });
  }
  if (what < 0.8) {
    const name = `${pick(apps)}2`;
    const app = pick(apps);
    await cluster.apply([pod(name, app)]);
    return `${name} is ${app}`;
  }
  if (isPodPresent(objects, "extra")) {
    await cluster.delete([{ kind: "Pod", namespace: "default", name: "extra" }]);
    return "without the pod extra";
  }
  await cluster.apply([pod("extra", pick(apps))]);
  return "with the pod extra";
}

/** All of a grade but times and numbers of tries. */
function meaning({ verdict, earned, counts, probes }: GradeReport): unknown {
  const cells = probes.map((probe) => ({
    name: probe.name,
    verdict: probe.verdict,
    cells: [...probe.cells, ...(probe.ungraded ?? [])]
      .map((cell) => ({
        key: cell.key,
        expected: cell.expected,
        ungraded: cell.ungraded,
        outcome: cell.observation?.outcome,
        reason: cell.observation?.reason.replaceAll(/[\d.]+ ms/g, "… ms"),
        verdict: "verdict" in cell ? cell.verdict : undefined,
      }))
      .toSorted((one, other) => (JSON.stringify(one.key) < JSON.stringify(other.key) ? -1 : 1)),
  }));
  return { verdict, earned, counts, cells };
}

test("after each of many random changes what was kept and what was probed again are a full grade", async () => {
  expect((await cnilab.run("up", writeLab())).exitCode).toBe(0);
  const context: RunContext = {
    env: process.env,
    stateRoot: join(cnilab.stateHome, "cnilab"),
    signal: new AbortController().signal,
    emit: () => undefined,
    now: () => new Date(),
    monotonicMs: () => performance.now(),
  };
  const lab = await attachLab("random-changes", context);
  try {
    const told: WatchEvent[] = [];
    const { plan, controls } = lab.record;
    const watched = new WatchedGrade(lab, plan.probes, context, (event) => told.push(event));
    const random = seededRandom(20_261_122);
    const changes: string[] = [];
    let kept = 0;
    await watched.catchUp();
    for (let step = 0; step < 25; step++) {
      changes.push(await change(lab, random));
      told.length = 0;
      await watched.catchUp();
      const last = told.findLast((event): event is RegradeEvent => event.type === "regrade");
      if (last === undefined) continue;
      kept += last.cells - last.probed;
      expect(last.whole, changes.join("\n")).toEqual([]);
      const request = { plan, cluster: lab.cluster, probes: plan.probes, tasks: plan.tasks, controls };
      const { grade } = await probeAndJudge({ ...request, phase: "probe", isVerdictOnly: true }, context);
      expect(meaning(last.grade), changes.join("\n")).toEqual(meaning(grade));
    }
    // Else nothing was shown.
    expect(kept).toBeGreaterThan(500);
  } finally {
    await lab.cluster.close();
  }
});
