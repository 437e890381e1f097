import { asError } from "../core/as-error.ts";
import type { Pod } from "../kube/types.ts";
import type { Clock } from "./clock.ts";
import { dueFailures, dueRestarts, firstRuns, killedRun, nextRun, notStarted, runsNow } from "./container-runs.ts";
import type { ContainerNow, ContainerRun, DueFailures } from "./container-runs.ts";
import type { EventType } from "./event-recorder.ts";
import type { ContainerStart, PodRuntime, PodStart } from "./pod-runtime.ts";

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

/**
 * The containers of a pod that was started: tells what they are when a probe or a back-off has had its time, ends those whose
 * startup or liveness probe has failed, and starts again what ended. One thing at a time.
 */
export class RunningPod {
  private readonly podIPs: string[];
  private readonly host: PodHost;
  private runs: ContainerRun[];
  private isBusy = false;
  private isClosed = false;
  private cancelTell: (() => void) | undefined;
  private cancelKill: (() => void) | undefined;

  constructor(pod: Pod, { podIPs, containers }: PodStart, host: PodHost) {
    this.podIPs = podIPs;
    this.host = host;
    this.runs = firstRuns(pod, containers, host.clock.nowMs());
  }

  /** Does and tells nothing further. */
  close(): void {
    this.isClosed = true;
    this.cancelTell?.();
    this.cancelKill?.();
  }

  /** Writes the pod's status as it is now, after what is due is begun; and again when something is due next. */
  tell(): void {
    const { clock } = this.host;
    this.cancelTell?.();
    const pod = this.host.current();
    if (this.isClosed || pod === undefined) return;
    const nowMs = clock.nowMs();
    if (!this.isBusy) this.doDue(pod, nowMs);
    const { containers, nextMs } = runsNow(pod, this.runs, nowMs);
    this.host.write(pod, { podIPs: this.podIPs, containers });
    if (nextMs !== undefined) this.cancelTell = clock.after(nextMs, () => this.tell());
  }

  private doDue(pod: Pod, nowMs: number): void {
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
    const { runtime, clock, event, track } = this.host;
    const willRestart = pod.spec.restartPolicy === "Never" ? "" : ", will be restarted";
    const why = new Map(failed.map(({ name, probe }) => [name, `Container ${name} failed ${probe} probe`]));
    for (const text of why.values()) event(pod, "Normal", "Killing", `${text}${willRestart}`);
    this.isBusy = true;
    void track(runtime.kill(pod, [...why.keys()])).then(
      () => {
        const nowMs = clock.nowMs();
        this.runs = this.runs.map((run) => {
          const message = why.get(run.name);
          return message === undefined ? run : killedRun(pod, run, message, nowMs);
        });
        this.proceed();
      },
      (error: unknown) => {
        event(pod, "Warning", "FailedKillPod", asError(error).message);
        if (!this.isClosed) this.cancelKill = clock.after(KILL_RETRY_MS, () => this.proceed());
      },
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
  }
}
