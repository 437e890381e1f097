import * as z from "zod";
import { LabError } from "../core/errors.ts";
import { makeVisible } from "../core/visible-text.ts";
import { durationField, endpointField } from "../lab/fields.ts";
import { resolveSource } from "../providers/source.ts";
import type { ExecResult } from "../providers/types.ts";
import { defineScenario } from "./types.ts";

const DEFAULT_TIMEOUT_MS = 30_000;
const SHOWN_LINES = 20;

const words = z.array(z.string()).min(1);

/** A string is refused in words of its own: people expect a shell, and there is none. */
const command = z
  .union([words, z.string()])
  .transform((written, issues): string[] => {
    if (typeof written !== "string") return written;
    issues.addIssue({
      code: "custom",
      message: "command is a list of words, not one string",
      params: {
        code: "SCENARIO_COMMAND_STRING",
        hint: `write command: [${written.trim().split(/\s+/).join(", ")}]; for a shell, [sh, -c, "…"]`,
      },
    });
    return z.NEVER;
  })
  .describe("The program and its arguments, a list; no shell reads them");

const execOptions = z.strictObject({
  in: endpointField().describe("Pod, workload (its first ready pod), node/NAME or external"),
  command,
  timeout: durationField().optional().describe("Default 30s"),
  expectExit: z.int().min(0).max(255).default(0).describe("Exit code that is no failure"),
  output: z.string().min(1).optional().describe("Text that the output must hold"),
});

type ExecStepOptions = z.output<typeof execOptions>;

/** Runs a command in a pod or node, sandboxed; docs/scenarios/exec.md. */
export const exec = defineScenario<ExecStepOptions>({
  kind: "exec",
  summary: "runs a command in a pod, a node or outside the cluster",
  options: execOptions,
  manifests: () => [],
  references: (options) => [options.in],
  run: async ({ in: place, command: argv, timeout = DEFAULT_TIMEOUT_MS, expectExit, output }, _objects, context) => {
    const { source, name } = resolveSource(place, await context.cluster.list());
    const result = await context.cluster.exec(source, argv, { timeoutMs: timeout, signal: context.signal });
    context.signal.throwIfAborted();
    const failure = failureOf(result, timeout, expectExit, output);
    if (failure !== undefined) {
      throw new LabError("SCENARIO_EXEC_FAILED", `${failure}\n  ${result.paste}\n${lastLines(result)}`, {
        hint: `run it again in ${name} with the command above while the lab is up (cnilab up)`,
      });
    }
    context.progress(`${argv.join(" ")} in ${name}: exit ${result.exitCode}`);
    for (const line of shownOutput(result)) context.progress(`  ${line}`);
  },
});

function failureOf(
  { exitCode, signal, timedOut, stdout, stderr }: ExecResult,
  timeoutMs: number,
  expectExit: number,
  output: string | undefined,
): string | undefined {
  if (timedOut) return `the command did not end within ${timeoutMs} ms`;
  if (exitCode === null) return `the command was ended by ${signal ?? "a signal"}`;
  if (exitCode !== expectExit) return `the command ended with exit code ${exitCode}, not ${expectExit}`;
  if (output !== undefined && !`${stdout}\n${stderr}`.includes(output)) {
    return `the command's output does not hold ${JSON.stringify(output)}`;
  }
  return undefined;
}

function shownOutput({ stdout, stderr }: ExecResult): string[] {
  const text = makeVisible(`${stdout.trimEnd()}\n${stderr.trimEnd()}`).trim();
  return text === "" ? [] : text.split("\n");
}

function lastLines(result: ExecResult): string {
  const lines = shownOutput(result);
  if (lines.length === 0) return "  (no output)";
  const cut = lines.length > SHOWN_LINES ? [`  [… ${lines.length - SHOWN_LINES} lines …]`] : [];
  return [...cut, ...lines.slice(-SHOWN_LINES).map((line) => `  ${line}`)].join("\n");
}
