import { describe, expect, test } from "vitest";
import { paintFor, wantsColour } from "../../../src/report/colour.ts";
import { createProgress, progressStyle, type ProgressStyle } from "../../../src/report/progress.ts";

function drawn(style: ProgressStyle): string {
  let text = "";
  const progress = createProgress({
    style,
    paint: paintFor(false),
    width: 40,
    write: (part) => (text += part),
    formatWarning: ({ code, message }) => `warning: ${code} ${message}`,
  });
  progress.sink({ type: "phase-started", phase: "probe", title: "run 2 probes" });
  progress.sink({
    type: "progress",
    phase: "probe",
    message: "a name \u001b[2J that is far too long for this terminal",
    done: 1,
    total: 2,
  });
  progress.sink({ type: "warning", warning: { code: "X", message: "careful" } });
  progress.sink({ type: "phase-ended", phase: "probe", title: "run 2 probes", durationMs: 12, ok: true });
  progress.close();
  return text;
}

describe("progress", () => {
  test("is a line a phase where nobody watches", () => {
    expect(drawn("plain")).toBe("warning: X careful\n✓ run 2 probes 12 ms\n");
  });

  test("leaves only warnings when told to be quiet", () => {
    expect(drawn("none")).toBe("warning: X careful\n");
  });

  test("redraws one line on a terminal and takes it away", () => {
    const text = drawn("live");
    expect(text).toContain("\r\u001b[2K… run 2 probes");
    expect(text.endsWith("\r\u001b[2Kwarning: X careful\n✓ run 2 probes 12 ms\n")).toBe(true);
    expect(text).not.toContain("\u001b[2J");
    for (const line of text.split(/\r\u001b\[2K|\n/)) expect(line.length).toBeLessThan(40);
  });
});

describe("what standard error is given", () => {
  test.each([
    [{}, true, false, "live"],
    [{}, false, false, "plain"],
    [{ CI: "true" }, true, false, "plain"],
    [{ CI: "false" }, true, false, "live"],
    [{ TERM: "dumb" }, true, false, "plain"],
    [{}, true, true, "none"],
  ] as const)("%j, terminal %j, quiet %j: %s", (env, isTty, isQuiet, style) => {
    expect(progressStyle(env, isTty, isQuiet)).toBe(style);
  });
});

describe("colour", () => {
  test.each([
    [{}, true, true],
    [{}, false, false],
    [{ NO_COLOR: "1" }, true, false],
    [{ NO_COLOR: "" }, true, true],
    [{ NO_COLOR: "1", FORCE_COLOR: "1" }, true, false],
    [{ FORCE_COLOR: "1" }, false, true],
    [{ FORCE_COLOR: "0" }, true, false],
    [{ TERM: "dumb" }, true, false],
  ] as const)("%j, terminal %j: %j", (env, isTty, colour) => {
    expect(wantsColour(env, isTty)).toBe(colour);
  });
});
