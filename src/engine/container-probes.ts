import { isRecord } from "../core/is-record.ts";
import type { Container } from "../kube/types.ts";
import type { ContainerStart } from "./pod-runtime.ts";

/** What the API fills in (core/v1 defaults.go, SetDefaults_Probe). */
const DEFAULT_PERIOD_S = 10;
const DEFAULT_FAILURES = 3;

/** When the probes of a container, each of which always passes or always fails, decide; milliseconds after its start. */
export interface ProbeTimes {
  /** From when it counts as started, so that the other probes begin; undefined: never. */
  startedMs?: number;
  /** From when it is ready; undefined: never. */
  readyMs?: number;
  /** The probe whose failures end the container, with each of its tries up to the one that does. */
  failing?: { probe: "startup" | "liveness"; message: string; triesMs: number[] };
}

/**
 * The kubelet tries each probe at once and then every periodSeconds, leaves out what is before initialDelaySeconds after the
 * container's start, and tries readiness and liveness only once the startup probe has passed; readiness in that moment, too.
 * successThreshold passes in a row make ready, failureThreshold failures end the container (pkg/kubelet/prober/worker.go, prober_manager.go).
 */
export function probeTimes(
  container: Container,
  { notReady, unhealthy }: Pick<ContainerStart, "notReady" | "unhealthy">,
): ProbeTimes {
  const startup = scheduleOf(container["startupProbe"]);
  if (startup !== undefined && unhealthy?.startup !== undefined)
    return { failing: { probe: "startup", message: unhealthy.startup, triesMs: failures(startup, 0) } };
  const startedMs = startup === undefined ? 0 : nthTryMs(startup, 1, 0);
  const readiness = scheduleOf(container["readinessProbe"]);
  const liveness = scheduleOf(container["livenessProbe"]);
  return {
    startedMs,
    ...(notReady === undefined ? { readyMs: readiness === undefined ? startedMs : readyMs(readiness, startedMs) } : {}),
    ...(liveness === undefined || unhealthy?.liveness === undefined
      ? {}
      : { failing: { probe: "liveness", message: unhealthy.liveness, triesMs: failures(liveness, startedMs) } }),
  };
}

interface Schedule {
  periodMs: number;
  delayMs: number;
  passes: number;
  failures: number;
}

function scheduleOf(probe: unknown): Schedule | undefined {
  if (!isRecord(probe)) return undefined;
  const number = (name: string, otherwise: number): number => {
    const value = probe[name];
    return typeof value === "number" && value > 0 ? value : otherwise;
  };
  return {
    periodMs: number("periodSeconds", DEFAULT_PERIOD_S) * 1000,
    delayMs: number("initialDelaySeconds", 0) * 1000,
    passes: number("successThreshold", 1),
    failures: number("failureThreshold", DEFAULT_FAILURES),
  };
}

/** The `nth` try of those that count, from 1 on. */
function nthTryMs({ periodMs, delayMs }: Schedule, nth: number, startedMs: number): number {
  return (Math.ceil(Math.max(delayMs, startedMs) / periodMs) + nth - 1) * periodMs;
}

function failures(schedule: Schedule, startedMs: number): number[] {
  return Array.from({ length: schedule.failures }, (_, index) => nthTryMs(schedule, index + 1, startedMs));
}

/** The end of the startup probe is a try of its own where it is no multiple of the period. */
function readyMs(schedule: Schedule, startedMs: number): number {
  const isExtra = startedMs >= schedule.delayMs && startedMs % schedule.periodMs !== 0;
  if (!isExtra) return nthTryMs(schedule, schedule.passes, startedMs);
  return schedule.passes === 1 ? startedMs : nthTryMs(schedule, schedule.passes - 1, startedMs);
}
