import { SystemCallError } from "./libc.ts";
import { NetworkNamespace } from "./namespace.ts";

/** Words of the shared memory: how many were asked for, how many of those somebody makes, then a ring of results. */
const ASKED = 0;
const CLAIMED = 1;
const FIRST = 2;
const SLOTS = 1024;
/** A namespace takes a third of a millisecond; a thread that holds one up this long is lost. */
const LOST_MS = 10_000;

/**
 * Network namespaces made ahead of their use by two threads: the owner asks as soon as it knows that it will need some,
 * another thread makes them meanwhile ({@link makeNamespaces}), and the owner makes what is not yet made when it takes them.
 */
export class NamespaceSupply {
  /** For the other thread. */
  readonly words = new Int32Array(new SharedArrayBuffer((FIRST + SLOTS) * Int32Array.BYTES_PER_ELEMENT));
  private taken = 0;

  /** Has `count` namespaces, made or asked for, wait to be taken; false where so many do already. */
  want(count: number): boolean {
    const asked = this.taken + Math.min(count, SLOTS);
    if (asked <= Atomics.load(this.words, ASKED)) return false;
    Atomics.store(this.words, ASKED, asked);
    return true;
  }

  /** Closes what waits beyond `count`. */
  keep(count: number): void {
    while (Atomics.load(this.words, ASKED) - this.taken > count) this.take("nobody").close();
  }

  /** Throws {@link SystemCallError} where the host's limits allow no more (EMFILE, ENOSPC). */
  take(name: string): NetworkNamespace {
    this.want(1);
    const slot = FIRST + (this.taken % SLOTS);
    this.taken += 1;
    while (Atomics.load(this.words, slot) === 0) {
      if (makeNext(this.words)) continue;
      if (Atomics.wait(this.words, slot, 0, LOST_MS) === "timed-out")
        throw new Error(`the thread that makes the network namespace for ${name} is lost`);
    }
    const result = Atomics.exchange(this.words, slot, 0);
    if (result < 0) throw new SystemCallError("unshare", -result, `network namespace for ${name}`);
    return NetworkNamespace.adopt(name, result - 1);
  }
}

/** Makes the namespaces that are asked for until there are none left; on any thread of the process. */
export function makeNamespaces(words: Int32Array): void {
  while (makeNext(words));
}

/** One of those asked for; false where somebody makes each of them. A result is a descriptor plus one, or minus an errno. */
function makeNext(words: Int32Array): boolean {
  const next = Atomics.load(words, CLAIMED);
  if (next >= Atomics.load(words, ASKED)) return false;
  if (Atomics.compareExchange(words, CLAIMED, next, next + 1) !== next) return true;
  const slot = FIRST + (next % SLOTS);
  Atomics.store(words, slot, madeOrErrno());
  Atomics.notify(words, slot);
  return true;
}

function madeOrErrno(): number {
  try {
    return NetworkNamespace.create("a pod").fd + 1;
  } catch (error) {
    // Node's own errors have the number negative.
    if (error instanceof Error && "errno" in error && typeof error.errno === "number") return -Math.abs(error.errno);
    throw error;
  }
}
