import { expect, test } from "vitest";
import { formatDurationMs, parseDurationMs } from "../../../src/core/duration.ts";

test.each([
  ["500ms", 500],
  ["30s", 30_000],
  ["1m30s", 90_000],
  ["1.5s", 1500],
  ["2h", 7_200_000],
  ["0s", 0],
])("%s is %i ms", (text, durationMs) => {
  expect(parseDurationMs(text)).toBe(durationMs);
});

test.each(["", "30", "s", "30 s", "-1s", "1d", "30sec", "1e3s", ".5s", "9".repeat(50) + "s"])(
  "%j is no duration",
  (text) => {
    expect(parseDurationMs(text)).toBeUndefined();
  },
);

test.each([0, 5, 999, 1000, 1250, 60_000, 90_000, 3_600_000, 5_400_000])(
  "%i ms is written so that it reads back",
  (durationMs) => {
    expect(parseDurationMs(formatDurationMs(durationMs))).toBe(durationMs);
  },
);
