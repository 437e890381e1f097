import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  NoReplicaCount,
  replicasByAverage,
  replicasByUtilization,
  requestsOf,
  type Proposal,
} from "../../../../src/engine/autoscaling/replica-count.ts";
import type { Pod } from "../../../../src/kube/types.ts";
import { figures, NOW_MS, pod, type PodFacts } from "./pods.ts";

/** Each pod, what it is, and its figure; a request is 100m. */
type Row = readonly [facts: PodFacts, milli: number | undefined];

function world(rows: readonly Row[]): { pods: Pod[]; values: Record<string, number> } {
  const pods = rows.map(([facts], index) => pod(`web-${index}`, facts));
  const values = Object.fromEntries(
    rows.flatMap(([, milli], index) => (milli === undefined ? [] : [[`web-${index}`, milli]])),
  ) as Record<string, number>;
  return { pods, values };
}

function byUtilization(rows: readonly Row[], targetPercent: number, currentReplicas = rows.length): Proposal {
  const { pods, values } = world(rows);
  const asked = { pods, figures: figures(values), currentReplicas, isCpu: true, nowMs: NOW_MS };
  return replicasByUtilization(asked, targetPercent, requestsOf(pods, "cpu"));
}

function byAverage(rows: readonly Row[], target: number, currentReplicas = rows.length): Proposal {
  const { pods, values } = world(rows);
  return replicasByAverage({ pods, figures: figures(values), currentReplicas, isCpu: false, nowMs: NOW_MS }, target);
}

const running = (milli: number | undefined): Row => [{}, milli];
const of = (...values: (number | undefined)[]): Row[] => values.map(running);

describe("replicas for a utilisation", () => {
  test.each<[what: string, rows: Row[], target: number, replicas: number, utilization: number]>([
    ["twice the target doubles", of(100, 100), 50, 4, 100],
    ["an uneven load counts by its mean", of(30, 50, 90), 30, 6, 56],
    ["half the target halves", of(25, 25), 50, 1, 25],
    ["nothing to do asks for none, which minReplicas bounds", of(0, 0), 50, 0, 0],
    ["10 % above is tolerated", of(55, 55), 50, 2, 55],
    ["11 % above is not", of(56, 56), 50, 3, 56],
    ["10 % below is tolerated", of(45, 45), 50, 2, 45],
    ["on the way up a pod without a figure is idle", of(100, undefined), 25, 4, 100],
    ["on the way up an idle one may leave nothing to do", of(100, undefined), 50, 2, 100],
    ["on the way down a pod without a figure is full", of(10, 10, undefined), 50, 3, 10],
    ["full is what the target allows, where that is more", of(10, undefined), 200, 2, 10],
    [
      "a pending pod is idle on the way up",
      [running(100), running(100), [{ phase: "Pending" }, undefined]],
      40,
      5,
      100,
    ],
    [
      "a pending pod does not count on the way down",
      [running(10), running(10), [{ phase: "Pending" }, undefined]],
      50,
      1,
      10,
    ],
    ["a pod that goes does not count", [running(100), [{ isGoing: true }, 1000]], 50, 2, 100],
    ["a pod that failed does not count", [running(100), [{ phase: "Failed" }, 1000]], 50, 2, 100],
    [
      "a pod that started a minute ago and is not ready does not count",
      [running(20), [{ isReady: false, startedAgoMs: 60_000, changedAgoMs: 1000 }, 1000]],
      50,
      1,
      20,
    ],
    [
      "nor does one that has been ready for less than the window",
      [running(20), [{ startedAgoMs: 60_000, changedAgoMs: 5000 }, 1000]],
      50,
      1,
      20,
    ],
    [
      "one that has been ready for longer does",
      [running(20), [{ startedAgoMs: 60_000, changedAgoMs: 12_000 }, 180]],
      50,
      4,
      100,
    ],
    [
      "one that was never ready does not count after the time of initialisation, either",
      [running(20), [{ isReady: false, startedAgoMs: 400_000, changedAgoMs: 395_000 }, 1000]],
      50,
      1,
      20,
    ],
    [
      "one that was ready once does",
      [running(20), [{ isReady: false, startedAgoMs: 400_000, changedAgoMs: 1000 }, 180]],
      50,
      4,
      100,
    ],
  ])("%s", (_, rows, target, replicas, utilization) => {
    expect(byUtilization(rows, target)).toMatchObject({ replicas, utilization });
  });

  test("what is not known turns no direction round", () => {
    // 110 % of the target, but with the pod that is not known 55 %.
    expect(byUtilization(of(60, undefined), 50).replicas).toBe(2);
    // 60 % of the target; with two full pods more than the target.
    expect(byUtilization(of(30, undefined, undefined), 50).replicas).toBe(3);
  });

  test.each<[Row[], string]>([
    [[], "no pods returned by selector while calculating replica count"],
    [of(undefined, undefined), "did not receive metrics for any ready pods"],
    [[[{ cpu: undefined }, 10]], "missing request for cpu in container web of Pod web-0"],
    [[[{ cpu: "0" }, 10]], "no metrics returned matched known pods"],
  ])("has none for %j", (rows, message) => {
    expect(() => byUtilization(rows, 50)).toThrow(new NoReplicaCount(message));
  });
});

