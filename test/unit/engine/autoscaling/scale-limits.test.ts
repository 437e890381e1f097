import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ScaleHistory, type Wish } from "../../../../src/engine/autoscaling/scale-limits.ts";
import {
  fillAutoscalerDefaults,
  type HorizontalPodAutoscaler,
  type ScalingBehavior,
} from "../../../../src/kube/autoscaling.ts";

/** A behavior with what the API server fills in. */
function filled(behavior: ScalingBehavior): ScalingBehavior {
  const hpa = { spec: { maxReplicas: 10, behavior } } as HorizontalPodAutoscaler;
  fillAutoscalerDefaults(hpa);
  return hpa.spec.behavior ?? {};
}

/** An autoscaler's life: what its metrics ask for, every so often; gives the replicas after each. */
class Life {
  readonly history = new ScaleHistory();
  replicas: number;
  private nowMs = 0;
  private readonly bounds: { min: number; max: number };
  private readonly behavior: ScalingBehavior | undefined;

  constructor(replicas: number, behavior?: ScalingBehavior, bounds = { min: 1, max: 100 }) {
    this.replicas = replicas;
    this.behavior = behavior;
    this.bounds = bounds;
    this.history.begin(replicas, 0);
  }

  /** @returns the reasons of AbleToScale and ScalingLimited, the latter in brackets where it is not limited. */
  step(desiredReplicas: number, afterMs = 15_000): [replicas: number, able: string, limited: string] {
    this.nowMs += afterMs;
    const { min: minReplicas, max: maxReplicas } = this.bounds;
    const wish: Wish = { minReplicas, maxReplicas, currentReplicas: this.replicas, desiredReplicas };
    const { replicas, ableToScale, limited } = this.history.decide(wish, this.behavior, this.nowMs);
    if (replicas !== this.replicas) this.history.changed(this.replicas, replicas, this.behavior, this.nowMs);
    this.replicas = replicas;
    return [replicas, ableToScale.reason, limited.isLimited ? limited.reason : `(${limited.reason})`];
  }
}

describe("without a behavior", () => {
  test("doubles at once, or goes to four, and no further", () => {
    expect(new Life(1).step(50)).toEqual([4, "ReadyForNewScale", "ScaleUpLimit"]);
    expect(new Life(5).step(50)).toEqual([10, "ReadyForNewScale", "ScaleUpLimit"]);
    expect(new Life(5).step(7)).toEqual([7, "ReadyForNewScale", "(DesiredWithinRange)"]);
  });

  test("keeps its bounds", () => {
    expect(new Life(3, undefined, { min: 2, max: 5 }).step(50)).toEqual([5, "ReadyForNewScale", "TooManyReplicas"]);
    const shrinking = new Life(2, undefined, { min: 2, max: 5 });
    for (let step = 0; step < 25; step += 1) shrinking.step(0);
    expect(shrinking.step(0)).toEqual([2, "ReadyForNewScale", "TooFewReplicas"]);
  });

  test("follows the highest wish of the last five minutes down", () => {
    const life = new Life(1);
    expect(life.step(4)[0]).toBe(4);
    for (let atMs = 15_000; atMs <= 300_000; atMs += 15_000) {
      expect(life.step(1), `${atMs} ms after the load`).toEqual([4, "ScaleDownStabilized", "(DesiredWithinRange)"]);
    }
    expect(life.step(1)).toEqual([1, "ReadyForNewScale", "(DesiredWithinRange)"]);
  });
});

