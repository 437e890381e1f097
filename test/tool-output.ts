import { readFileSync } from "node:fs";
import type { ExecResult } from "../src/providers/types.ts";

/** What a real tool printed, recorded in test/fixtures/tool-output. */
export function toolOutput(name: string): Pick<ExecResult, "exitCode" | "stdout" | "stderr"> {
  const text = readFileSync(new URL(`./fixtures/tool-output/${name}.txt`, import.meta.url), "utf8");
  const match = /^\$ [^\n]*\nexit (\d+)\n--- stdout\n(.*)--- stderr\n(.*)$/s.exec(text);
  if (match === null) throw new Error(`${name}.txt is no recorded output`);
  return { exitCode: Number(match[1]), stdout: match[2] ?? "", stderr: match[3] ?? "" };
}
