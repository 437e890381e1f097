import { LabError } from "../core/errors.ts";
import { makeVisible } from "../core/visible-text.ts";
import type { DropProof, Evidence } from "../grade/types.ts";
import type { ResolvedSource } from "../providers/source.ts";
import type { ExecOptions, ExecResult } from "../providers/types.ts";
import { isProxyProof } from "./sweep.ts";
import type { ProbeContext } from "./types.ts";

/** What is kept of a tool's output as evidence; the reader wants its beginning and its end. */
const EVIDENCE_CHARACTERS = 6000;

/** A tool that ran. */
export interface ToolRun {
  result: ExecResult;
  evidence: Evidence;
  /** A policy's drop that ended it before its own timeout, or its drop or rejection recorded while it waited. */
  proof?: DropProof;
}

/**
 * Runs a tool in the source's network namespace. Throws PROBE_TOOL_MISSING where it is not installed there,
 * PROBE_TOOL_HUNG where it outlived its own timeouts, and PROBE_TOOL_KILLED where it was ended without a recorded drop:
 * none of them says anything about the network.
 */
export async function runTool(
  context: ProbeContext,
  from: ResolvedSource,
  argv: string[],
  options: { timeoutMs: number; stdin?: string; untilDropped?: ExecOptions["untilDropped"] },
): Promise<ToolRun> {
  const { untilDropped, timeoutMs, stdin } = options;
  // What Node hands over is a socket, and /dev/stdin cannot be opened on one (ENXIO); on a pipe it can, once.
  const words = stdin === undefined ? argv : ["sh", "-c", 'cat | "$@"', "sh", ...argv];
  const result = await context.cluster.exec(from.source, words, {
    timeoutMs,
    signal: context.signal,
    ...(stdin === undefined ? {} : { stdin }),
    ...(untilDropped === undefined ? {} : { untilDropped }),
  });
  context.signal.throwIfAborted();
  const evidence = toolEvidence(result);
  const [tool = ""] = argv;
  if (isMissing(result)) {
    throw new LabError("PROBE_TOOL_MISSING", `${tool} is not installed where ${from.name} runs its commands`, {
      hint: `cnilab doctor names its package; it said: ${lastLine(result)}`,
    });
  }
  const proof = result.proofs.find((each) => !isProxyProof(each, context));
  if (proof === undefined && result.timedOut) {
    throw new LabError("PROBE_TOOL_HUNG", `${tool} did not end within ${timeoutMs} ms; it said: ${lastLine(result)}`);
  }
  if (proof === undefined && result.exitCode === null) {
    throw new LabError(
      "PROBE_TOOL_KILLED",
      `${tool} was ended by ${result.signal ?? "a signal"}; it said: ${lastLine(result)}`,
    );
  }
  return { result, evidence, ...(proof === undefined ? {} : { proof }) };
}

/** Whether the command was cut short because its flow was seen to be dropped. */
export function endedByDrop({ result, proof }: ToolRun): boolean {
  return proof !== undefined && (result.exitCode === null || result.timedOut);
}

/** 127 and 126 as shells and env(1) use them; sandboxes that exec themselves say it in words. */
function isMissing({ exitCode, stderr }: ExecResult): boolean {
  if (exitCode === 127) return true;
  return (
    exitCode !== 0 && /^(bwrap: execvp|exec:|env:|OCI runtime exec failed).*(No such file|not found)/m.test(stderr)
  );
}

/** A tool's output and the command that gave it. */
export function toolEvidence({ stdout, stderr, paste }: ExecResult): Evidence {
  const text = [stdout, stderr]
    .map((part) => makeVisible(part).trim())
    .filter((part) => part !== "")
    .join("\n");
  return { kind: "tool-output", text: cut(text === "" ? "(no output)" : text), command: paste };
}

function cut(text: string): string {
  if (text.length <= EVIDENCE_CHARACTERS) return text;
  const half = EVIDENCE_CHARACTERS / 2;
  return `${text.slice(0, half)}\n[… ${text.length - EVIDENCE_CHARACTERS} characters …]\n${text.slice(-half)}`;
}

/** The last line of what a tool printed, errors first; for one-line reasons. */
export function lastLine({ stdout, stderr }: { stdout: string; stderr: string }): string {
  const lines = (stderr.trim() === "" ? stdout : stderr).trim().split("\n");
  const line = makeVisible(lines.at(-1) ?? "").trim();
  return line === "" ? "nothing" : line.slice(0, 300);
}

/** An error for output that cannot be read; the output is part of the evidence, so that a person can. */
export function unreadable(tool: string, result: ExecResult): LabError {
  return new LabError(
    "PROBE_OUTPUT_UNREADABLE",
    `${tool} ended with ${result.exitCode ?? result.signal ?? "nothing"}, and its output could not be read: ${lastLine(result)}`,
  );
}

/** Whole seconds, rounded up, for tools that take no fractions. */
export function wholeSeconds(durationMs: number): string {
  return String(Math.max(1, Math.ceil(durationMs / 1000)));
}
