import { describe, expect, it } from "vitest";
import { type FailingKey, WorkQueue } from "../../../src/engine/work-queue.ts";
import { HandClock } from "./hand-clock.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function queueOf(reconcile: (key: string) => void | Promise<void>): {
  queue: WorkQueue;
  clock: HandClock;
  errors: FailingKey[];
} {
  const clock = new HandClock();
  const errors: FailingKey[] = [];
  return {
    queue: new WorkQueue({ clock, reconcile, onError: (_key, failing) => errors.push({ ...failing }) }),
    clock,
    errors,
  };
}

describe("the work queue", () => {
  it("works each key off once, in the order they came", async () => {
    const done: string[] = [];
    const { queue } = queueOf((key) => void done.push(key));
    for (const key of ["b", "a", "b", "c", "a"]) queue.add(key);
    await queue.idle();
    expect(done).toEqual(["b", "a", "c"]);
  });

  it("does a key again that is added while it is worked on, never twice at a time", async () => {
    let running = 0;
    let most = 0;
    let count = 0;
    let release = (): void => undefined;
    const { queue } = queueOf(async () => {
      running += 1;
      most = Math.max(most, running);
      count += 1;
      if (count === 1) await new Promise<void>((resolve) => (release = resolve));
      running -= 1;
    });
    queue.add("a");
    await turn();
    queue.add("a");
    await turn();
    release();
    await queue.idle();
    expect({ count, most }).toEqual({ count: 2, most: 1 });
  });

  it("tries a failing key again with growing delays, and shows it until it succeeds", async () => {
    let isBroken = true;
    const { queue, clock, errors } = queueOf(() => {
      if (isBroken) throw new Error("broken");
    });
    queue.add("a");
    for (let round = 0; round < 8; round += 1) {
      await turn();
      clock.advance((queue.failing.get("a")?.retryAtMs ?? 0) - clock.nowMs());
    }
    expect(
      errors.map(({ attempts, retryAtMs }, index) => [attempts, retryAtMs - (errors[index - 1]?.retryAtMs ?? 0)]),
    ).toEqual([5, 10, 20, 40, 80, 160, 320, 640].map((delayMs, index) => [index + 1, delayMs]));
    expect(queue.failing.get("a")).toMatchObject({ attempts: 8 });
    isBroken = false;
    await turn();
    expect(queue.failing.size).toBe(0);
  });

  it("is not idle while a key is about to be tried again, but does not wait for one that keeps failing", async () => {
    const { queue, clock } = queueOf(() => Promise.reject(new Error("broken")));
    queue.add("a");
    await turn();
    await turn();
    expect(queue.isIdle).toBe(false);
    const idle = queue.idle();
    for (let round = 0; round < 8; round += 1) {
      clock.advance(1000);
      await turn();
      await turn();
    }
    await idle;
    expect(queue.failing.get("a")?.attempts).toBeGreaterThanOrEqual(5);
  });

  it("forgets everything when it is closed", async () => {
    const done: string[] = [];
    const { queue, clock } = queueOf((key) => void done.push(key));
    queue.add("a");
    queue.addAfter("b", 10);
    queue.close();
    clock.advance(20);
    await turn();
    expect(done).toEqual([]);
  });

  it("adds a key later, only for the last of several calls", async () => {
    const done: string[] = [];
    const { queue, clock } = queueOf((key) => void done.push(key));
    queue.addAfter("a", 10);
    queue.addAfter("a", 30);
    clock.advance(20);
    await turn();
    expect(done).toEqual([]);
    clock.advance(10);
    await turn();
    expect(done).toEqual(["a"]);
  });
});
