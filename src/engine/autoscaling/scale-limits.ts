import type { ScalingBehavior, ScalingPolicy, ScalingRules } from "../../kube/autoscaling.ts";

/*
 * From what the metrics ask for to what is done: stabilisation windows, limits of the rate, and the autoscaler's own bounds
 * (pkg/controller/podautoscaler/horizontal.go, KEP-853).
 */

/** kube-controller-manager --horizontal-pod-autoscaler-downscale-stabilization. */
const DOWNSCALE_WINDOW_SECONDS = 300;

/** Why a condition is what it is. */
export interface Reason {
  reason: string;
  message: string;
}

/** What is decided: `ableToScale` and `limited` are the conditions that go with it. */
export interface Decision {
  replicas: number;
  ableToScale: Reason;
  limited: Reason & { isLimited: boolean };
}

/** Bounds of an autoscaler and what it would do without a memory. */
export interface Wish {
  minReplicas: number;
  maxReplicas: number;
  currentReplicas: number;
  /** What the metrics ask for. */
  desiredReplicas: number;
}

const STABILIZED = {
  up: {
    reason: "ScaleUpStabilized",
    message: "recent recommendations were lower than current one, applying the lowest recent recommendation",
  },
  down: {
    reason: "ScaleDownStabilized",
    message: "recent recommendations were higher than current one, applying the highest recent recommendation",
  },
};
const READY: Reason = { reason: "ReadyForNewScale", message: "recommended size matches current size" };
const WITHIN: Reason = {
  reason: "DesiredWithinRange",
  message: "the desired count is within the acceptable range",
};
const LIMITS = {
  rateUp: {
    reason: "ScaleUpLimit",
    message: "the desired replica count is increasing faster than the maximum scale rate",
  },
  rateDown: {
    reason: "ScaleDownLimit",
    message: "the desired replica count is decreasing faster than the maximum scale rate",
  },
  most: { reason: "TooManyReplicas", message: "the desired replica count is more than the maximum replica count" },
  fewest: { reason: "TooFewReplicas", message: "the desired replica count is less than the minimum replica count" },
};

/** What one autoscaler recommended and did; kept in memory alone, as kube-controller-manager has it. */
export class ScaleHistory {
  private recommendations: { replicas: number; atMs: number }[] = [];
  /** Positive upwards. */
  private changes: { by: number; atMs: number }[] = [];

  /** Before anything else is recommended, what is there counts as recommended. */
  begin(currentReplicas: number, nowMs: number): void {
    if (this.recommendations.length === 0) this.recommendations.push({ replicas: currentReplicas, atMs: nowMs });
  }

  /** Takes the wish into the history, and says what becomes of it now. */
  decide(wish: Wish, behavior: ScalingBehavior | undefined, nowMs: number): Decision {
    const stabilized =
      behavior === undefined ? this.stabilizedDown(wish, nowMs) : this.stabilized(wish, behavior, nowMs);
    this.remember(wish.desiredReplicas, behavior, nowMs);
    const isStabilized = stabilized !== wish.desiredReplicas;
    const isUp = behavior !== undefined && wish.desiredReplicas >= wish.currentReplicas;
    const { replicas, ...why } =
      behavior === undefined
        ? withinDefaults(wish, stabilized)
        : this.withinBehavior({ ...wish, desiredReplicas: stabilized }, behavior, nowMs);
    return {
      replicas,
      ableToScale: isStabilized ? STABILIZED[isUp ? "up" : "down"] : READY,
      limited: { ...why, isLimited: replicas !== stabilized },
    };
  }

  /** Replicas were changed; policies count it. */
  changed(from: number, to: number, behavior: ScalingBehavior | undefined, nowMs: number): void {
    if (behavior === undefined) return;
    const policies = [behavior.scaleUp, behavior.scaleDown].flatMap((rules) => rules?.policies ?? []);
    const longest = Math.max(0, ...policies.map(({ periodSeconds }) => periodSeconds));
    this.changes = this.changes.filter(({ atMs }) => atMs >= nowMs - longest * 1000);
    this.changes.push({ by: to - from, atMs: nowMs });
  }

  private remember(replicas: number, behavior: ScalingBehavior | undefined, nowMs: number): void {
    const window =
      behavior === undefined ? DOWNSCALE_WINDOW_SECONDS : Math.max(upWindow(behavior), downWindow(behavior));
    this.recommendations = this.recommendations.filter(({ atMs }) => atMs >= nowMs - window * 1000);
    this.recommendations.push({ replicas, atMs: nowMs });
  }

