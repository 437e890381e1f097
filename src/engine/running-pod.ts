import { asError } from "../core/as-error.ts";
import type { Pod } from "../kube/types.ts";
import type { Clock } from "./clock.ts";
import {
  dueFailures,
  dueRestarts,
  endedRun,
  firstRuns,
  finishedRun,
  nextRun,
  notStarted,
  runsNow,
  TERMINATED,
} from "./container-runs.ts";
import type { ContainerNow, ContainerRun, DueFailures } from "./container-runs.ts";
import type { EventType } from "./event-recorder.ts";
import type { ContainerStart, PodRuntime, PodStart } from "./pod-runtime.ts";
import { comingEnds, LEAST_MS, type ComingEnd } from "./pod-termination.ts";

const KILL_RETRY_MS = 1000;

/** What a pod that runs asks of its kubelet. */
export interface PodHost {
  clock: Clock;
  runtime: Pick<PodRuntime, "restart" | "kill">;
  /** The pod's object; undefined where nothing is told or done: it is gone or has ended, or its node's kubelet is stopped. */
  current(): Pod | undefined;
  write(pod: Pod, told: { podIPs: readonly string[]; containers: readonly ContainerNow[] }): void;
  /** Work during which the kubelet is not idle. */
  track<Result>(work: Promise<Result>): Promise<Result>;
  event(pod: Pod, type: EventType, reason: string, message: string): void;
}

/** The end of a pod that was deleted. */
interface Ending {
  graceMs: number;
  /** When it began. */
  sinceMs: number;
  done: () => void;
  /** Of the containers that still run; undefined before it is known which do. */
  ends?: ComingEnd[];
}

/**
 * The containers of a pod that was started: tells what they are when a probe or a back-off has had its time, ends those whose
 * startup or liveness probe has failed, starts again what ended, and in the end lets all of them end. One thing at a time.
 */
export class RunningPod {
  private readonly pod: Pod;
  private readonly podIPs: string[];
  private readonly host: PodHost;
  private runs: ContainerRun[];
  /** Exit codes of containers that ended by themselves and are not yet told of. */
  private readonly exits = new Map<string, number>();
  private isBusy = false;
  private isClosed = false;
  private cancelTell: (() => void) | undefined;
  private cancelKill: (() => void) | undefined;
  private cancelEnd: (() => void) | undefined;
  private ending: Ending | undefined;

  constructor(pod: Pod, { podIPs, containers }: PodStart, host: PodHost) {
    this.pod = pod;
    this.podIPs = podIPs;
    this.host = host;
    this.runs = firstRuns(pod, containers, host.clock.nowMs());
  }

  /** Does and tells nothing further. */
  close(): void {
    this.isClosed = true;
    this.cancelTell?.();
    this.cancelKill?.();
    this.cancelEnd?.();
  }

  /**
   * Lets the containers end within the grace period; those whose probes pass are ready until then. `done` is called when none is left but
   * such as end now. A second call shortens the time: what was told to end has so much left, and 2 s at least.
   */
  terminate(graceMs: number, done: () => void): void {
    const nowMs = this.host.clock.nowMs();
    const { ending } = this;
    if (ending?.ends !== undefined) {
      const latestMs = nowMs - ending.sinceMs + Math.max(graceMs, LEAST_MS);
      ending.ends = ending.ends.map((end) => (end.atMs <= latestMs ? end : { ...end, atMs: latestMs, exitCode: 137 }));
    } else this.ending = { graceMs, sinceMs: nowMs, done };
    if (!this.isBusy) this.end();
  }

  /** Carries on with the end of the pod: ends the containers whose time has come. */
  private end(): void {
    const { ending } = this;
    if (ending === undefined || this.isClosed) return;
    const { clock } = this.host;
    const nowMs = clock.nowMs();
    ending.ends ??= this.firstEnds(ending);
    const due = ending.ends.filter(({ atMs }) => ending.sinceMs + atMs <= nowMs);
    const left = ending.ends.filter((end) => !due.includes(end));
    this.cancelEnd?.();
    if (left.length === 0) {
      ending.done();
      return;
    }
    const nextMs = ending.sinceMs + Math.min(...left.map(({ atMs }) => atMs)) - nowMs;
    if (due.length > 0) this.finish(ending, due, left);
    else this.cancelEnd = clock.after(nextMs, () => this.end());
  }

  /** A running container's process has ended by itself. */
  exited(name: string, exitCode: number): void {
    if (!this.runs.some((run) => run.name === name && run.state.kind === "running")) return;
    const { ending } = this;
    if (ending?.ends !== undefined) {
      const atMs = this.host.clock.nowMs() - ending.sinceMs;
      ending.ends = ending.ends.map((end) => (end.name === name && end.atMs > atMs ? { ...end, atMs, exitCode } : end));
      if (!this.isBusy) this.end();
      return;
    }
    this.exits.set(name, exitCode);
    this.tell();
  }

