import { isRecord } from "../core/is-record.ts";
import type { Container, Pod } from "../kube/types.ts";
import type { ContainerStart } from "./pod-runtime.ts";

const DEFAULT_PERIOD_S = 10;
/** kubelet.go, backOffPeriod and MaxContainerBackOff. */
const FIRST_BACK_OFF_MS = 10_000;
const LONGEST_BACK_OFF_MS = 300_000;

/** A container as it was started last, with what a kubelet remembers of it. */
export interface ContainerRun extends ContainerStart {
  /** When that was; one that exited had then also ended. */
  sinceMs: number;
  restartCount: number;
  /** How long after its end it is started again; undefined where it is not. */
  backOffMs?: number;
}

/** Whether the pod's restartPolicy has a container that ended so started again. */
export function isRestarted({ spec: { restartPolicy } }: Pod, exitCode: number): boolean {
  return restartPolicy === "OnFailure" ? exitCode !== 0 : restartPolicy !== "Never";
}

/**
 * The containers of a pod that was just started. What ends is started again at once and, since it ends again, from then on with a
 * back-off: 10 s, then twice as long each time, up to 5 min (kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle, restart policy).
 */
export function firstRuns(pod: Pod, starts: readonly ContainerStart[], nowMs: number): ContainerRun[] {
  return starts.map((start) =>
    isToRestart(pod, start)
      ? { ...start, sinceMs: nowMs, restartCount: 1, backOffMs: FIRST_BACK_OFF_MS }
      : { ...start, sinceMs: nowMs, restartCount: 0 },
  );
}

/** A container after it was started once more. */
export function nextRun(pod: Pod, run: ContainerRun, start: ContainerStart, nowMs: number): ContainerRun {
  const next = { ...start, sinceMs: nowMs, restartCount: run.restartCount + 1 };
  if (!isToRestart(pod, start)) return next;
  return { ...next, backOffMs: Math.min(2 * (run.backOffMs ?? FIRST_BACK_OFF_MS / 2), LONGEST_BACK_OFF_MS) };
}

/** A container that its runtime could not start: it counts as ended with 128, as containerd has it. */
export function notStarted(name: string, error: Error): ContainerStart {
  return { name, state: { kind: "exited", exitCode: 128, message: error.message } };
}

function isToRestart(pod: Pod, { state }: ContainerStart): boolean {
  return state.kind === "exited" && isRestarted(pod, state.exitCode);
}

/** The containers whose back-off is over. */
export function dueRestarts(runs: readonly ContainerRun[], nowMs: number): string[] {
  return runs.flatMap(({ name, sinceMs, backOffMs }) =>
    backOffMs !== undefined && sinceMs + backOffMs <= nowMs ? [name] : [],
  );
}

/**
 * When a readiness probe that passes each time makes its container ready, in milliseconds after the container's start. The kubelet
 * tries at once and then every periodSeconds, leaves out what is before initialDelaySeconds, and wants successThreshold passes in a
 * row (kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes, prober/worker.go). 0 without a probe.
 */
export function readyAfterMs(container: Container): number {
  const probe = container["readinessProbe"];
  if (!isRecord(probe)) return 0;
  const number = (name: string, otherwise: number): number => {
    const value = probe[name];
    return typeof value === "number" && value > 0 ? value : otherwise;
  };
  const periodS = number("periodSeconds", DEFAULT_PERIOD_S);
  const firstTry = Math.ceil(number("initialDelaySeconds", 0) / periodS);
  return (firstTry + number("successThreshold", 1) - 1) * periodS * 1000;
}

/**
 * What a pod's containers are now: those whose readiness probe has not passed yet are not ready. `nextMs` is how long until one of them
 * becomes ready or is started again; undefined where none does.
 */
export function runsNow(
  { spec }: Pod,
  runs: readonly ContainerRun[],
  nowMs: number,
): { containers: ContainerRun[]; nextMs?: number } {
  const specs = [...spec.containers, ...(spec.initContainers ?? [])];
  const waits = runs.flatMap(({ sinceMs, backOffMs }) =>
    backOffMs === undefined ? [] : [sinceMs + backOffMs - nowMs],
  );
  const containers = runs.map((run) => {
    const container = specs.find(({ name }) => name === run.name);
    if (run.state.kind !== "running" || run.notReady !== undefined || container === undefined) return run;
    const afterMs = readyAfterMs(container);
    const waitMs = run.sinceMs + afterMs - nowMs;
    if (waitMs <= 0) return run;
    waits.push(waitMs);
    return { ...run, notReady: `the readiness probe passes ${afterMs / 1000} s after the start at the earliest` };
  });
  const coming = waits.filter((waitMs) => waitMs > 0);
  return { containers, ...(coming.length === 0 ? {} : { nextMs: Math.min(...coming) }) };
}
