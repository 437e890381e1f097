import type { Pod } from "../kube/types.ts";
import { probeTimes } from "./container-probes.ts";
import type { ProbeTimes } from "./container-probes.ts";
import type { ContainerStart } from "./pod-runtime.ts";

/** kubelet.go, backOffPeriod and MaxContainerBackOff. */
const FIRST_BACK_OFF_MS = 10_000;
const LONGEST_BACK_OFF_MS = 300_000;
/** After so long a run an end counts as the first (client-go, flowcontrol/backoff.go, hasExpired). */
const FORGOTTEN_MS = 2 * LONGEST_BACK_OFF_MS;
/** 128 and SIGTERM, of which a process without a handler dies at once. */
export const TERMINATED = 143;

/** How a run of a container ended. */
export interface ContainerEnd {
  exitCode: number;
  message: string;
  startedMs: number;
  endedMs: number;
}

/** A container as it was started last, with what a kubelet remembers of it. */
export interface ContainerRun extends ContainerStart {
  /** When that was. */
  sinceMs: number;
  /** Of one that exited; at its start unless a probe ended it. */
  endedMs?: number;
  restartCount: number;
  /** How long after its end it is started again; undefined where it is not. */
  backOffMs?: number;
  /** The back-off of its next end; undefined before the first. */
  nextBackOffMs?: number;
  /** How the run before ended. */
  last?: ContainerEnd;
  /** Failed tries of a startup or liveness probe that were told of this run. */
  failuresTold: number;
}

/** A container with what its probes have decided so far. */
export interface ContainerNow extends ContainerRun {
  /** Whether its startup probe has passed, or it has none. */
  isStarted: boolean;
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
  return starts.map((start): ContainerRun => {
    const run: ContainerRun = { ...start, sinceMs: nowMs, restartCount: 0, failuresTold: 0 };
    if (start.state.kind !== "exited") return run;
    return isRestarted(pod, start.state.exitCode) ? afterStart(pod, run, start, nowMs) : { ...run, endedMs: nowMs };
  });
}

/** A container after it was started once more. */
export function nextRun(pod: Pod, run: ContainerRun, start: ContainerStart, nowMs: number): ContainerRun {
  const last = endOf(run);
  return afterStart(pod, { ...run, ...(last === undefined ? {} : { last }) }, start, nowMs);
}

function afterStart(pod: Pod, before: ContainerRun, start: ContainerStart, nowMs: number): ContainerRun {
  const { restartCount, last, backOffMs, nextBackOffMs } = before;
  const isForgotten = nextBackOffMs === undefined || backOffMs === 0;
  const run: ContainerRun = {
    ...start,
    sinceMs: nowMs,
    restartCount: restartCount + 1,
    nextBackOffMs: isForgotten ? FIRST_BACK_OFF_MS : Math.min(2 * nextBackOffMs, LONGEST_BACK_OFF_MS),
    ...(last === undefined ? {} : { last }),
    failuresTold: 0,
  };
  return start.state.kind === "exited" ? withEnd(pod, run, start.state.exitCode, nowMs) : run;
}

/** A running container that has ended, by itself or since a probe of it failed: `message` says which. */
export function endedRun(
  pod: Pod,
  run: ContainerRun,
  { exitCode, message }: Pick<ContainerEnd, "exitCode" | "message">,
  nowMs: number,
): ContainerRun {
  const { notReady: _, unhealthy: __, ...rest } = run;
  return withEnd(pod, { ...rest, state: { kind: "exited", exitCode, message } }, exitCode, nowMs);
}

/** A container of a pod on its way out that has ended: it is not started again. */
export function finishedRun(run: ContainerRun, exitCode: number, nowMs: number): ContainerRun {
  const { notReady: _, unhealthy: __, backOffMs: ___, ...rest } = run;
  const message = `the container ended with exit code ${exitCode}`;
  return { ...rest, state: { kind: "exited", exitCode, message }, endedMs: nowMs };
}

