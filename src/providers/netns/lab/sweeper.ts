import { fstatSync } from "node:fs";
import { availableParallelism } from "node:os";
import type { NamespaceOrder } from "../../../kernel/namespace-supply.ts";
import { SweepThread } from "./sweep-thread.ts";
import type { PackedTargets, SweepPart, SweepRequest } from "./sweep-worker.ts";

/** From here on two threads are worth what it takes to tell both: starting a probe is most of it, 10 µs or so. */
const MANY_TARGETS = 200;

/** For so long after flows have ended their records might be taken for later ones' by the time at which they were written. */
const SOON_MS = 50;

/** Runs sweeps on threads of their own: small ones on the first, large ones on two, a half of the sources each. */
export class Sweeper {
  private readonly first = new SweepThread();
  /** Loaded while the first large sweep runs. */
  private second: SweepThread | undefined;
  private running = 0;
  private endedMs = Number.NEGATIVE_INFINITY;

  /** Has namespaces made on this otherwise idle thread. */
  makeNamespaces(order: NamespaceOrder): void {
    this.first.makeNamespaces(order);
  }

  /** Flows that may have been dropped are over by now: a command's. */
  flowsEnded(): void {
    this.endedMs = performance.now();
  }

  /** What each thread saw of its part. */
  async sweep(asked: Omit<SweepRequest, "id" | "isSoon">): Promise<SweepPart[]> {
    const isSoon = this.running > 0 || performance.now() - this.endedMs < SOON_MS;
    this.running += 1;
    try {
      return await this.onThreads({ ...asked, isSoon });
    } finally {
      this.running -= 1;
      this.flowsEnded();
    }
  }

  private async onThreads(request: Omit<SweepRequest, "id">): Promise<SweepPart[]> {
    if (request.targets.places.length < MANY_TARGETS || availableParallelism() < 2)
      return [await this.first.sweep(request)];
    this.second ??= new SweepThread();
    if (!this.second.isReady) return [await this.first.sweep(request)];
    const [here, there] = halvesOf(request.targets);
    return Promise.all([
      this.first.sweep({ ...request, targets: here }),
      this.second.sweep({ ...request, targets: there }),
    ]);
  }
}

/**
 * A namespace is always of the same half, so that one thread knows which source ports were given there (`bindInTurn`), and sees all
 * flows that may share one.
 */
function halvesOf(targets: PackedTargets): [PackedTargets, PackedTargets] {
  const { netnsFds } = targets;
  const halfOf = new Map<number, 0 | 1>();
  const halves: [number[], number[]] = [[], []];
  for (const [index, fd] of netnsFds.entries()) {
    let half = halfOf.get(fd);
    if (half === undefined) halfOf.set(fd, (half = halfOfNamespace(fstatSync(fd).ino)));
    halves[half].push(index);
  }
  return [partOf(targets, halves[0]), partOf(targets, halves[1])];
}

function partOf({ places, netnsFds, to, destinations }: PackedTargets, indexes: readonly number[]): PackedTargets {
  const pick = (list: Int32Array): Int32Array => Int32Array.from(indexes, (index) => list[index] as number);
  return { places: pick(places), netnsFds: pick(netnsFds), to: pick(to), destinations };
}

/** The kernel numbers namespaces (nsfs inodes) in turn, but not one by one. */
function halfOfNamespace(inode: number): 0 | 1 {
  // Fibonacci hashing: neighbouring numbers are spread over all of the word.
  return Math.imul(inode, 0x9e_37_79_b1) < 0 ? 1 : 0;
}
