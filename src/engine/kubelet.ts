import { asError } from "../core/as-error.ts";
import type { Pod } from "../kube/types.ts";
import { apiTime, type Clock } from "./clock.ts";
import type { EventType } from "./event-recorder.ts";
import type { PodRuntime, PodStart, PodStartFailure } from "./pod-runtime.ts";
import { uidOf, type PodState } from "./pod-state.ts";
import { failedStatus, startedStatus } from "./pod-status.ts";
import { isPodTerminal } from "../kube/pods.ts";
import { RunningPod } from "./running-pod.ts";
import type { PodHost } from "./running-pod.ts";
import type { StoreEvent } from "./store/history.ts";
import type { ObjectStore } from "./store/store.ts";

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 10_000;
/** Of more pods the first already have their servers started, on another thread, while the next get their network. */
const STARTED_TOGETHER = 200;

export interface KubeletOptions {
  store: ObjectStore;
  clock: Clock;
  runtime: PodRuntime;
  /** Addresses of a node, the primary first; undefined for a node that is not ours. */
  addressesOf(node: string): readonly string[] | undefined;
  onError(pod: Pod, error: Error): void;
  onEvent(pod: Pod, type: EventType, reason: string, message: string): void;
}

/**
 * The kubelets of all nodes: starts each pod bound to a node, writes its status, and stops it when it is deleted. All
 * pods that a turn of the event loop brings are started together, in groups. A container that ended is started again with a back-off.
 */
export class Kubelet {
  private readonly options: KubeletOptions;
  private readonly pods = new Map<string, PodState>();
  private readonly toStart = new Set<string>();
  private readonly toStop = new Set<string>();
  private readonly stopped = new Set<string>();
  /** Pods of stopped nodes whose end is to come. */
  private readonly held = new Map<string, Pod>();
  private waiters: (() => void)[] = [];
  private batches = 0;
  private isScheduled = false;
  private isClosed = false;
  private readonly closeWatch: () => void;

  constructor(options: KubeletOptions) {
    this.options = options;
    const watch = options.store.watch({ kinds: ["Pod"] }, (events) => this.see(events));
    this.closeWatch = () => watch.close();
    for (const pod of options.store.list("Pod")) this.consider(pod);
  }

  get isIdle(): boolean {
    return this.batches === 0 && this.toStart.size === 0 && this.toStop.size === 0;
  }

  /** Resolves once nothing is being started or stopped. A pod that waits for another try does not count. */
  idle(): Promise<void> {
    return this.isIdle ? Promise.resolve() : new Promise((resolve) => this.waiters.push(resolve));
  }

  /** Looks no further; pods that run keep running, their runtime is closed by whoever made it. */
  close(): void {
    this.isClosed = true;
    this.closeWatch();
    for (const { cancelRetry, running } of this.pods.values()) {
      cancelRetry?.();
      running?.close();
    }
    this.toStart.clear();
    this.toStop.clear();
  }

  /** See {@link ControlPlane.setKubeletStopped}. */
  setStopped(node: string, isStopped: boolean): void {
    if (isStopped) {
      this.stopped.add(node);
      return;
    }
    if (!this.stopped.delete(node)) return;
    const isHere = (pod: Pod): boolean => pod.spec.nodeName === node;
    for (const [uid, pod] of [...this.held].filter(([, each]) => isHere(each))) {
      this.held.delete(uid);
      this.terminate(pod);
    }
    for (const pod of this.options.store.list("Pod").filter(isHere)) this.consider(pod);
    for (const state of this.pods.values()) if (isHere(state.pod) && !state.isDoomed) state.running?.tell();
  }

  /** See {@link ControlPlane.containerExited}. */
  containerExited(pod: Pod, container: string, exitCode: number): void {
    this.pods.get(uidOf(pod))?.running?.exited(container, exitCode);
  }

  private see(events: readonly StoreEvent[]): void {
    for (const { type, object } of events) {
      if (type === "DELETED") this.end(object as Pod);
      else this.consider(object as Pod);
    }
  }

  private consider(pod: Pod): void {
    const { nodeName } = pod.spec;
    if (nodeName === undefined || this.options.addressesOf(nodeName) === undefined) return;
    if (this.stopped.has(nodeName) && pod.metadata.deletionTimestamp === undefined) return;
    if (pod.metadata.deletionTimestamp !== undefined) this.terminate(pod);
    else if (!this.pods.has(uidOf(pod)) && !isPodTerminal(pod)) {
      this.pods.set(uidOf(pod), { pod, phase: "starting", isDoomed: false, attempts: 0 });
      this.toStart.add(uidOf(pod));
      this.schedule();
    }
  }

  /** Gives a pod that runs the time to end that its deletion gives it; one without an object, or that does not run, has none. */
  private terminate(pod: Pod): void {
    const state = this.pods.get(uidOf(pod));
    const graceSeconds = state && this.current(state)?.metadata.deletionGracePeriodSeconds;
    const isEnding = state?.running !== undefined && state.phase === "running" && state.hasEnded === undefined;
    if (!isEnding || graceSeconds === undefined || this.stopped.has(pod.spec.nodeName ?? "")) {
      this.end(pod);
      return;
    }
    if (state.graceSeconds !== undefined && state.graceSeconds <= graceSeconds) return;
    state.graceSeconds = graceSeconds;
    state.running?.terminate(graceSeconds * 1000, () => {
      state.hasEnded = true;
      this.end(pod);
    });
  }

