import type { Container, Pod } from "../kube/types.ts";
import type { ContainerRun } from "./container-runs.ts";
import type { ContainerStop } from "./pod-runtime.ts";

/** kuberuntime_container.go, minimumGracePeriodInSeconds: what a process has after SIGTERM, however little is left. */
export const LEAST_MS = 2000;
/** 128 and SIGKILL. */
const KILLED = 137;
const AT_ONCE: ContainerStop = { afterMs: 0, exitCode: 0 };

/** When a container will have ended, milliseconds after its pod's end began. */
export interface ComingEnd {
  name: string;
  atMs: number;
  exitCode: number;
}

/**
 * How the containers of a pod that is deleted end (pkg/kubelet/kuberuntime, killContainer): each is told so by its preStop hook and then by
 * SIGTERM, all at the same time, and killed when the grace period is over. Sidecars get their SIGTERM when the containers and the sidecars after
 * them have ended (KEP-753). Those that do not run are left out.
 */
export function comingEnds({ spec }: Pod, runs: readonly ContainerRun[], graceMs: number): ComingEnd[] {
  const running = runs.filter(({ state }) => state.kind === "running");
  const isMain = (name: string): boolean => spec.containers.some((container) => container.name === name);
  const ends = running.filter(({ name }) => isMain(name)).map((run) => endOf(run, graceMs, 0));
  const order = (spec.initContainers ?? []).map(({ name }: Container) => name);
  const sidecars = running.filter(({ name }) => !isMain(name));
  for (const run of sidecars.toSorted((one, other) => order.indexOf(other.name) - order.indexOf(one.name)))
    ends.push(endOf(run, graceMs, Math.max(0, ...ends.map(({ atMs }) => atMs))));
  return ends;
}

function endOf({ name, stop = AT_ONCE }: ContainerRun, graceMs: number, turnMs: number): ComingEnd {
  const { preStop, afterMs, exitCode } = stop;
  const hookMs = Math.min(preStop?.takesMs ?? 0, graceMs);
  // A hook that is cut off does not come to its last command.
  const isEndedByHook = preStop?.exitCode !== undefined && preStop.takesMs <= graceMs;
  if (isEndedByHook) return { name, atMs: hookMs, exitCode: preStop.exitCode ?? 0 };
  const termMs = Math.max(hookMs, Math.min(turnMs, graceMs));
  const leftMs = Math.max(graceMs - termMs, LEAST_MS);
  return afterMs <= leftMs
    ? { name, atMs: termMs + afterMs, exitCode }
    : { name, atMs: termMs + leftMs, exitCode: KILLED };
}
