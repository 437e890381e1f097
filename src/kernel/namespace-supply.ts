import { SystemCallError } from "./libc.ts";
import { NetworkNamespace } from "./namespace.ts";
import type { NetOp } from "./net-ops.ts";
import { NetworkHost } from "./network-host.ts";

/** Words of the shared memory: how many were asked for, how many of those somebody makes, then a ring of results. */
const ASKED = 0;
const CLAIMED = 1;
const FIRST = 2;
const SLOTS = 1024;
/** A namespace takes a third of a millisecond; a thread that holds one up this long is lost. */
const LOST_MS = 10_000;
/** Beside a descriptor: the operations were refused. Who takes it tries them again, and is told why. */
const UNCONFIGURED = 1 << 30;

/** What the other thread is told: memory that both share, and what each namespace gets. */
export interface NamespaceOrder {
  words: Int32Array;
  ops: readonly NetOp[];
}

/**
 * Network namespaces made ahead of their use by two threads: the owner asks as soon as it knows that it will need some,
 * another thread makes them meanwhile ({@link makeNamespaces}), and the owner makes what is not yet made when it takes them.
 */
export class NamespaceSupply {
  readonly order: NamespaceOrder;
  private readonly words = new Int32Array(new SharedArrayBuffer((FIRST + SLOTS) * Int32Array.BYTES_PER_ELEMENT));
  private taken = 0;

  /** Each namespace has `ops` carried out in it; none of them may concern another namespace. */
  constructor(ops: readonly NetOp[] = []) {
    this.order = { words: this.words, ops };
  }

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

  /**
   * Throws {@link SystemCallError} where the host's limits allow no more (EMFILE, ENOSPC), and what {@link NetworkHost.configure} throws where the
   * operations are refused.
   */
  take(name: string): NetworkHost {
    this.want(1);
    const slot = FIRST + (this.taken % SLOTS);
    this.taken += 1;
    while (Atomics.load(this.words, slot) === 0) {
      if (makeNext(this.order)) continue;
      if (Atomics.wait(this.words, slot, 0, LOST_MS) === "timed-out")
        throw new Error(`the thread that makes the network namespace for ${name} is lost`);
    }
    const result = Atomics.exchange(this.words, slot, 0);
    if (result < 0) throw new SystemCallError("unshare", -result, `network namespace for ${name}`);
    const namespace = NetworkNamespace.adopt(name, (result & ~UNCONFIGURED) - 1);
    if ((result & UNCONFIGURED) === 0) return NetworkHost.in(namespace, this.order.ops);
    try {
      return configured(namespace, this.order.ops);
    } catch (error) {
      namespace.close();
      throw error;
    }
  }
}

function configured(namespace: NetworkNamespace, ops: readonly NetOp[]): NetworkHost {
  const host = NetworkHost.in(namespace);
  try {
    host.configure(ops, (key) => {
      throw new Error(`no other namespace is meant: ${key}`);
    });
    return host;
  } finally {
    host.release();
  }
}

/** Makes the namespaces that are asked for until there are none left; on any thread of the process. */
export function makeNamespaces(order: NamespaceOrder): void {
  while (makeNext(order));
}

/** One of those asked for; false where somebody makes each of them. A result is a descriptor plus one, or minus an errno. */
function makeNext({ words, ops }: NamespaceOrder): boolean {
  const next = Atomics.load(words, CLAIMED);
  if (next >= Atomics.load(words, ASKED)) return false;
  if (Atomics.compareExchange(words, CLAIMED, next, next + 1) !== next) return true;
  const slot = FIRST + (next % SLOTS);
  Atomics.store(words, slot, madeOrErrno(ops));
  Atomics.notify(words, slot);
  return true;
}

function madeOrErrno(ops: readonly NetOp[]): number {
  let namespace: NetworkNamespace;
  try {
    namespace = NetworkNamespace.create("a pod");
  } catch (error) {
    // Node's own errors have the number negative.
    if (error instanceof Error && "errno" in error && typeof error.errno === "number") return -Math.abs(error.errno);
    throw error;
  }
  try {
    configured(namespace, ops);
    return namespace.fd + 1;
  } catch {
    return (namespace.fd + 1) | UNCONFIGURED;
  }
}
