import { describe, expect, test } from "vitest";
import type { PlannedProbe } from "../../../src/plan/types.ts";
import type { Fault } from "../../../src/providers/fault.ts";
import type { SweepCellResult } from "../../../src/providers/types.ts";
import { probeAndJudge } from "../../../src/run/probing.ts";
import { isTimed, timedFaults } from "../../../src/run/timed-probes.ts";
import { fakeCluster } from "../../fixtures/fake-cluster.ts";
import { planOf, step } from "./reference-plan.ts";

const cut: Fault = { kind: "linkDown", node: "worker2", interface: "eth0", name: "cut" };

function probeOf(name: string, more: Partial<PlannedProbe>): PlannedProbe {
  return {
    name,
    kind: "tcp",
    from: { kind: "node", name: "worker1" },
    options: { to: { kind: "address", address: "192.168.0.12" }, port: 80 },
    expect: "allowed",
    ...more,
  };
}

/** A lab whose one destination answers as `answers` says, by the number of tries since the restore and whether the fault is there. */
function lab(
  probes: PlannedProbe[],
  answers: (isBroken: boolean, tries: number) => SweepCellResult["outcome"],
  fault: Fault = cut,
) {
  const made: string[] = [];
  let isBroken = false;
  let tries = 0;
  let nowMs = 0;
  const abort = new AbortController();
  const cluster = fakeCluster({
    objects: [
      { apiVersion: "v1", kind: "Node", metadata: { name: "worker1" } },
      { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "web", namespace: "shop" }, spec: {} },
    ],
    sweep: () => {
      nowMs += 400;
      tries++;
      return { outcome: answers(isBroken, tries), detail: "it was", latencyMs: 1 };
    },
    exec: () => ({ exitCode: 1 }),
  });
  cluster.fault = async (fault, options) => {
    isBroken = true;
    made.push(`${fault.kind} for ${fault.durationMs} ms${options?.whileHere === true ? ", while here" : ""}`);
  };
  cluster.restore = async ({ kind }) => {
    isBroken = false;
    tries = 0;
    made.push(`restore ${kind}`);
  };
  const plan = { ...planOf([step("fault", [], fault)]), probes };
  const context = {
    env: {},
    stateRoot: "/nowhere",
    signal: abort.signal,
    emit: () => undefined,
    now: () => new Date(0),
    monotonicMs: () => nowMs,
  };
  const grade = () => probeAndJudge({ plan, cluster, probes, tasks: [], controls: [], phase: "probe" }, context);
  return { made, grade, cluster, abort };
}

const during = probeOf("cut off", { during: "cut", expect: "blocked" });

describe("the time of a fault", () => {
  test("is that of its probes, and the control is the same cell without it", async () => {
    const { grade, made } = lab([during], (isBroken) => (isBroken ? "no-answer" : "answered"));
    const [probe] = (await grade()).grade.probes;
    expect(probe).toMatchObject({ verdict: "pass", phase: { when: "during", fault: "cut" } });
    expect(probe?.cells[0]?.withoutFault?.outcome).toBe("allowed");
    expect(made).toEqual(["linkDown for 300000 ms, while here", "restore linkDown"]);
  });

  test("proves nothing of what was silent before", async () => {
    const [probe] = (await lab([during], () => "no-answer").grade()).grade.probes;
    expect(probe?.verdict).toBe("inconclusive");
    expect(probe?.cells[0]?.reason).toMatch(/answered nobody|without the fault cut/);
  });

  test("ends when its probes are interrupted, or the fault could not be made", async () => {
    const interrupted = lab([during], (isBroken) => {
      if (isBroken) interrupted.abort.abort(new Error("interrupted"));
      return "answered";
    });
    await expect(interrupted.grade()).rejects.toThrow("interrupted");
    expect(interrupted.made.at(-1)).toBe("restore linkDown");
    const refused = lab([during], () => "answered");
    refused.cluster.fault = () => Promise.reject(new Error("no such link"));
    await expect(refused.grade()).rejects.toThrow("no such link");
    expect(refused.made).toEqual(["restore linkDown"]);
  });

  test("that cannot be ended is an error that says so", async () => {
    const { grade, cluster } = lab([during], () => "answered");
    cluster.restore = () => Promise.reject(new Error("the link is gone"));
    await expect(grade()).rejects.toThrow("the fault cut could not be restored: the link is gone");
  });
});

