import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { runLocal } from "../../../src/exec/local.ts";

/** A process's state (proc(5)); what nobody has taken leave of yet is a zombie, Z. */
function stateOf(pid: number | undefined): string {
  try {
    return /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1] ?? "unknown";
  } catch {
    return "gone";
  }
}

test("lines come one by one, from both outputs, and the exit code is a result", async () => {
  const lines: string[] = [];
  const result = await runLocal("sh", ["-c", "echo out; echo err >&2; exit 3"], { onLine: (line) => lines.push(line) });
  expect(result).toMatchObject({ exitCode: 3, signal: undefined, notStarted: undefined });
  expect(lines.toSorted()).toEqual(["err", "out"]);
  expect(result.paste).toBe("sh -c 'echo out; echo err >&2; exit 3'");
});

test("a program that does not exist is said not to have been started", async () => {
  expect((await runLocal("/no/such/program", [])).notStarted).toContain("ENOENT");
});

test("an abort ends the program and what it started, and rejects with the abort's reason", async () => {
  const abort = new AbortController();
  let child: number | undefined;
  const running = runLocal("sh", ["-c", "sleep 60 & echo $!; wait"], {
    signal: abort.signal,
    onLine: (line) => {
      child = Number(line);
      abort.abort(new Error("enough"));
    },
  });
  await expect(running).rejects.toThrow("enough");
  await expect.poll(() => stateOf(child), { timeout: 2000 }).toMatch(/^(gone|Z)$/);
});
