import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { LabError, LabProblems } from "../../../src/core/errors.ts";
import { exitCodeOf, exitCodeOfError, exitCodeOfVerdict } from "../../../src/cli/exit-codes.ts";

describe("exit codes", () => {
  test.each([
    ["INTERRUPTED", 130],
    ["ABORTED", 130],
    ["LAB_UNKNOWN_CNI", 2],
    ["LAB_NOT_RUNNING", 2],
    ["MANIFEST_UNKNOWN_FIELD", 2],
    ["PLAN_CNI_NOT_CLAIMED", 2],
    ["YAML_ENCODING", 2],
    ["HOST_TOOL_MISSING", 5],
    ["STATE_UNWRITABLE", 5],
    ["INVENTORY_UNREADABLE", 2],
    ["WAIT_TIMEOUT", 4],
    ["WAIT_NO_CONDITION", 2],
    ["SCENARIO_BAD_REF", 2],
    ["SCENARIO_EXEC_FAILED", 4],
    ["LAB_PROCESS_ENDED", 4],
    ["EXEC_NO_SUCH_PROGRAM", 127],
    ["SOMETHING_NEW", 4],
  ])("of %s is %i", (code, exitCode) => {
    expect(exitCodeOf(code)).toBe(exitCode);
  });

  test("of what the kinds of steps and probes find wrong in a lab file is 2", () => {
    const kinds = ["probes", "scenarios", "cnis", "lab"].flatMap((layer) => {
      const folder = new URL(`../../../src/${layer}/`, import.meta.url);
      const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
      return files.map((file) => readFileSync(new URL(file, folder), "utf8"));
    });
    const codes = kinds.flatMap((text) =>
      [...text.matchAll(/params: \{\s*code: "([A-Z_]+)"/g)].map(([, code]) => code),
    );
    expect(codes.length).toBeGreaterThan(8);
    expect(codes.filter((code) => exitCodeOf(code as string) !== 2)).toEqual([]);
  });

  test("of verdicts", () => {
    expect([exitCodeOfVerdict("pass"), exitCodeOfVerdict("fail"), exitCodeOfVerdict("inconclusive")]).toEqual([
      0, 1, 3,
    ]);
  });

  test("of several problems is that of what a person has to mend first", () => {
    const problems = ["WAIT_TIMEOUT", "HOST_TOOL_MISSING", "LAB_BAD_VALUE"].map((code) => new LabError(code, code));
    expect(exitCodeOfError(new LabProblems(problems))).toBe(2);
    expect(exitCodeOfError(new LabProblems(problems.slice(0, 2)))).toBe(5);
    expect(exitCodeOfError(new LabProblems(problems.slice(0, 1)))).toBe(4);
  });

  test("of a fault of our own is not a pass", () => {
    expect(exitCodeOfError(new TypeError("x"))).toBe(4);
  });

  test("are described for users as they are", () => {
    const page = readFileSync(new URL("../../../docs/cli.md", import.meta.url), "utf8");
    for (const code of [0, 1, 2, 3, 4, 5, 127, 130]) expect(page).toMatch(new RegExp(`^\\| ${code} +\\|`, "m"));
  });
});
