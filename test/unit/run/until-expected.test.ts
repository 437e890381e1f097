import { describe, expect, test } from "vitest";
import type { PlannedProbe } from "../../../src/plan/types.ts";
import type { SweepCellResult } from "../../../src/providers/types.ts";
import { probeAndJudge } from "../../../src/run/probing.ts";
import { isRepeated, isTimed } from "../../../src/run/timed-probes.ts";
import { fakeCluster } from "../../fixtures/fake-cluster.ts";
import { planOf } from "./reference-plan.ts";

/** How long one try takes by the clock of the test. */
const TRY_MS = 400;

const inTime: PlannedProbe = {
  name: "in time",
  kind: "tcp",
  from: { kind: "node", name: "worker1" },
  options: { to: { kind: "address", address: "192.168.0.12" }, port: 80 },
  expect: "allowed",
  withinMs: 1000,
};

/** A destination that answers as `answers` says of the number of the try; `begins` are the times of the host's clock. */
function lab(probe: PlannedProbe, answers: (tries: number) => SweepCellResult["outcome"]) {
  const begins: number[] = [];
  const abort = new AbortController();
  let nowMs = 0;
  const cluster = fakeCluster({
    objects: [{ apiVersion: "v1", kind: "Node", metadata: { name: "worker1" } }],
    sweep: () => {
      begins.push(performance.now());
      nowMs += TRY_MS;
      return { outcome: answers(begins.length), detail: "it was", latencyMs: 1 };
    },
    exec: () => ({ exitCode: 1 }),
  });
  const plan = { ...planOf([]), probes: [probe] };
  const context = {
    env: {},
    stateRoot: "/nowhere",
    signal: abort.signal,
    emit: () => undefined,
    now: () => new Date(0),
    monotonicMs: () => nowMs,
  };
  const grade = async () => {
    const request = { plan, cluster, probes: plan.probes, tasks: [], controls: [], phase: "probe" as const };
    const [judged] = (await probeAndJudge(request, context)).grade.probes;
    return judged;
  };
  return { grade, begins, abort };
}

describe("a probe with a time, without any fault", () => {
  test("is tried until it is as expected, and each try counts", async () => {
    const { grade } = lab(inTime, (tries) => (tries < 2 ? "no-answer" : "answered"));
    const judged = await grade();
    expect(judged).toMatchObject({ verdict: "pass", recovery: { withinMs: 1000, tookMs: 2 * TRY_MS } });
    expect(judged?.recovery?.tries.map(({ verdict }) => verdict)).toEqual(["fail", "pass"]);
    expect(judged).not.toHaveProperty("phase");
  });

  test("is tried once a second at most", async () => {
    const { grade, begins } = lab(inTime, (tries) => (tries < 2 ? "no-answer" : "answered"));
    await grade();
    // A try takes none of the host's time here, and 400 ms of the test's clock.
    expect((begins[1] ?? 0) - (begins[0] ?? 0)).toBeGreaterThan(1000 - TRY_MS - 10);
  });

  test("fails where it is as expected too late, and says how late", async () => {
    const judged = await lab(inTime, (tries) => (tries < 3 ? "no-answer" : "answered")).grade();
    expect(judged?.verdict).toBe("fail");
    expect(judged?.cells[0]?.reason).toBe("as expected only 1.2s after it was first tried, not within 1s");
  });

  test("ends when its time is over, and at an interrupt", async () => {
    const never = await lab(inTime, () => "no-answer").grade();
    expect(never?.verdict).toBe("fail");
    expect(never?.recovery?.tries).toHaveLength(3);
    expect(never?.recovery).not.toHaveProperty("tookMs");
    const interrupted = lab(inTime, () => {
      interrupted.abort.abort(new Error("interrupted"));
      return "no-answer";
    });
    await expect(interrupted.grade()).rejects.toThrow("interrupted");
  });

  test("is no probe of a fault's time", () => {
    expect([isTimed(inTime), isRepeated(inTime)]).toEqual([false, true]);
  });
});
