import { describe, expect, test } from "vitest";
import type { RunEvent } from "../../../src/core/events.ts";
import type { RunContext } from "../../../src/run/context.ts";
import { PhaseRunner, withUndo } from "../../../src/run/phases.ts";

function contextOf(signal = new AbortController().signal): { context: RunContext; events: RunEvent[] } {
  const events: RunEvent[] = [];
  let now = 0;
  return {
    events,
    context: {
      env: {},
      stateRoot: "/nonexistent",
      signal,
      emit: (event) => events.push(event),
      now: () => new Date(0),
      monotonicMs: () => (now += 10),
    },
  };
}

describe("phases", () => {
  test("are told and timed, also when they fail", async () => {
    const { context, events } = contextOf();
    const phases = new PhaseRunner(context);
    expect(await phases.run("plan", "plan it", () => Promise.resolve(7))).toBe(7);
    await expect(phases.run("probe", "probe it", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(phases.times).toEqual([
      { phase: "plan", title: "plan it", durationMs: 10, ok: true },
      { phase: "probe", title: "probe it", durationMs: 10, ok: false },
    ]);
    expect(events.map(({ type }) => type)).toEqual(["phase-started", "phase-ended", "phase-started", "phase-ended"]);
  });

  test("end at an interrupt whatever they wait for", async () => {
    const abort = new AbortController();
    const { context } = contextOf(abort.signal);
    const phase = new PhaseRunner(context).run("probe", "probe", () => new Promise(() => undefined));
    abort.abort(new Error("stop"));
    await expect(phase).rejects.toThrow("stop");
  });

  test("do not begin after an interrupt, unless they must reach their end", async () => {
    const abort = new AbortController();
    abort.abort(new Error("stop"));
    const { context } = contextOf(abort.signal);
    const phases = new PhaseRunner(context);
    let isBegun = false;
    await expect(phases.run("probe", "probe", () => Promise.resolve((isBegun = true)))).rejects.toThrow("stop");
    expect(isBegun).toBe(false);
    await expect(phases.runToEnd("down", "down", () => Promise.resolve("gone"))).resolves.toBe("gone");
  });
});

describe("undo", () => {
  test("takes back the latest first, and goes on when one fails", async () => {
    const { context, events } = contextOf();
    const undone: string[] = [];
    const run = withUndo(context, (undo) => {
      undo.register({ title: "first", run: () => Promise.resolve(void undone.push("first")) });
      undo.register({ title: "second", run: () => Promise.reject(new Error("stuck")) });
      undo.register({ title: "third", run: () => Promise.resolve(void undone.push("third")) });
      return Promise.reject(new Error("the cause"));
    });
    await expect(run).rejects.toThrow("the cause");
    expect(undone).toEqual(["third", "first"]);
    expect(events).toMatchObject([
      { type: "warning", warning: { code: "UNDO_FAILED", message: expect.stringContaining("second: stuck") } },
    ]);
  });

  test("does nothing when all went well", async () => {
    const { context } = contextOf();
    const undone: string[] = [];
    await withUndo(context, (undo) => {
      undo.register({ title: "first", run: () => Promise.resolve(void undone.push("first")) });
      return Promise.resolve();
    });
    expect(undone).toEqual([]);
  });
});
