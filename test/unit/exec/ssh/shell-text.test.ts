import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { execLine, starter, stepText, terminalCommand, word, wordOnLine } from "../../../../src/exec/ssh/shell-text.ts";

const anything = fc.string({ unit: "binary" }).map((text) => text.replaceAll("\0", ""));

/** What a shell makes of a line on its standard input. */
function given(line: string, program = "sh"): string {
  return execFileSync(program, ["-c", starter("id", "user")], {
    input: line,
    encoding: "utf8",
    stdio: ["pipe", "pipe", "ignore"],
  }).replace(/^cnilab-id \d+\n/, "");
}

test("a word is itself to a shell, whatever is in it", () => {
  fc.assert(
    fc.property(fc.array(anything, { maxLength: 5 }), (args) => {
      const out = execFileSync("sh", ["-c", `printf '%s\\0' ${args.map(word).join(" ")}`], { encoding: "utf8" });
      expect(out).toBe(args.length === 0 ? "\0" : args.map((each) => `${each}\0`).join(""));
    }),
    { numRuns: 60 },
  );
});

test("a line for a started shell has no line break of an argument, and the program gets the arguments as they are", () => {
  fc.assert(
    fc.property(fc.array(anything, { minLength: 1, maxLength: 5 }), (args) => {
      const line = execLine("id", 1, process.pid, ["printf", "%s\\0", ...args]);
      expect(line.indexOf("\n")).toBe(line.length - 1);
      expect(given(line)).toBe(args.map((each) => `${each}\0`).join(""));
    }),
    { numRuns: 60 },
  );
});

test("the line for login shells has nothing that they read differently", () => {
  for (const kind of ["user", "sudo", "sudo-password"] as const) {
    expect(starter("0123abc", kind)).not.toMatch(/[\\\n!`]/);
    expect(starter("0123abc", kind).split("'")).toHaveLength(3);
  }
  expect(terminalCommand(["it's", "\\ !\n"], false)).not.toMatch(/[\\\n!`]/);
});

test("without its warden a program does not start", () => {
  expect(() => given(execLine("id", 1, 4_194_304, ["echo", "started"]))).toThrow("Command failed");
});

test("a step's output stands before its mark on each stream, its status behind it", () => {
  const text = stepText("id", 7, "MARK", 'echo "$1"; echo $CNILAB_RUN; exit 3', ["it's"]);
  const out = execFileSync("sh", [], { input: text, encoding: "utf8", stdio: ["pipe", "pipe", "ignore"] });
  expect(out).toMatch(/^it's\nid\.7\.\d+\nMARK 3\.$/);
});

test("NUL and programs that look like options are refused", () => {
  expect(() => wordOnLine("a\0b")).toThrow("NUL");
  expect(() => execLine("id", 1, 1, ["-a"])).toThrow("no name of a program");
  expect(() => execLine("id", 1, 1, [])).toThrow("no name of a program");
  expect(() => terminalCommand([""], true)).toThrow("no name of a program");
});
