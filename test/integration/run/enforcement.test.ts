import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { JudgedCell } from "../../../src/grade/types.ts";
import type { KubeObject } from "../../../src/kube/types.ts";
import type { PlacedLab } from "../../../src/run/bring-up.ts";
import { attachLab } from "../../../src/run/attach-lab.ts";
import type { RunContext } from "../../../src/run/context.ts";
import { probeAndJudge } from "../../../src/run/probing.ts";
import { watchEnforcement } from "../../../src/run/watch-enforcement.ts";
import { watchLab, type WatchKey } from "../../../src/run/watch-lab.ts";
import { Cnilab } from "../../e2e/cnilab.ts";

const cnilab = new Cnilab();
const warnings: string[] = [];
const context: RunContext = {
  env: process.env,
  stateRoot: join(cnilab.stateHome, "cnilab"),
  signal: new AbortController().signal,
  emit: (event) => {
    if (event.type === "warning") warnings.push(event.warning.code);
  },
  now: () => new Date(),
  monotonicMs: () => performance.now(),
};
const WITHIN_MS = 500;
let lab: PlacedLab;

function pod(name: string, nodeName: string): KubeObject {
  const args = ["netexec", "--http-port=8080", "--udp-port=-1"];
  const image = "registry.k8s.io/e2e-test-images/agnhost:2.53";
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", labels: { app: name } },
    spec: { nodeName, containers: [{ name: "c", image, args, ports: [{ containerPort: 8080 }] }] },
  };
}

/** Nobody reaches `far`, on worker2, or whoever has this label. */
const policy = (app = "far"): KubeObject => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: "closed", namespace: "default" },
  spec: { podSelector: { matchLabels: { app } }, policyTypes: ["Ingress"] },
});
const closed = { kind: "NetworkPolicy", namespace: "default", name: "closed" };

beforeAll(async () => {
  const folder = join(cnilab.stateHome, "enforcement");
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, "all.yaml"),
    JSON.stringify({ apiVersion: "v1", kind: "List", items: [pod("near", "worker1"), pod("far", "worker2")] }),
  );
  const wait = (name: string) => ({
    wait: { for: `pod/${name}`, namespace: "default", condition: "ready", timeout: "30s" },
  });
  writeFileSync(
    join(folder, "lab.yaml"),
    JSON.stringify({
      apiVersion: "cnilab.dev/v1alpha1",
      kind: "Lab",
      metadata: { name: "enforcement", title: "Enforcement" },
      topology: "two-workers",
      cni: "calico",
      scenario: [{ apply: "all.yaml" }, wait("near"), wait("far")],
      probes: [
        {
          name: "delay",
          matrix: { pods: "default/*", ports: ["8080/tcp", "9090/tcp"] },
          expect: { enforcedWithin: `${WITHIN_MS}ms` },
        },
      ],
    }),
  );
  const up = await cnilab.run("up", folder);
  expect(up.exitCode, up.stderr).toBe(0);
  const { record, cluster } = await attachLab("enforcement", context);
  lab = { record, cluster, plan: record.plan };
});

beforeEach(async () => {
  await lab.cluster.delete([closed]);
  await lab.cluster.settle({ timeoutMs: 10_000 });
  delete lab.record.enforcement;
  warnings.length = 0;
});

afterAll(async () => {
  await lab.cluster.close();
  await cnilab.remove();
});

async function judged(): Promise<JudgedCell> {
  const { plan, cluster, record } = lab;
  const request = { plan, cluster, probes: plan.probes, tasks: [], controls: [], enforcement: record.enforcement };
  const { grade } = await probeAndJudge({ ...request, phase: "probe" }, context);
  const cells = grade.probes.flatMap((probe) => probe.cells);
  expect(cells).toHaveLength(1);
  return cells[0] as JudgedCell;
}

const apply = (object = policy()) =>
  watchEnforcement(lab, { apply: [object], delete: [] }, context, () => lab.cluster.apply([object]));

test("what is closed, and opened again, is in force at once, and nobody else's port is watched", async () => {
  await apply();
  expect(lab.record.enforcement?.flows.map(({ flow, figures }) => [flow, figures.change])).toEqual([
    ["default/near → default/far:8080/tcp", "closed"],
  ]);
  expect(await judged()).toMatchObject({ verdict: "pass", observation: { outcome: "dropped", tries: 1 } });
  await watchEnforcement(lab, { apply: [], delete: [closed] }, context, () => lab.cluster.delete([closed]));
  const [opened, ...others] = lab.record.enforcement?.flows ?? [];
  expect(others).toEqual([]);
  expect(opened?.figures).toMatchObject({ change: "opened", flaps: 0 });
  expect(await judged()).toMatchObject({ verdict: "pass", observation: { outcome: "allowed" } });
  expect(warnings).toEqual([]);
});

test("apply keeps in the record what grade judges", async () => {
  const file = join(cnilab.stateHome, "closed.yaml");
  writeFileSync(file, JSON.stringify(policy()));
  const applied = await cnilab.run("apply", "enforcement", "-f", file);
  expect(applied.exitCode, applied.stderr).toBe(0);
  const graded = await cnilab.run("grade", "enforcement", "-o", "json");
  expect(graded.exitCode, graded.stderr).toBe(0);
  expect(graded.stdout).toContain("slowest of 1 flow: default/near → default/far:8080/tcp in force after");
  // By another hand: what is in the record no longer holds.
  await lab.cluster.delete([closed]);
  const later = await cnilab.run("grade", "enforcement", "-o", "json");
  expect([later.exitCode, later.stdout]).toEqual([3, expect.stringContaining("by a hand that did not watch")]);
});

