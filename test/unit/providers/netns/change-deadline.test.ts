import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ChangeDeadline } from "../../../../src/providers/netns/lab/change-deadline.ts";

const endTerminals = vi.fn<() => void>();
let deadline: ChangeDeadline;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"] });
  endTerminals.mockReset();
  deadline = new ChangeDeadline(endTerminals);
});

afterEach(() => {
  vi.useRealTimers();
});

const closed = expect.objectContaining({ code: "LAB_CLOSED" }) as Error;

test("changes are taken until it, and what people run ends with it", () => {
  expect(deadline.state()).toEqual({});
  deadline.set(1000);
  vi.advanceTimersByTime(999);
  expect(() => deadline.refuse()).not.toThrow();
  expect([deadline.state(), deadline.signal.aborted]).toEqual([{ leftMs: 1 }, false]);
  vi.advanceTimersByTime(1);
  expect(() => deadline.refuse()).toThrow(closed);
  expect([deadline.state(), deadline.signal.aborted, endTerminals.mock.calls.length]).toEqual([{ leftMs: 0 }, true, 1]);
});

test("it is only brought forward", () => {
  deadline.set(1000);
  deadline.set(5000);
  expect(deadline.state()).toEqual({ leftMs: 1000 });
  deadline.set(0);
  expect([deadline.isOver, deadline.signal.aborted, endTerminals.mock.calls.length]).toEqual([true, true, 1]);
  deadline.set(5000);
  expect(deadline.isOver).toBe(true);
});

test("the host's time of day does not move it", () => {
  vi.setSystemTime(0);
  deadline.set(1000);
  vi.setSystemTime(86_400_000);
  expect(deadline.state()).toEqual({ leftMs: 1000 });
});

test("a lift opens the lab again", () => {
  deadline.set(0);
  vi.advanceTimersByTime(1000);
  deadline.set("lift");
  const calls = endTerminals.mock.calls.length;
  vi.advanceTimersByTime(10_000);
  // Terminals that come while it is closed end, too, and those of an open lab do not.
  expect([calls, endTerminals.mock.calls.length]).toEqual([3, 3]);
  expect([deadline.state(), deadline.signal.aborted]).toEqual([{}, false]);
  expect(() => deadline.refuse()).not.toThrow();
});
