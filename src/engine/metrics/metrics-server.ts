import type { Pod } from "../../kube/types.ts";
import type { Clock } from "../clock.ts";
import { conditionOf } from "../controllers/conditions.ts";
import type { ObjectStore } from "../store/store.ts";
import { cpuCostNs } from "./cpu-cost.ts";

/** How often the counts are read; the window of a figure is the time between two readings. Real clusters of a lab have the same. */
export const RESOLUTION_MS = 10_000;

/** How many requests the servers of each container have answered since the pod started, by the pod's uid. */
export interface RequestReading {
  /** Milliseconds since the epoch. */
  atMs: number;
  pods: ReadonlyMap<string, ReadonlyMap<string, number>>;
}

/** What a pod did in the window before `atMs`. */
export interface PodUsage {
  atMs: number;
  windowMs: number;
  /** Requests a second of all its containers. */
  requestRate: number;
  /** Billionths of a CPU, in the order of the pod's containers. */
  containers: { name: string; nanocores: number }[];
}

export interface MetricsServerOptions {
  store: ObjectStore;
  clock: Clock;
  read: () => Promise<RequestReading>;
}

/**
 * The model of metrics-server: pods' CPU is the requests that their servers answered, each at the cost that the pod declares
 * ({@link cpuCostNs}), since no pod is a process here. As there, a figure takes two readings, and pods of a node that is not ready have none.
 */
export class MetricsServer {
  private readonly options: MetricsServerOptions;
  private last: RequestReading | undefined;
  private before: RequestReading | undefined;
  private cancel: () => void = () => undefined;
  private isClosed = false;

  constructor(options: MetricsServerOptions) {
    this.options = options;
    void this.readOn();
  }

  close(): void {
    this.isClosed = true;
    this.cancel();
  }

  /** Undefined for a pod that has not run for two readings. */
  usageOf({ metadata, spec }: Pod): PodUsage | undefined {
    const { last, before } = this;
    const now = last?.pods.get(metadata.uid ?? "");
    const then = before?.pods.get(metadata.uid ?? "");
    if (last === undefined || before === undefined || now === undefined || then === undefined) return undefined;
    if (!this.isReachable(spec.nodeName)) return undefined;
    const windowMs = last.atMs - before.atMs;
    const seconds = windowMs / 1000;
    const cost = cpuCostNs(metadata.annotations);
    const answered = spec.containers.map(({ name }) => (now.get(name) ?? 0) - (then.get(name) ?? 0));
    return {
      atMs: last.atMs,
      windowMs,
      requestRate: answered.reduce((sum, count) => sum + count, 0) / seconds,
      containers: spec.containers.map(({ name }, index) => ({
        name,
        nanocores: Math.round(((answered[index] ?? 0) * cost) / seconds),
      })),
    };
  }

  /** Of the newest figures; undefined before the second reading, and for a node that is not ready. */
  windowOf(node: string): { atMs: number; windowMs: number } | undefined {
    const { last, before } = this;
    if (last === undefined || before === undefined || !this.isReachable(node)) return undefined;
    return { atMs: last.atMs, windowMs: last.atMs - before.atMs };
  }

  /** A kubelet that does not report is not asked, either. */
  private isReachable(node: string | undefined): boolean {
    const object = this.options.store.get("Node", node ?? "");
    return conditionOf(object?.status?.conditions, "Ready")?.status === "True";
  }

  private async readOn(): Promise<void> {
    const { read, clock } = this.options;
    const reading = await read();
    if (this.isClosed) return;
    this.before = this.last;
    this.last = reading;
    this.cancel = clock.after(RESOLUTION_MS, () => void this.readOn());
  }
}