  /** Writes the pod's status as it is now, after what is due is begun; and again when something is due next. */
  tell(): void {
    const { clock } = this.host;
    this.cancelTell?.();
    const pod = this.host.current();
    if (this.isClosed || pod === undefined) return;
    const nowMs = clock.nowMs();
    // What is on its way out is neither killed for a probe nor started again.
    if (!this.isBusy && this.ending === undefined) this.doDue(pod, nowMs);
    const { containers, nextMs } = runsNow(pod, this.runs, nowMs);
    this.host.write(pod, { podIPs: this.podIPs, containers });
    if (nextMs !== undefined) this.cancelTell = clock.after(nextMs, () => this.tell());
  }

  private firstEnds({ graceMs }: Ending): ComingEnd[] {
    for (const { state, stop } of this.runs)
      if (state.kind === "running" && stop?.preStop?.fault !== undefined)
        this.host.event(this.pod, "Warning", "FailedPreStopHook", `PreStopHook failed: ${stop.preStop.fault}`);
    return comingEnds(this.pod, this.runs, graceMs);
  }

  private finish(ending: Ending, due: readonly ComingEnd[], left: ComingEnd[]): void {
    const { runtime, clock, track } = this.host;
    const names = due.map(({ name }) => name);
    this.isBusy = true;
    void track(runtime.kill(this.pod, names)).then(
      () => {
        const nowMs = clock.nowMs();
        this.runs = this.runs.map((run) => {
          const end = due.find(({ name }) => name === run.name);
          return end === undefined ? run : finishedRun(run, end.exitCode, nowMs);
        });
        ending.ends = left;
        this.proceed();
      },
      (error: unknown) => this.killLater(error),
    );
  }

  private killLater(error: unknown): void {
    const { clock, event } = this.host;
    event(this.pod, "Warning", "FailedKillPod", asError(error).message);
    if (!this.isClosed) this.cancelKill = clock.after(KILL_RETRY_MS, () => this.proceed());
  }

  private doDue(pod: Pod, nowMs: number): void {
    if (this.exits.size > 0) {
      this.endContainers(pod, new Map([...this.exits].map(([name, exitCode]) => [name, { exitCode, message: "" }])));
      return;
    }
    const failures = dueFailures(pod, this.runs, nowMs);
    for (const { message, count } of failures)
      for (let told = 0; told < count; told += 1) this.host.event(pod, "Warning", "Unhealthy", message);
    this.runs = this.runs.map((run) => {
      const count = failures.find(({ name }) => name === run.name)?.count ?? 0;
      return { ...run, failuresTold: run.failuresTold + count };
    });
    const last = failures.filter(({ isLast }) => isLast);
    if (last.length > 0) {
      this.kill(pod, last);
      return;
    }
    const due = dueRestarts(this.runs, nowMs);
    if (due.length > 0) this.restart(pod, due);
  }

  private kill(pod: Pod, failed: readonly DueFailures[]): void {
    const { event } = this.host;
    const willRestart = pod.spec.restartPolicy === "Never" ? "" : ", will be restarted";
    const why = failed.map(({ name, probe }) => [name, `Container ${name} failed ${probe} probe`] as const);
    for (const [, text] of why) event(pod, "Normal", "Killing", `${text}${willRestart}`);
    this.endContainers(pod, new Map(why.map(([name, message]) => [name, { exitCode: TERMINATED, message }])));
  }

  private endContainers(pod: Pod, ends: ReadonlyMap<string, { exitCode: number; message: string }>): void {
    const { runtime, clock, track } = this.host;
    this.isBusy = true;
    void track(runtime.kill(pod, [...ends.keys()])).then(
      () => {
        const nowMs = clock.nowMs();
        for (const name of ends.keys()) this.exits.delete(name);
        this.runs = this.runs.map((run) => {
          const end = ends.get(run.name);
          return end === undefined ? run : endedRun(pod, run, end, nowMs);
        });
        this.proceed();
      },
      (error: unknown) => this.killLater(error),
    );
  }

  private restart(pod: Pod, names: readonly string[]): void {
    const { runtime, clock, track } = this.host;
    this.isBusy = true;
    const starting = runtime
      .restart(pod, names)
      .catch((error: unknown): ContainerStart[] => names.map((name) => notStarted(name, asError(error))));
    void track(starting).then((starts) => {
      this.runs = this.runs.map((run) => {
        const start = starts.find(({ name }) => name === run.name);
        return start === undefined ? run : nextRun(pod, run, start, clock.nowMs());
      });
      this.proceed();
    });
  }

  private proceed(): void {
    this.isBusy = false;
    this.tell();
    this.end();
  }
}
