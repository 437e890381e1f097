import { fstatSync } from "node:fs";
import { availableParallelism } from "node:os";
import type { NamespaceOrder } from "../../../kernel/namespace-supply.ts";
import type { ProbeTarget } from "../../../kernel/probe-round.ts";
import type { SweepResult } from "../../types.ts";
import { SweepThread } from "./sweep-thread.ts";
import type { SweepRequest } from "./sweep-worker.ts";

/** From here on two threads are worth what it takes to tell both: starting a probe is most of it, 10 µs or so. */
const MANY_TARGETS = 200;

/** Runs sweeps on threads of their own: small ones on the first, large ones on two, a half of the sources each. */
export class Sweeper {
  private readonly first = new SweepThread();
  /** Loaded while the first large sweep runs. */
  private second: SweepThread | undefined;

  /** Has namespaces made on this otherwise idle thread. */
  makeNamespaces(order: NamespaceOrder): void {
    this.first.makeNamespaces(order);
  }

  async sweep(request: Omit<SweepRequest, "id">): Promise<SweepResult> {
    if (request.targets.length < MANY_TARGETS || availableParallelism() < 2) return this.first.sweep(request);
    this.second ??= new SweepThread();
    if (!this.second.isReady) return this.first.sweep(request);
    const [here, there] = halvesOf(request.targets);
    const all = await Promise.all([
      this.first.sweep({ ...request, targets: here }),
      this.second.sweep({ ...request, targets: there }),
    ]);
    return {
      cells: all.flatMap(({ cells }) => cells),
      durationMs: Math.max(...all.map(({ durationMs }) => durationMs)),
      retransmits: all.reduce((sum, { retransmits }) => sum + retransmits, 0),
    };
  }
}

/**
 * A namespace is always of the same half, so that one thread knows which source ports were given there (`bindInTurn`), and sees all
 * flows that may share one.
 */
function halvesOf(targets: readonly ProbeTarget[]): [ProbeTarget[], ProbeTarget[]] {
  const halves: [ProbeTarget[], ProbeTarget[]] = [[], []];
  const halfOf = new Map<number, 0 | 1>();
  for (const target of targets) {
    let half = halfOf.get(target.netnsFd);
    if (half === undefined) halfOf.set(target.netnsFd, (half = halfOfNamespace(fstatSync(target.netnsFd).ino)));
    halves[half].push(target);
  }
  return halves;
}

/** The kernel numbers namespaces (nsfs inodes) in turn, but not one by one. */
function halfOfNamespace(inode: number): 0 | 1 {
  // Fibonacci hashing: neighbouring numbers are spread over all of the word.
  return Math.imul(inode, 0x9e_37_79_b1) < 0 ? 1 : 0;
}
