/** Leave to do something, of which only so many are given out at a time; first come, first served. */
export class Slots {
  private taken = 0;
  private readonly waiting: { go: () => void; stop: (reason: Error) => void }[] = [];
  private limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  get inUse(): number {
    return this.taken;
  }

  /** Resolves with what gives the slot back; calling that twice changes nothing. */
  async take(signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted();
    if (this.taken < this.limit) this.taken++;
    else await this.wait(signal);
    let given = false;
    return () => {
      if (given) return;
      given = true;
      this.taken--;
      this.next();
    };
  }

  /** Gives out no more than that from now on. */
  lower(limit: number): void {
    this.limit = Math.max(1, Math.min(this.limit, limit));
  }

  /** Whoever waits gets this error. */
  refuse(error: Error): void {
    for (const { stop } of this.waiting.splice(0)) stop(error);
  }

  private wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const onAbort = (): void => entry.stop(signal?.reason as Error);
      const leave = (): void => {
        const at = this.waiting.indexOf(entry);
        if (at !== -1) this.waiting.splice(at, 1);
        signal?.removeEventListener("abort", onAbort);
      };
      const entry = {
        go: () => {
          leave();
          resolve();
        },
        stop: (reason: Error) => {
          leave();
          reject(reason);
        },
      };
      this.waiting.push(entry);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  private next(): void {
    while (this.taken < this.limit && this.waiting[0] !== undefined) {
      this.taken++;
      this.waiting[0].go();
    }
  }
}
