import type { Clock } from "../../../src/engine/clock.ts";

/** A clock that stands still until it is moved. */
export class HandClock implements Clock {
  private now = 0;
  private timers: { atMs: number; work: () => void }[] = [];

  nowMs(): number {
    return this.now;
  }

  after(delayMs: number, work: () => void): () => void {
    const timer = { atMs: this.now + delayMs, work };
    this.timers.push(timer);
    return () => (this.timers = this.timers.filter((other) => other !== timer));
  }

  advance(byMs: number): void {
    this.now += byMs;
    const due = this.timers.filter(({ atMs }) => atMs <= this.now);
    this.timers = this.timers.filter(({ atMs }) => atMs > this.now);
    for (const { work } of due) work();
  }
}