describe("with a behavior", () => {
  test("what it leaves out is a doubling or four pods in 15 s upwards, all at once downwards after five minutes", () => {
    expect(filled({ scaleUp: { stabilizationWindowSeconds: 5 } })).toEqual({
      scaleUp: {
        stabilizationWindowSeconds: 5,
        selectPolicy: "Max",
        policies: [
          { type: "Pods", value: 4, periodSeconds: 15 },
          { type: "Percent", value: 100, periodSeconds: 15 },
        ],
      },
      scaleDown: { selectPolicy: "Max", policies: [{ type: "Percent", value: 100, periodSeconds: 15 }] },
    });
    const life = new Life(1, filled({}));
    expect(life.step(50)).toEqual([5, "ReadyForNewScale", "ScaleUpLimit"]);
    expect(life.step(50)[0]).toBe(10);
    for (let step = 0; step < 19; step += 1) expect(life.step(1)[1]).toBe("ScaleDownStabilized");
    expect(life.step(1)).toEqual([1, "ReadyForNewScale", "(DesiredWithinRange)"]);
  });

  test("counts what was done within a policy's period", () => {
    const scaleUp = { policies: [{ type: "Pods" as const, value: 2, periodSeconds: 60 }] };
    const life = new Life(1, filled({ scaleUp }));
    expect(life.step(9)).toEqual([3, "ReadyForNewScale", "ScaleUpLimit"]);
    expect(life.step(9)).toEqual([3, "ReadyForNewScale", "ScaleUpLimit"]);
    expect(life.step(9, 45_001)[0]).toBe(5);
  });

  test.each<["Max" | "Min" | "Disabled", up: number, down: number]>([
    ["Max", 20, 5],
    ["Min", 11, 9],
    ["Disabled", 10, 10],
  ])("takes the policy that %s means", (selectPolicy, up, down) => {
    const rules = {
      selectPolicy,
      stabilizationWindowSeconds: 0,
      policies: [
        { type: "Pods" as const, value: 1, periodSeconds: 15 },
        { type: "Percent" as const, value: selectPolicy === "Max" ? 50 : 100, periodSeconds: 15 },
      ],
    };
    const twice = {
      ...rules,
      policies: [{ type: "Percent" as const, value: 100, periodSeconds: 15 }, ...rules.policies],
    };
    expect(new Life(10, filled({ scaleUp: twice })).step(50)[0]).toBe(up);
    expect(new Life(10, filled({ scaleDown: rules })).step(1)[0]).toBe(down);
  });

  test("a percentage of few pods is rounded up, and moves them", () => {
    const scaleUp = { policies: [{ type: "Percent" as const, value: 10, periodSeconds: 15 }] };
    expect(new Life(1, filled({ scaleUp })).step(9)[0]).toBe(2);
    const scaleDown = { ...scaleUp, stabilizationWindowSeconds: 0 };
    expect(new Life(5, filled({ scaleDown })).step(1)[0]).toBe(4);
  });

  test("a window upwards waits for the lowest wish to pass", () => {
    const life = new Life(2, filled({ scaleUp: { stabilizationWindowSeconds: 60 } }));
    life.step(2);
    for (let step = 0; step < 3; step += 1) expect(life.step(6).slice(0, 2)).toEqual([2, "ScaleUpStabilized"]);
    expect(life.step(6)).toEqual([6, "ReadyForNewScale", "(DesiredWithinRange)"]);
  });
});

describe("whatever is wished", () => {
  const wishes = fc.array(fc.nat(60), { minLength: 1, maxLength: 60 });
  const start = fc.integer({ min: 2, max: 40 });
  const policy = fc.record({
    type: fc.constantFrom("Pods" as const, "Percent" as const),
    value: fc.integer({ min: 1, max: 200 }),
    periodSeconds: fc.integer({ min: 1, max: 120 }),
  });
  const rules = fc.record({
    stabilizationWindowSeconds: fc.nat(400),
    selectPolicy: fc.constantFrom("Max" as const, "Min" as const, "Disabled" as const),
    policies: fc.array(policy, { minLength: 1, maxLength: 3 }),
  });
  const behavior = fc.option(fc.record({ scaleUp: rules, scaleDown: rules }), { nil: undefined });

  test("the bounds hold, and a limit is told where one counts", () => {
    fc.assert(
      fc.property(start, behavior, wishes, (replicas, how, all) => {
        const life = new Life(replicas, how, { min: 2, max: 40 });
        return all.every((wish) => {
          const [now, , limited] = life.step(wish);
          return now >= 2 && now <= 40 && limited.startsWith("(") === (limited === "(DesiredWithinRange)");
        });
      }),
    );
  });

  test("nothing moves against the wish", () => {
    fc.assert(
      fc.property(start, behavior, wishes, (replicas, how, all) => {
        const life = new Life(replicas, how);
        return all.every((wish) => {
          const before = life.replicas;
          const [now] = life.step(wish);
          // A doubling with a memory: the highest wish of the window may lift it, too.
          return how === undefined ? now >= Math.min(before, wish) : wish >= before ? now >= before : now <= before;
        });
      }),
    );
  });

  test("it never shrinks below a wish of the last five minutes", () => {
    fc.assert(
      fc.property(start, wishes, (replicas, all) => {
        const life = new Life(replicas);
        return all.every((wish, index) => {
          const before = life.replicas;
          const [now] = life.step(wish);
          return now >= before || now >= Math.max(...all.slice(Math.max(0, index - 20), index + 1));
        });
      }),
    );
  });
});