  /** The highest of the last five minutes. */
  private stabilizedDown({ desiredReplicas }: Wish, nowMs: number): number {
    const from = nowMs - DOWNSCALE_WINDOW_SECONDS * 1000;
    const recent = this.recommendations.filter(({ atMs }) => atMs >= from);
    return Math.max(desiredReplicas, ...recent.map(({ replicas }) => replicas));
  }

  /** The count moves no further than to the lowest of the window upwards, and to the highest of the window downwards. */
  private stabilized({ desiredReplicas, currentReplicas }: Wish, behavior: ScalingBehavior, nowMs: number): number {
    const within = (seconds: number): number[] =>
      this.recommendations.filter(({ atMs }) => atMs > nowMs - seconds * 1000).map(({ replicas }) => replicas);
    const lowest = Math.min(desiredReplicas, ...within(upWindow(behavior)));
    const highest = Math.max(desiredReplicas, ...within(downWindow(behavior)));
    return Math.min(Math.max(currentReplicas, lowest), highest);
  }

  private withinBehavior(wish: Wish, { scaleUp, scaleDown }: ScalingBehavior, nowMs: number): Limited {
    const { currentReplicas, desiredReplicas, minReplicas, maxReplicas } = wish;
    if (desiredReplicas > currentReplicas) {
      const rate = Math.max(currentReplicas, this.limitOf("up", currentReplicas, scaleUp, nowMs));
      const most = Math.min(maxReplicas, rate);
      if (desiredReplicas > most) return { replicas: most, ...(maxReplicas > rate ? LIMITS.rateUp : LIMITS.most) };
    } else if (desiredReplicas < currentReplicas) {
      const rate = Math.min(currentReplicas, this.limitOf("down", currentReplicas, scaleDown, nowMs));
      const fewest = Math.max(minReplicas, rate);
      if (desiredReplicas < fewest)
        return { replicas: fewest, ...(minReplicas < rate ? LIMITS.rateDown : LIMITS.fewest) };
    }
    return { replicas: desiredReplicas, ...WITHIN };
  }

  /** How far the policies of one direction let the count go now. */
  private limitOf(direction: "up" | "down", current: number, rules: ScalingRules | undefined, nowMs: number): number {
    const { selectPolicy = "Max", policies = [] } = rules ?? {};
    if (selectPolicy === "Disabled") return current;
    const limits = policies.map((policy) => limitOfPolicy(direction, policy, this.atStartOf(policy, current, nowMs)));
    const isFurthestUp = (direction === "up") === (selectPolicy === "Max");
    return isFurthestUp ? Math.max(...limits) : Math.min(...limits);
  }

  private atStartOf({ periodSeconds }: ScalingPolicy, current: number, nowMs: number): number {
    const recent = this.changes.filter(({ atMs }) => atMs > nowMs - periodSeconds * 1000);
    return recent.reduce((replicas, { by }) => replicas - by, current);
  }
}

type Limited = Reason & { replicas: number };

function limitOfPolicy(direction: "up" | "down", { type, value }: ScalingPolicy, atStart: number): number {
  if (type === "Pods") return direction === "up" ? atStart + value : atStart - value;
  // Rounded so that a small percentage of few pods still moves them.
  return direction === "up" ? Math.ceil(atStart * (1 + value / 100)) : Math.trunc(atStart * (1 - value / 100));
}

/** Without a behavior: at most twice as many at once, or four. */
function withinDefaults({ currentReplicas, minReplicas, maxReplicas }: Wish, desired: number): Limited {
  const rate = Math.max(2 * currentReplicas, 4);
  const most = Math.min(maxReplicas, rate);
  if (desired < minReplicas) return { replicas: minReplicas, ...LIMITS.fewest };
  if (desired > most) return { replicas: most, ...(maxReplicas > rate ? LIMITS.rateUp : LIMITS.most) };
  return { replicas: desired, ...WITHIN };
}

function upWindow({ scaleUp }: ScalingBehavior): number {
  return scaleUp?.stabilizationWindowSeconds ?? 0;
}

function downWindow({ scaleDown }: ScalingBehavior): number {
  return scaleDown?.stabilizationWindowSeconds ?? DOWNSCALE_WINDOW_SECONDS;
}