test("a limit is a request where none is said, and one container's can be asked for alone", () => {
  const two = pod("two");
  two.spec.containers = [
    { name: "web", image: "nginx", resources: { limits: { cpu: "200m" } } },
    { name: "side", image: "nginx", resources: { requests: { cpu: "0.05" }, limits: { cpu: "1" } } },
  ];
  expect(requestsOf([two], "cpu")).toEqual(new Map([["two", 250]]));
  expect(requestsOf([two], "cpu", "side")).toEqual(new Map([["two", 50]]));
  expect(() => requestsOf([two], "cpu", "none")).toThrow("container none not found in Pod two");
});

describe("replicas for an average", () => {
  test.each<[rows: Row[], target: number, replicas: number, average: number]>([
    [of(20_000, 20_000), 10_000, 4, 20_000],
    [of(9000, 11_000), 10_000, 2, 10_000],
    [of(1000, 2000), 10_000, 1, 1500],
    [of(30_000, undefined), 10_000, 3, 30_000],
    [of(1000, undefined), 10_000, 2, 1000],
    // Not CPU: a pod that just became ready counts.
    [[[{ startedAgoMs: 5000 }, 30_000]], 10_000, 3, 30_000],
  ])("%j at a target of %d", (rows, target, replicas, average) => {
    expect(byAverage(rows, target)).toEqual({ replicas, average });
  });
});

describe("for any load", () => {
  const load = fc.array(fc.integer({ min: 0, max: 5000 }), { minLength: 1, maxLength: 20 });
  const percent = fc.integer({ min: 1, max: 300 });

  test("the count is where the load would meet the target, unless it is near already", () => {
    fc.assert(
      fc.property(load, percent, (values, target) => {
        const { replicas, utilization = 0 } = byUtilization(of(...values), target);
        const ratio = utilization / target;
        return Math.abs(1 - ratio) <= 0.1
          ? replicas === values.length
          : replicas >= ratio * values.length && replicas < ratio * values.length + 1;
      }),
    );
  });

  test("pods without figures never move the count further, nor the other way", () => {
    fc.assert(
      fc.property(load, fc.integer({ min: 1, max: 10 }), percent, (values, missing, target) => {
        const rows = [...of(...values), ...of(...Array.from({ length: missing }, () => undefined))];
        const current = rows.length;
        const { replicas, utilization = 0 } = byUtilization(rows, target);
        // Of pods that request 100m each.
        const known = values.reduce((sum, value) => sum + value, 0) / target;
        if (utilization > target) return replicas >= current && replicas <= Math.max(current, Math.ceil(known));
        return replicas <= current && replicas >= Math.min(current, Math.floor(known));
      }),
    );
  });

  test("more load never asks for fewer", () => {
    fc.assert(
      fc.property(load, percent, fc.nat(2000), (values, target, more) => {
        const less = byUtilization(of(...values), target).replicas;
        return byUtilization(of(...values.map((value) => value + more)), target).replicas >= less;
      }),
    );
  });
});
