import { expect, test } from "vitest";
import type { PlannedProbe } from "../../../src/plan/types.ts";
import { setScene } from "../../../src/run/bring-up.ts";
import { PhaseRunner } from "../../../src/run/phases.ts";
import type { RunRecord } from "../../../src/run/record.ts";
import { fakeCluster } from "../../fixtures/fake-cluster.ts";
import { planOf } from "./reference-plan.ts";

function probeOf(name: string, port: number, more: Partial<PlannedProbe> = {}): PlannedProbe {
  return {
    name,
    kind: "tcp",
    from: { kind: "node", name: "worker1" },
    options: { to: { kind: "address", address: "192.168.0.12" }, port },
    expect: "allowed",
    ...more,
  };
}

/** The ports that were probed untouched, and the probes of the baseline, where this is known from elsewhere. */
async function baselineBeside(known: RunRecord["baseline"]) {
  const probes = [probeOf("at once", 80), probeOf("in time", 81, { withinMs: 1000 })];
  const task = { name: "task-1", text: "mend it", probes: probes.map(({ name }) => name), solution: [] };
  const cluster = fakeCluster({
    objects: [{ apiVersion: "v1", kind: "Node", metadata: { name: "worker1" } }],
    sweep: () => ({ outcome: "answered", detail: "it was", latencyMs: 1 }),
    exec: () => ({ exitCode: 1 }),
  });
  const plan = { ...planOf([]), probes, tasks: [task] };
  const record = { controls: [] } as unknown as RunRecord;
  const context = {
    env: {},
    stateRoot: "/nowhere",
    signal: new AbortController().signal,
    emit: () => undefined,
    now: () => new Date(0),
    monotonicMs: () => 0,
  };
  await setScene({ plan, cluster, record }, { needsBaseline: false, known }, new PhaseRunner(context));
  const ports = cluster.sweeps.flat().map(({ port }) => port);
  return { ports, baseline: record.baseline?.map(({ probe, passed }) => [probe, passed]) };
}

test("the untouched lab is probed whole, those with a time, too", async () => {
  const { ports, baseline } = await baselineBeside(undefined);
  expect(ports).toEqual([80, 81]);
  expect(baseline).toEqual([
    ["at once", true],
    ["in time", true],
  ]);
});

test("what those with a time gave elsewhere is taken over, and nothing else", async () => {
  const { ports, baseline } = await baselineBeside([
    { probe: "at once", cell: "a cell", passed: false },
    { probe: "in time", cell: "a cell", passed: false },
  ]);
  expect(ports).toEqual([80]);
  expect(baseline).toEqual([
    ["at once", true],
    ["in time", false],
  ]);
});
