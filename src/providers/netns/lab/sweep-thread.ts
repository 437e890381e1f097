import { Worker } from "node:worker_threads";
import { LabError } from "../../../core/errors.ts";
import { installed } from "../../../core/installation.ts";
import type { NamespaceOrder } from "../../../kernel/namespace-supply.ts";
import type { SweepPart, SweepReply, SweepRequest, WorkerRequest } from "./sweep-worker.ts";

/** A thread that probes: one that waits in epoll must not hold up the lab's control loops. */
export class SweepThread {
  /** It has loaded, and answers at once. */
  isReady = false;
  private readonly worker = new Worker(installed("dist/providers/netns/lab/sweep-worker.js"), {
    // It opens namespaces that other threads close.
    trackUnmanagedFds: false,
  });
  private readonly pending = new Map<number, { resolve(result: SweepPart): void; reject(error: Error): void }>();
  private nextId = 1;
  /** Why there will be no more answers. */
  private ended: LabError | undefined;

  constructor() {
    this.worker.on("message", (reply: SweepReply) => {
      if ("isReady" in reply) {
        this.isReady = true;
        return;
      }
      const pending = this.pending.get(reply.id);
      this.pending.delete(reply.id);
      if ("error" in reply) pending?.reject(new LabError("SWEEP_FAILED", `the prober failed: ${reply.error}`));
      else pending?.resolve(reply.result);
    });
    this.worker.on("error", (cause) => {
      const error = new LabError(
        "SWEEP_FAILED",
        `the prober's thread ended: ${cause instanceof Error ? cause.message : String(cause)}`,
        { cause },
      );
      this.ended = error;
      this.isReady = false;
      for (const { reject } of this.pending.values()) reject(error);
      this.pending.clear();
    });
  }

  makeNamespaces(order: NamespaceOrder): void {
    this.worker.postMessage({ namespaces: order } satisfies WorkerRequest);
  }

  sweep(request: Omit<SweepRequest, "id">): Promise<SweepPart> {
    if (this.ended !== undefined) return Promise.reject(this.ended);
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
      this.worker.postMessage({ ...request, id } satisfies WorkerRequest);
    });
  }
}
