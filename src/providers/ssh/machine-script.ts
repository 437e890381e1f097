import { readFile } from "node:fs/promises";
import type * as z from "zod";
import { LabError } from "../../core/errors.ts";
import { installed } from "../../core/installation.ts";
import { makeVisibleLine } from "../../core/visible-text.ts";
import type { Remote, RemoteOptions } from "../../exec/ssh/types.ts";

/** A machine of a lab. */
export interface Machine {
  /** What the lab calls it. */
  name: string;
  remote: Pick<Remote, "run">;
}

export type MachineScript = "lease.py" | "preflight.py" | "footprint.py" | "fault.py" | "external.py";

export type ScriptOptions = Pick<RemoteOptions, "timeoutMs" | "signal"> & {
  /** Default: as root. */
  sudo?: boolean;
};

/** Python code that runs `script` with `request` as REQUEST: ASCII alone, so that no locale of the machine changes it. */
export async function sourceOf(script: MachineScript | "external-server.py", request: unknown): Promise<string> {
  const json = JSON.stringify(request).replace(
    /[^\u0020-\u007e]/g,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`,
  );
  const source = await readFile(installed(`dist/providers/ssh/scripts/${script}`), "utf8");
  return `import json\nREQUEST = json.loads(${JSON.stringify(json)})\n${source}`;
}

/**
 * Sends one of our Python programs to a machine, in one round trip, and gives what it printed; nothing of it stays there.
 * Rejects with MACHINE_SCRIPT_FAILED, with ABORTED's reason and with what {@link Remote.run} rejects with.
 */
export async function runScript<Answer>(
  { name, remote }: Machine,
  script: MachineScript,
  request: unknown,
  schema: z.ZodType<Answer>,
  { sudo = true, ...options }: ScriptOptions = {},
): Promise<Answer> {
  const stdin = await sourceOf(script, request);
  const { exitCode, signal, stdout, stderr } = await remote.run(["python3", "-I", "-"], { ...options, sudo, stdin });
  if (exitCode !== 0) {
    const end = signal === null ? `exit code ${exitCode}` : signal;
    throw failed(name, script, makeVisibleLine(stderr.trim().split("\n").at(-1) ?? "").slice(0, 400) || end);
  }
  let value: unknown;
  try {
    value = JSON.parse(stdout);
  } catch (cause) {
    throw failed(name, script, "what it printed is no JSON", cause);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw failed(
    name,
    script,
    `its answer is not as expected: ${issue?.path.join(".")}: ${issue?.message}`,
    parsed.error,
  );
}

function failed(machine: string, script: MachineScript, reason: string, cause?: unknown): LabError {
  return new LabError("MACHINE_SCRIPT_FAILED", `${machine}: ${script} failed: ${reason}`, {
    hint: "Python 3.9 or newer, and sudo without a password, are needed there",
    cause,
  });
}
