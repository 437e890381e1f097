import { describe, expect, test } from "vitest";
import { LabError, LabProblems } from "../../../src/core/errors.ts";
import type { RegradeEvent, WatchedLab, WatchEvent } from "../../../src/report/watch-types.ts";
import { noteOf, renderWatchScreen, watchDocument, watchLine } from "../../../src/report/watch.ts";
import { matrix, report } from "./sample-report.ts";

const pods = ["shop/db", "shop/web"];
const { lab, provider, cni, nodes, grade } = report([
  matrix(pods, [5432], (from) => (from === "shop/web" ? "broken" : "allowed")),
]);
const watched: WatchedLab = { lab, provider, cni, nodes, files: ["answer.yaml"], unwatched: [] };

function regrade(more: Partial<RegradeEvent> = {}): RegradeEvent {
  return {
    type: "regrade",
    at: "2026-01-02T03:04:05.678Z",
    grade,
    because: ["NetworkPolicy shop/db created"],
    whole: [],
    probed: 1,
    cells: 4,
    changed: [
      {
        probe: grade.probes[0]?.name ?? "",
        key: { from: "shop/web", to: "shop/db", port: 5432, protocol: "tcp" },
        before: { observed: "allowed", verdict: "pass" },
        now: { observed: "dropped", verdict: "fail" },
      },
    ],
    ongoing: [],
    durationMs: 34,
    ...more,
  };
}

function screen(event: RegradeEvent | undefined, size: { height?: number; width?: number; colour?: boolean } = {}) {
  const { height = 40, width = 100, colour = false } = size;
  const shown = event === undefined ? {} : { regrade: event };
  return renderWatchScreen({ lab: watched, ...shown, notes: [], keys: "q ends" }, { colour, width, height });
}

describe("the screen", () => {
  test("tells what changed, what it cost and which cells are other", () => {
    const lines = screen(regrade());
    expect(lines).toContain("03:04:05Z  NetworkPolicy shop/db created: 1 of 4 cells probed in 34 ms, 1 changed");
    expect(lines.some((line) => /✗ shop\/web → shop\/db:5432.* allowed → dropped/.test(line))).toBe(true);
    expect(lines.at(-1)).toBe("q ends");
  });

  test("marks the cells that changed, and no others", () => {
    const inverse = (lines: string[]): number => lines.join("").split("\u001b[7m").length - 1;
    expect(inverse(screen(regrade(), { colour: true }))).toBe(1);
    expect(inverse(screen(regrade({ changed: [] }), { colour: true }))).toBe(0);
  });

  test("says what everything was probed for, and names three reasons at most", () => {
    const whole = ["a", "b", "c", "d", "a"].map((name) => `Node ${name} changed`);
    const line = screen(regrade({ whole, because: [] })).find((each) => each.startsWith("03:04:05Z"));
    expect(line).toContain("Node a changed, Node b changed, Node c changed and 1 more: all 4 cells probed");
  });

  test("is no higher and no wider than the terminal, and says what it leaves out", () => {
    const lines = screen(regrade(), { height: 9, width: 30 });
    expect(lines.length).toBeLessThanOrEqual(9);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(30);
    expect(lines.some((line) => line.startsWith("… ") && line.includes("more lines"))).toBe(true);
  });

  test("is of before while a change takes effect, and says that a terminal is open", () => {
    const lines = renderWatchScreen(
      {
        lab: watched,
        regrade: regrade({ ongoing: ["a terminal in shop/web"] }),
        busy: "grading in full",
        notes: ["x"],
      },
      { colour: false, width: 100, height: 40 },
    );
    expect(lines).toContain("grading in full; what is below is of before");
    expect(lines).toContain("a terminal in shop/web is open: what is changed there shows when it ends");
    expect(screen(undefined)).toContain("not graded yet");
  });
});

describe("lines and documents", () => {
  const problem = new LabError("MANIFEST_UNREADABLE", "no such\nfile", {
    span: { file: "a.yaml", line: 2, column: 3, length: 1, lineText: "" },
  });
  const events: WatchEvent[] = [
    regrade({ cells: 0, probed: 0 }),
    { type: "changing" },
    { type: "applied", files: ["a.yaml"], changes: [] },
    { type: "problem", error: new LabProblems([problem, problem]) },
    { type: "warning", warning: { code: "LAB_BUSY", message: "somebody works" } },
    { type: "grading" },
    { type: "ended", reason: "lab" },
  ];

  test("a line is told of grades, of what was applied and of the end", () => {
    const lines = events.map(watchLine);
    expect(lines[0]).toMatch(/^FAIL.*; 03:04:05Z {2}the lab's record changed: nothing was probed$/i);
    expect(lines.slice(1)).toEqual([
      undefined,
      "applied a.yaml: nothing is other than before",
      undefined,
      undefined,
      undefined,
      "the lab has ended",
    ]);
  });

  test("a problem is one line with its place, and how many more there are", () => {
    const note = noteOf({ type: "problem", error: new LabProblems([problem, problem]) });
    expect(note).toMatch(/^a\.yaml:2:3 {2}MANIFEST_UNREADABLE {2}no such.*file \(and 1 more\); nothing was applied$/);
    expect(note).not.toContain("\n");
  });

  test("a document has the grade's figures and not its cells", () => {
    const documents = events.map((event) => watchDocument(event, watched));
    expect(documents[0]).toMatchObject({ kind: "WatchEvent", lab: lab.name, type: "regrade", verdict: grade.verdict });
    expect(documents[0]).not.toHaveProperty("grade");
    expect(documents[3]).toMatchObject({ type: "problem", problems: [{ code: "MANIFEST_UNREADABLE" }, {}] });
    expect([documents[1], documents[5]]).toEqual([undefined, undefined]);
  });
});
