import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { AttachedLab } from "../../../src/run/attach-lab.ts";
import type { RunContext } from "../../../src/run/context.ts";
import { PhaseRunner } from "../../../src/run/phases.ts";
import { readRecord, type RunRecord } from "../../../src/run/record.ts";
import { resetInPlace } from "../../../src/run/reset-lab.ts";
import { makeLabDirectory } from "../../../src/run/state-directory.ts";
import { fakeCluster } from "../../fixtures/fake-cluster.ts";
import { planOf, step, task } from "./reference-plan.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "cnilab-reset-"));
  makeLabDirectory(root, "lab");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function phases(): PhaseRunner {
  const context: RunContext = {
    env: {},
    stateRoot: root,
    signal: new AbortController().signal,
    emit: () => undefined,
    now: () => new Date("2026-03-03T00:00:00Z"),
    monotonicMs: () => 0,
  };
  return new PhaseRunner(context);
}

function labWith(reset: (() => Promise<{ changes: string[]; durationMs: number }>) | undefined) {
  const cluster = fakeCluster();
  if (reset !== undefined) cluster.reset = reset;
  const at = "2026-01-01T00:00:00.000Z";
  const plan = planOf(
    [step("scale", [], { ref: { kind: "Deployment", namespace: "shop", name: "web" }, replicas: 2 })],
    [task([])],
  );
  const record: RunRecord = {
    schemaVersion: 1,
    lab: "lab",
    provider: "netns",
    handle: {},
    state: "up",
    plan,
    createdAt: at,
    updatedAt: at,
    controls: [{ destination: "shop/db", from: "shop/web", isLoopback: false, at }],
    baseline: [{ probe: "p", cell: "c", passed: true }],
    hintsTaken: [{ task: "task-1", at }],
    lastGrade: {
      at,
      grade: {
        verdict: "pass",
        probes: [],
        tasks: [],
        earned: 0,
        possible: 0,
        counts: { pass: 0, fail: 0, inconclusive: 0 },
      },
    },
  };
  return { record, cluster } satisfies AttachedLab;
}

function recorded(): RunRecord {
  const finding = readRecord(root, "lab");
  if (finding.kind !== "found") throw new Error(`the record is ${finding.kind}`);
  return finding.record;
}

describe("a reset by the cluster itself", () => {
  test("is followed by the scenario, and a record of the untouched lab", async () => {
    const lab = labWith(async () => ({ changes: ["namespace shop"], durationMs: 5 }));
    lab.record.plan = { ...lab.record.plan, timeLimit: { limitMs: 60_000, afterLimit: "nothing" } };
    lab.record.timing = { startedAt: "2026-01-01T00:00:00.000Z", latestAt: "2027-01-01T00:00:00.000Z" };
    expect(await resetInPlace(lab, false, phases())).toEqual({ changes: ["namespace shop"], resetMs: 5 });
    expect(lab.cluster.log).toContain("scale shop/Deployment/web 2");
    expect(recorded()).toMatchObject({
      state: "up",
      controls: [],
      baseline: [],
      updatedAt: "2026-03-03T00:00:00.000Z",
      timing: { startedAt: "2026-03-03T00:00:00.000Z", latestAt: "2026-03-03T00:00:00.000Z" },
    });
    expect([recorded().lastGrade, recorded().hintsTaken]).toEqual([undefined, undefined]);
  });

  test("that is bare stops before the scenario", async () => {
    const lab = labWith(async () => ({ changes: [], durationMs: 5 }));
    await resetInPlace(lab, true, phases());
    expect(lab.cluster.log).toEqual([]);
    expect(recorded().baseline).toBeUndefined();
  });

  test("that fails leaves no word of what answered before it", async () => {
    const lab = labWith(() => Promise.reject(new Error("the API server is gone")));
    await expect(resetInPlace(lab, false, phases())).rejects.toThrow("the API server is gone");
    expect(recorded()).toMatchObject({ controls: [] });
    expect(recorded().baseline).toBeUndefined();
  });

  test("is left to others where the cluster has none", async () => {
    expect(await resetInPlace(labWith(undefined), false, phases())).toBeUndefined();
    expect(readRecord(root, "lab").kind).toBe("missing");
  });
});
