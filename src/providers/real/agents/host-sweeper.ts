import { Worker } from "node:worker_threads";
import { LabError } from "../../../core/errors.ts";
import { installed } from "../../../core/installation.ts";
import type { ProbeOutcome, ProbeTarget } from "../../../kernel/probe-round.ts";
import type { SweepReply, SweepRequest } from "./sweep-worker.ts";

/**
 * The prober on a thread of its own, started when first needed: it waits in epoll, and tools must start meanwhile. Sweeps that
 * are asked for side by side run side by side there.
 */
export class HostSweeper {
  private worker: Worker | undefined;
  private readonly pending = new Map<number, { resolve(outcomes: ProbeOutcome[]): void; reject(error: Error): void }>();
  private nextId = 1;

  /** Rejects with SWEEP_FAILED where the thread fails; a later call starts a new one. */
  sweep(targets: ProbeTarget[], deadlineMs: number): Promise<ProbeOutcome[]> {
    const worker = (this.worker ??= this.start());
    const id = this.nextId++;
    worker.ref();
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
      worker.postMessage({ id, targets, deadlineMs } satisfies SweepRequest);
    });
  }

  async close(): Promise<void> {
    const worker = this.worker;
    this.worker = undefined;
    await worker?.terminate();
    this.fail(new LabError("SWEEP_FAILED", "the prober was closed"));
  }

  private start(): Worker {
    const worker = new Worker(installed("dist/providers/real/agents/sweep-worker.js"));
    // Only a sweep under way keeps this program running.
    worker.unref();
    worker.on("message", (reply: SweepReply) => {
      const pending = this.pending.get(reply.id);
      this.pending.delete(reply.id);
      if (this.pending.size === 0) worker.unref();
      if ("error" in reply) pending?.reject(new LabError("SWEEP_FAILED", `the prober failed: ${reply.error}`));
      else pending?.resolve(reply.outcomes);
    });
    worker.on("error", (cause) => {
      if (this.worker === worker) this.worker = undefined;
      const reason = cause instanceof Error ? cause.message : String(cause);
      this.fail(new LabError("SWEEP_FAILED", `the prober's thread ended: ${reason}`, { cause }));
    });
    return worker;
  }

  private fail(error: LabError): void {
    for (const { reject } of this.pending.values()) reject(error);
    this.pending.clear();
  }
}