function withEnd(pod: Pod, run: ContainerRun, exitCode: number, nowMs: number): ContainerRun {
  const { nextBackOffMs, sinceMs } = run;
  const ended = { ...run, endedMs: nowMs };
  if (!isRestarted(pod, exitCode)) return ended;
  const isFirst = nextBackOffMs === undefined || nowMs - sinceMs > FORGOTTEN_MS;
  return { ...ended, backOffMs: isFirst ? 0 : nextBackOffMs };
}

function endOf({ state, sinceMs, endedMs }: ContainerRun): ContainerEnd | undefined {
  if (state.kind !== "exited") return undefined;
  const { exitCode, message } = state;
  return { exitCode, message, startedMs: sinceMs, endedMs: endedMs ?? sinceMs };
}

/** A container that its runtime could not start: it counts as ended with 128, as containerd has it. */
export function notStarted(name: string, error: Error): ContainerStart {
  return { name, state: { kind: "exited", exitCode: 128, message: error.message } };
}

/** The containers whose back-off is over. */
export function dueRestarts(runs: readonly ContainerRun[], nowMs: number): string[] {
  return runs.flatMap(({ name, sinceMs, endedMs = sinceMs, backOffMs }) =>
    backOffMs !== undefined && endedMs + backOffMs <= nowMs ? [name] : [],
  );
}

/** Tries of a failing probe that have been since it was asked before, and whether the last of them ends the container. */
export interface DueFailures {
  name: string;
  probe: "startup" | "liveness";
  message: string;
  count: number;
  isLast: boolean;
}

/** What startup and liveness probes have found since `failuresTold` of each run. */
export function dueFailures(pod: Pod, runs: readonly ContainerRun[], nowMs: number): DueFailures[] {
  return runs.flatMap((run): DueFailures[] => {
    const { failing } = timesOf(pod, run);
    if (failing === undefined) return [];
    const { probe, message, triesMs } = failing;
    const made = triesMs.filter((tryMs) => run.sinceMs + tryMs <= nowMs).length;
    const isLast = made === triesMs.length;
    const count = made - run.failuresTold;
    return count > 0 || isLast ? [{ name: run.name, probe, message, count, isLast }] : [];
  });
}

function timesOf({ spec }: Pod, run: ContainerRun): ProbeTimes {
  if (run.state.kind !== "running") return {};
  const container = [...spec.containers, ...(spec.initContainers ?? [])].find(({ name }) => name === run.name);
  return container === undefined ? { startedMs: 0, readyMs: 0 } : probeTimes(container, run);
}

/**
 * What a pod's containers are now: those whose startup or readiness probe has not passed yet are not ready. `nextMs` is how long until
 * something of one of them changes or a probe fails; undefined where nothing does.
 */
export function runsNow(
  pod: Pod,
  runs: readonly ContainerRun[],
  nowMs: number,
): { containers: ContainerNow[]; nextMs?: number } {
  const waits: number[] = [];
  const containers = runs.map((run): ContainerNow => {
    const { sinceMs, endedMs = sinceMs, backOffMs } = run;
    if (backOffMs !== undefined) waits.push(endedMs + backOffMs - nowMs);
    if (run.state.kind !== "running") return { ...run, isStarted: false };
    const { startedMs, readyMs, failing } = timesOf(pod, run);
    const ageMs = nowMs - sinceMs;
    for (const atMs of [startedMs, readyMs, ...(failing?.triesMs ?? [])])
      if (atMs !== undefined) waits.push(atMs - ageMs);
    const isStarted = startedMs !== undefined && startedMs <= ageMs;
    const notReady =
      startedMs === undefined
        ? failing?.message
        : isStarted
          ? (run.notReady ?? laterThan(ageMs, readyMs, "readiness"))
          : laterThan(ageMs, startedMs, "startup");
    return { ...run, isStarted, ...(notReady === undefined ? {} : { notReady }) };
  });
  const coming = waits.filter((waitMs) => waitMs > 0);
  return { containers, ...(coming.length === 0 ? {} : { nextMs: Math.min(...coming) }) };
}

function laterThan(ageMs: number, atMs: number | undefined, probe: string): string | undefined {
  return atMs === undefined || atMs <= ageMs
    ? undefined
    : `the ${probe} probe passes ${atMs / 1000} s after the start at the earliest`;
}
