import type { ContainerStatus, Pod, PodCondition, PodStatus } from "../kube/types.ts";
import { withCondition } from "./controllers/conditions.ts";
import { apiTime } from "./clock.ts";
import { isRestarted, type ContainerEnd, type ContainerNow } from "./container-runs.ts";
import type { ContainerStart } from "./pod-runtime.ts";

/** The status a kubelet writes for a pod that was started; see kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle. */
export function startedStatus(
  pod: Pod,
  start: { podIPs: readonly string[]; containers: readonly ContainerNow[] },
  hostIPs: readonly string[],
  now: string,
): PodStatus {
  const containerStatuses = start.containers.map((container) => containerStatus(pod, container));
  const phase = phaseOf(pod, start.containers);
  const hasEnded = phase === "Succeeded" || phase === "Failed";
  const notReady = start.containers.filter(
    (container) => container.state.kind !== "running" || container.notReady !== undefined,
  );
  const faults = notReady.flatMap((container) => container.notReady ?? []);
  const readiness: Omit<PodCondition, "type"> =
    notReady.length === 0
      ? { status: "True" }
      : {
          status: "False",
          reason: hasEnded ? (phase === "Succeeded" ? "PodCompleted" : "PodFailed") : "ContainersNotReady",
          // The API gives the reason in an Event only; here it stands where whoever waits for the pod looks.
          message: [`containers with unready status: [${notReady.map(({ name }) => name).join(" ")}]`, ...faults].join(
            ": ",
          ),
        };
  const set: PodCondition[] = [
    { type: "PodScheduled", status: "True" },
    { type: "Initialized", status: "True", ...(hasEnded ? { reason: "PodCompleted" } : {}) },
    { type: "ContainersReady", ...readiness },
    { type: "Ready", ...readiness },
  ];
  return {
    ...baseStatus(pod, hostIPs, now),
    ...addresses(start.podIPs),
    phase,
    conditions: conditions(pod, set, now),
    containerStatuses,
  };
}

/** The status of a pod whose network or processes could not be made; it stays Pending and is tried again. */
export function failedStatus(pod: Pod, error: Error, hostIPs: readonly string[], now: string): PodStatus {
  const message = `containers with unready status: [${pod.spec.containers.map(({ name }) => name).join(" ")}]`;
  const unready = { status: "False", reason: "ContainersNotReady", message } as const;
  const set: PodCondition[] = [
    { type: "PodScheduled", status: "True" },
    { type: "Initialized", status: "True" },
    { type: "ContainersReady", ...unready },
    { type: "Ready", ...unready },
  ];
  const waiting = { waiting: { reason: "ContainerCreating", message: error.message } };
  const containerStatuses = pod.spec.containers.map(({ name, image }) => ({
    name,
    image,
    imageID: "",
    ready: false,
    started: false,
    restartCount: 0,
    state: waiting,
  }));
  return {
    ...baseStatus(pod, hostIPs, now),
    phase: "Pending",
    conditions: conditions(pod, set, now),
    containerStatuses,
  };
}

function baseStatus(pod: Pod, hostIPs: readonly string[], now: string): PodStatus {
  const host = hostIPs[0] === undefined ? {} : { hostIP: hostIPs[0], hostIPs: hostIPs.map((ip) => ({ ip })) };
  return { ...pod.status, ...host, startTime: pod.status?.startTime ?? now };
}

function addresses(podIPs: readonly string[]): Pick<PodStatus, "podIP" | "podIPs"> {
  return podIPs[0] === undefined ? {} : { podIP: podIPs[0], podIPs: podIPs.map((ip) => ({ ip })) };
}

function conditions(pod: Pod, set: readonly PodCondition[], now: string): PodCondition[] {
  return set.reduce<PodCondition[]>(
    (all, condition) => withCondition(all, condition, now),
    pod.status?.conditions ?? [],
  );
}

function containerStatus(pod: Pod, run: ContainerNow): ContainerStatus {
  const { name, state, notReady, restartCount, backOffMs, isStarted, sinceMs, endedMs = sinceMs, last } = run;
  const image =
    [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].find((container) => container.name === name)?.image ??
    "";
  const base = { name, image, imageID: "", restartCount };
  const ended = last === undefined ? {} : { lastState: { terminated: terminated(last) } };
  if (state.kind === "running") {
    const ready = isStarted && notReady === undefined;
    return { ...base, ready, started: isStarted, state: { running: { startedAt: apiTime(sinceMs) } }, ...ended };
  }
  if (state.kind === "waiting")
    return {
      ...base,
      ready: false,
      started: false,
      state: { waiting: { reason: state.reason, message: state.message } },
    };
  const { exitCode, message } = state;
  const end = terminated({ exitCode, message, startedMs: sinceMs, endedMs });
  // Without a wait it is started again already.
  if (backOffMs === undefined || backOffMs === 0)
    return { ...base, ready: false, started: false, state: { terminated: end }, ...ended };
  const backOff = `back-off ${goDuration(backOffMs)} restarting failed container`;
  const waiting = { reason: "CrashLoopBackOff", message: message === "" ? backOff : `${backOff}: ${message}` };
  return { ...base, ready: false, started: false, state: { waiting }, lastState: { terminated: end } };
}

function terminated({ exitCode, message, startedMs, endedMs }: ContainerEnd): Record<string, unknown> {
  const reason = exitCode === 0 ? "Completed" : "Error";
  return {
    exitCode,
    reason,
    ...(message === "" ? {} : { message }),
    startedAt: apiTime(startedMs),
    finishedAt: apiTime(endedMs),
  };
}

/** 40s, 1m20s, 5m0s: as Go's time.Duration prints whole seconds. */
function goDuration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}

/** Running while a container runs or is to be started again, else how they ended. */
function phaseOf(pod: Pod, containers: readonly ContainerStart[]): NonNullable<PodStatus["phase"]> {
  if (containers.every(({ state }) => state.kind === "waiting")) return "Pending";
  const ended = containers.flatMap(({ state }) =>
    state.kind === "exited" && !isRestarted(pod, state.exitCode) ? [state.exitCode] : [],
  );
  if (ended.length < containers.length) return "Running";
  return ended.every((exitCode) => exitCode === 0) ? "Succeeded" : "Failed";
}