  private end(pod: Pod): void {
    const uid = uidOf(pod);
    if (this.stopped.has(pod.spec.nodeName ?? "")) {
      this.held.set(uid, pod);
      return;
    }
    const state = this.pods.get(uid);
    if (state === undefined) {
      this.forget(pod);
      return;
    }
    state.isDoomed = true;
    state.running?.close();
    const isWaiting = state.cancelRetry !== undefined || this.toStart.delete(uid);
    if (state.phase === "stopping" || (state.phase === "starting" && !isWaiting)) return;
    state.cancelRetry?.();
    state.phase = "stopping";
    this.toStop.add(uid);
    this.schedule();
  }

  private schedule(): void {
    if (this.isScheduled || this.isClosed) return;
    this.isScheduled = true;
    setImmediate(() => {
      this.isScheduled = false;
      if (this.isClosed) return;
      this.batch(this.toStop, (states) => this.stop(states));
      this.batch(this.toStart, (states) => this.start(states));
      this.wakeWaiters();
    });
  }

  private batch(uids: Set<string>, work: (states: PodState[]) => Promise<void>): void {
    const states = [...uids].flatMap((uid) => this.pods.get(uid) ?? []);
    uids.clear();
    if (states.length === 0) return;
    this.batches += 1;
    void work(states).then(
      () => this.batchEnded(),
      (error: unknown) => {
        this.batchEnded();
        throw error;
      },
    );
  }

  private batchEnded(): void {
    this.batches -= 1;
    this.wakeWaiters();
  }

  private async start(states: PodState[]): Promise<void> {
    const groups: Promise<void>[] = [];
    for (let from = 0; from < states.length; from += STARTED_TOGETHER)
      groups.push(this.startTogether(states.slice(from, from + STARTED_TOGETHER)));
    await Promise.all(groups);
  }

  private async startTogether(states: PodState[]): Promise<void> {
    const pods = states.map(({ pod }) => pod);
    const results = await this.options.runtime
      .start(pods)
      .catch((error: unknown) => pods.map(() => ({ error: asError(error) })));
    if (this.isClosed) return;
    for (const [index, state] of states.entries())
      this.started(state, results[index] ?? { error: new Error("the runtime gave no result for the pod") });
  }

  private started(state: PodState, result: PodStart | PodStartFailure): void {
    const { store, clock, addressesOf } = this.options;
    const now = apiTime(clock.nowMs());
    const current = this.current(state);
    if (state.isDoomed || current === undefined) {
      state.phase = "running";
      this.end(state.pod);
      return;
    }
    if ("error" in result) {
      const hostIPs = addressesOf(current.spec.nodeName ?? "") ?? [];
      store.updateStatus({ ...current, status: failedStatus(current, result.error, hostIPs, now) });
      this.retry(state, result.error);
      return;
    }
    state.phase = "running";
    state.running = new RunningPod(current, result, this.hostOf(state));
    state.running.tell();
    for (const container of result.containers) {
      if (
        container.state.kind !== "running" &&
        !(container.state.kind === "exited" && container.state.exitCode === 0)
      ) {
        this.options.onError(current, new Error(`container ${container.name}: ${container.state.message}`));
      }
    }
  }

  private hostOf(state: PodState): PodHost {
    const { store, clock, runtime, addressesOf, onEvent } = this.options;
    const { nodeName = "" } = state.pod.spec;
    return {
      clock,
      runtime,
      current: () => {
        const pod = this.stopped.has(nodeName) ? undefined : this.current(state);
        return pod === undefined || isPodTerminal(pod) ? undefined : pod;
      },
      write: (pod, told) => {
        const status = startedStatus(pod, told, addressesOf(nodeName) ?? [], apiTime(clock.nowMs()));
        store.updateStatus({ ...pod, status });
      },
      track: (work) => {
        this.batches += 1;
        return work.finally(() => this.batchEnded());
      },
      event: onEvent,
    };
  }

  private retry(state: PodState, error: Error): void {
    this.options.onError(state.pod, error);
    const delayMs = Math.min(FIRST_RETRY_MS * 2 ** state.attempts, LONGEST_RETRY_MS);
    state.attempts += 1;
    state.cancelRetry = this.options.clock.after(delayMs, () => {
      delete state.cancelRetry;
      if (state.phase === "stopping") this.toStop.add(uidOf(state.pod));
      else this.toStart.add(uidOf(state.pod));
      this.schedule();
    });
  }

  private async stop(states: PodState[]): Promise<void> {
    const error = await this.options.runtime.stop(states.map(({ pod }) => pod)).then(
      () => undefined,
      (reason: unknown) => asError(reason),
    );
    if (this.isClosed) return;
    for (const state of states) {
      if (error !== undefined) this.retry(state, error);
      else {
        this.pods.delete(uidOf(state.pod));
        this.forget(state.pod);
      }
    }
  }

  /** Removes the object of a pod that is stopped; another pod of the same name is left alone. */
  private forget(pod: Pod): void {
    const current = this.options.store.get("Pod", pod.metadata.name, pod.metadata.namespace);
    if (current?.metadata.uid !== pod.metadata.uid || current?.metadata.deletionTimestamp === undefined) return;
    this.options.store.delete(
      { kind: "Pod", namespace: pod.metadata.namespace ?? "", name: pod.metadata.name },
      { gracePeriodSeconds: 0 },
    );
  }

  private current(state: PodState): Pod | undefined {
    const { name, namespace, uid } = state.pod.metadata;
    const pod = this.options.store.get("Pod", name, namespace);
    return pod?.metadata.uid === uid ? pod : undefined;
  }

  private wakeWaiters(): void {
    if (!this.isIdle) return;
    const { waiters } = this;
    this.waiters = [];
    for (const resolve of waiters) resolve();
  }
}