describe("a fault that is a change of objects", () => {
  const restart: Fault = {
    kind: "rolloutRestart",
    target: { kind: "workload", namespace: "shop", workload: "deployment", name: "web" },
    name: "rollout",
  };
  const watcher = probeOf("served all the time", {
    kind: "convergence",
    during: "rollout",
    options: {
      to: { kind: "address", address: "192.168.0.12" },
      port: 80,
      settles: "answered",
      protocol: "tcp",
      for: 1000,
    },
    expect: { outage: { text: "<= 200 ms", op: "<=", value: 200 } },
  });

  test("is watched until it is over, on a cluster that makes no others, and leaves nothing to restore", async () => {
    const { grade, cluster } = lab([watcher], () => "answered", restart);
    delete cluster.fault;
    delete cluster.restore;
    const [probe] = (await grade()).grade.probes;
    expect(probe?.cells[0]?.observation?.measured).toMatchObject({ outageMs: 0 });
    expect(cluster.log).toContain("rollout restart shop/Deployment/web");
    expect(cluster.waits.map(({ condition }) => condition.kind)).toEqual(["rollout"]);
  });

  test("that does not end is an error that says what is missing", async () => {
    const { grade, cluster } = lab([watcher], () => "answered", restart);
    cluster.wait = () => Promise.reject(new Error("0 of 3 pods updated"));
    await expect(grade()).rejects.toThrow("0 of 3 pods updated");
  });
});

describe("during a fault, within a time", () => {
  const inTime = probeOf("elsewhere", { during: "cut", withinMs: 2000 });

  test("a probe is repeated until it passes, counted from the fault, after those that are tried at once", async () => {
    const atOnce = probeOf("at once", { during: "cut" });
    const { grade, made } = lab([inTime, atOnce], (isBroken, tries) =>
      isBroken && tries < 5 ? "no-answer" : "answered",
    );
    const { probes } = (await grade()).grade;
    const [first, second] = ["at once", "elsewhere"].map((name) => probes.find((probe) => probe.name === name));
    expect([first?.verdict, first?.recovery]).toEqual(["fail", undefined]);
    expect(second).toMatchObject({ verdict: "pass", recovery: { withinMs: 2000, tookMs: 2000 } });
    expect(second?.recovery?.tries.map(({ verdict }) => verdict)).toEqual(["fail", "fail", "pass"]);
    expect(made).toEqual(["linkDown for 542000 ms, while here", "restore linkDown"]);
  });

  test("it fails that passes too late, and says since when", async () => {
    const { grade } = lab([{ ...inTime, withinMs: 1800 }], (_, tries) => (tries < 5 ? "no-answer" : "answered"));
    const [probe] = (await grade()).grade.probes;
    expect(probe?.verdict).toBe("fail");
    expect(probe?.cells[0]?.reason).toBe("as expected only 2s after the fault cut, not within 1.8s");
  });
});

describe("after a fault", () => {
  const after = (withinMs?: number) =>
    probeOf("back", { after: "cut", ...(withinMs === undefined ? {} : { withinMs }) });

  test("a probe is repeated until it passes, and every try is counted", async () => {
    const { grade } = lab([after(5000)], (_, tries) => (tries < 3 ? "no-answer" : "answered"));
    const [probe] = (await grade()).grade.probes;
    expect(probe).toMatchObject({ verdict: "pass", recovery: { withinMs: 5000, tookMs: 1200 } });
    expect(probe?.recovery?.tries.map(({ atMs, verdict }) => [atMs, verdict])).toEqual([
      [400, "fail"],
      [800, "fail"],
      [1200, "pass"],
    ]);
    expect(probe?.cells[0]?.observation?.tries).toBe(3);
  });

  test("it fails that passes too late, or never", async () => {
    const late = lab([after(1000)], (_, tries) => (tries < 3 ? "no-answer" : "answered"));
    const [probe] = (await late.grade()).grade.probes;
    expect(probe?.verdict).toBe("fail");
    expect(probe?.cells[0]?.reason).toBe("as expected only 1.2s after the restore of cut, not within 1s");
    const [never] = (await lab([after(1000)], () => "no-answer").grade()).grade.probes;
    expect(never?.verdict).toBe("fail");
    expect(never?.recovery).not.toHaveProperty("tookMs");
  });

  test("one that cannot be judged is not repeated", async () => {
    const { grade } = lab([after(5000)], (_, tries) => (tries < 2 ? "error" : "answered"));
    const [probe] = (await grade()).grade.probes;
    expect(probe?.verdict).toBe("inconclusive");
    expect(probe?.recovery?.tries).toHaveLength(1);
  });
});

test("faults are found by the probes that ask for them; a record without them is told", () => {
  const plan = planOf([step("fault", [], cut), step("fault", [], { ...cut, name: "other" })]);
  const ordinary = probeOf("one", {});
  expect([ordinary, during].map(isTimed)).toEqual([false, true]);
  expect(timedFaults(plan, [ordinary, during]).map(({ name }) => name)).toEqual(["cut"]);
  expect(() => timedFaults(plan, [probeOf("two", { after: "gone" })])).toThrow(
    expect.objectContaining({ code: "RECORD_UNKNOWN_FAULT" }),
  );
});
