import { isRecord } from "../core/is-record.ts";
import type { Container, Pod } from "../kube/types.ts";
import type { ContainerStart } from "./pod-runtime.ts";

const DEFAULT_PERIOD_S = 10;

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
 * What a pod's containers are so long after their start: those whose readiness probe has not passed yet are not ready. `nextMs` is how
 * long until that changes for one of them; undefined where it does not.
 */
export function probedAfter(
  { spec }: Pod,
  starts: readonly ContainerStart[],
  elapsedMs: number,
): { containers: ContainerStart[]; nextMs?: number } {
  const specs = [...spec.containers, ...(spec.initContainers ?? [])];
  const waits: number[] = [];
  const containers = starts.map((start) => {
    const container = specs.find(({ name }) => name === start.name);
    if (start.state.kind !== "running" || start.notReady !== undefined || container === undefined) return start;
    const afterMs = readyAfterMs(container);
    if (afterMs <= elapsedMs) return start;
    waits.push(afterMs - elapsedMs);
    return { ...start, notReady: `the readiness probe passes ${afterMs / 1000} s after the start at the earliest` };
  });
  return { containers, ...(waits.length === 0 ? {} : { nextMs: Math.min(...waits) }) };
}