/** Follows a file with the policy until it is applied and probed, then grades; `ENFORCEMENT_LATE` where the watch warned of it. */
async function watchFile(): Promise<{ verdict: string; warned: string[]; applied: string[] }> {
  const file = join(cnilab.stateHome, "watched.yaml");
  writeFileSync(file, JSON.stringify(policy()));
  const warned: string[] = [];
  const applied: string[] = [];
  let press: (key: WatchKey) => void = () => undefined;
  const verdict = await watchLab(
    { lab: "enforcement", files: [file], isUntilPass: false },
    {
      begin: () => undefined,
      onKey: (listen) => {
        press = listen;
      },
      tell: (event) => {
        if (event.type === "warning") warned.push(event.warning.code);
        if (event.type === "applied") applied.push(...event.changes);
        if (event.type === "regrade") press("end");
      },
    },
    context,
  );
  return { verdict, warned, applied };
}

test("a change of a file that a watch follows is measured, and one by another hand makes that inconclusive", async () => {
  expect(await watchFile()).toEqual({
    verdict: "pass",
    warned: [],
    applied: ["NetworkPolicy default/closed created"],
  });
  await lab.cluster.delete([closed]);
  const later = await cnilab.run("grade", "enforcement", "-o", "json");
  expect([later.exitCode, later.stdout]).toEqual([3, expect.stringContaining("by a hand that did not watch")]);
});

test("a watch tells of an agent that is late, and so does its grade", async () => {
  const fault = { kind: "policyAgentStopped", node: "worker2" } as const;
  const { signal } = context;
  const point = (await lab.cluster.changes?.(undefined, { isPatient: false, signal }))?.point;
  await lab.cluster.fault?.(fault);
  const watching = watchFile();
  // The next change of an object is the policy's.
  await lab.cluster.changes?.(point, { isPatient: true, signal });
  await sleep(WITHIN_MS + 400);
  await lab.cluster.restore?.(fault);
  const { verdict, warned } = await watching;
  expect([verdict, warned]).toEqual(["fail", ["ENFORCEMENT_LATE"]]);
});

test("what a stopped agent lets through until it runs again is late, by its time", async () => {
  const fault = { kind: "policyAgentStopped", node: "worker2" } as const;
  await lab.cluster.fault?.(fault);
  let restored: Promise<void> | undefined;
  await watchEnforcement(lab, { apply: [policy()], delete: [] }, context, async () => {
    await lab.cluster.apply([policy()]);
    restored = sleep(WITHIN_MS + 400).then(() => lab.cluster.restore?.(fault));
  });
  await restored;
  const figures = lab.record.enforcement?.flows[0]?.figures;
  expect(figures?.lateMs).toBeGreaterThan(WITHIN_MS);
  expect(figures?.enforcedMs).toBeGreaterThan(WITHIN_MS + 300);
  expect(warnings).toEqual(["ENFORCEMENT_LATE"]);
  const { verdict, reason } = await judged();
  expect(verdict).toBe("fail");
  expect(reason).toMatch(
    /^expected in force within 500ms, but default\/near → default\/far:8080\/tcp still passed [\d.]+m?s after the change, in force after/,
  );
});

test("a flow that goes back after it was blocked is told, and counts to its last end", async () => {
  let rest: Promise<void> | undefined;
  await watchEnforcement(lab, { apply: [policy()], delete: [] }, context, async () => {
    await lab.cluster.apply([policy()]);
    rest = (async () => {
      // Before the shortest watch ends.
      await sleep(400);
      await lab.cluster.delete([closed]);
      await sleep(400);
      await lab.cluster.apply([policy()]);
    })();
  });
  await rest;
  expect(lab.record.enforcement?.flows[0]?.figures.flaps).toBe(1);
  const { verdict, reason } = await judged();
  expect([verdict, reason]).toEqual(["fail", expect.stringContaining("flows went back 1 time")]);
});

test("a change that nobody watched, or that shows nothing, is inconclusive", async () => {
  expect(await judged()).toMatchObject({ verdict: "inconclusive", reason: expect.stringContaining("no change") });
  await apply();
  await lab.cluster.apply([policy("nobody")]);
  expect(await judged()).toMatchObject({ verdict: "inconclusive", reason: expect.stringContaining("did not watch") });
  const fault = { kind: "policyAgentStopped", node: "worker2" } as const;
  await lab.cluster.fault?.(fault);
  try {
    await lab.cluster.apply([policy()]);
    // By the policies it was blocked, and it was not: nothing can be seen to open.
    await watchEnforcement(lab, { apply: [], delete: [closed] }, context, () => lab.cluster.delete([closed]));
    expect(await judged()).toMatchObject({
      verdict: "inconclusive",
      reason: expect.stringContaining("was open before the change already"),
    });
  } finally {
    await lab.cluster.restore?.(fault);
  }
});

test("a change that is refused while its flows are watched rejects, and is not recorded", async () => {
  const refused = { ...policy(), metadata: { name: "closed", namespace: "nowhere" } };
  const objects = [policy(), refused];
  const change = watchEnforcement(lab, { apply: objects, delete: [] }, context, () => lab.cluster.apply(objects));
  await expect(change).rejects.toThrow("nowhere");
  expect(lab.record.enforcement).toBeUndefined();
});
