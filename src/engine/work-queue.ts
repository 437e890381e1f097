import type { Clock } from "./clock.ts";

const FIRST_DELAY_MS = 5;
const LONGEST_DELAY_MS = 10_000;

/** After this many failures in a row a key no longer holds up `idle`: it is tried on, but what is seen is the state. */
const SETTLED_AFTER = 5;

/** What is known of a key that keeps failing. */
export interface FailingKey {
  error: unknown;
  attempts: number;
  /** When it is tried again, in the clock's time. */
  retryAtMs: number;
}

export interface WorkQueueOptions {
  clock: Clock;
  reconcile: (key: string) => void | Promise<void>;
  /** Told of every failure, before the key waits for its next try. */
  onError: (key: string, failing: FailingKey) => void;
}

/**
 * Keys to reconcile, each at most once at a time and in the order they came; a key added while it is worked on is done
 * again. A key that fails is tried again after 5 ms, doubling to 10 s. Keys run in the check phase of the event loop,
 * so that all changes of one turn are seen together and a loop of controllers cannot starve sockets.
 */
export class WorkQueue {
  private readonly options: WorkQueueOptions;
  private readonly queued = new Set<string>();
  private readonly running = new Set<string>();
  private readonly retries = new Map<string, FailingKey & { cancel: () => void }>();
  private readonly delayed = new Map<string, () => void>();
  private waiters: (() => void)[] = [];
  private isScheduled = false;
  private isClosed = false;

  constructor(options: WorkQueueOptions) {
    this.options = options;
  }

  add(key: string): void {
    if (this.isClosed) return;
    this.queued.add(key);
    this.schedule();
  }

  /** Adds the key later; only the last of several calls for a key counts. Does not hold up `idle`. */
  addAfter(key: string, delayMs: number): void {
    if (this.isClosed) return;
    this.delayed.get(key)?.();
    const fire = (): void => {
      this.delayed.delete(key);
      this.add(key);
    };
    this.delayed.set(key, this.options.clock.after(delayMs, fire));
  }

  /** Keys whose last try failed. */
  get failing(): ReadonlyMap<string, FailingKey> {
    return this.retries;
  }

  get isIdle(): boolean {
    if (this.queued.size > 0 || this.running.size > 0) return false;
    return [...this.retries.values()].every(({ attempts }) => attempts >= SETTLED_AFTER);
  }

  /** Resolves once no key waits, runs, or is about to be tried again; see {@link SETTLED_AFTER}. */
  idle(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
    return new Promise((resolve) => this.waiters.push(resolve));
  }

  /** Drops everything; what runs is not waited for. */
  close(): void {
    this.isClosed = true;
    for (const { cancel } of this.retries.values()) cancel();
    for (const cancel of this.delayed.values()) cancel();
    this.retries.clear();
    this.delayed.clear();
    this.queued.clear();
    this.wakeWaiters();
  }

  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    setImmediate(() => this.drain());
  }

  private drain(): void {
    this.isScheduled = false;
    for (const key of Array.from(this.queued)) {
      if (this.running.has(key)) continue;
      this.queued.delete(key);
      this.work(key);
    }
    this.wakeWaiters();
  }

  private work(key: string): void {
    const retry = this.retries.get(key);
    retry?.cancel();
    try {
      const result = this.options.reconcile(key);
      if (result === undefined) {
        this.retries.delete(key);
        return;
      }
      this.running.add(key);
      result.then(
        () => this.ended(key, () => this.retries.delete(key)),
        (error: unknown) => this.ended(key, () => this.failed(key, error)),
      );
    } catch (error) {
      this.failed(key, error);
    }
  }

  private ended(key: string, record: () => void): void {
    this.running.delete(key);
    record();
    if (this.queued.has(key)) this.schedule();
    this.wakeWaiters();
  }

  private failed(key: string, error: unknown): void {
    if (this.isClosed) return;
    const attempts = (this.retries.get(key)?.attempts ?? 0) + 1;
    const delayMs = Math.min(FIRST_DELAY_MS * 2 ** (attempts - 1), LONGEST_DELAY_MS);
    const { clock } = this.options;
    const failing = {
      error,
      attempts,
      retryAtMs: clock.nowMs() + delayMs,
      cancel: clock.after(delayMs, () => this.add(key)),
    };
    this.retries.set(key, failing);
    this.options.onError(key, failing);
  }

  private wakeWaiters(): void {
    if (!this.isIdle && !this.isClosed) return;
    const { waiters } = this;
    this.waiters = [];
    for (const resolve of waiters) resolve();
  }
}
