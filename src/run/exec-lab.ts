import { parseDurationMs } from "../core/duration.ts";
import { LabError } from "../core/errors.ts";
import { parseEndpointRef } from "../lab/refs.ts";
import { resolveSource } from "../providers/source.ts";
import type { Cluster, ExecResult, Source } from "../providers/types.ts";
import { attachLab } from "./attach-lab.ts";
import type { RunContext } from "./context.ts";
import { findKnownLab } from "./find-lab.ts";

/** A place in a running lab, as the command line names it. */
export interface PlaceRequest {
  lab: string;
  source: string;
  container: string | undefined;
}

export interface ExecRequest extends PlaceRequest {
  argv: string[];
  isInteractive: boolean;
  /** As in `60s`; without effect on an interactive command. */
  timeout: string;
}

/** What a command wrote and how it ended; an interactive one wrote to the terminal itself. */
export interface ExecOutcome {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** Runs a command in a pod, on a node or outside the cluster of a running lab. Throws EXEC_TIMEOUT and EXEC_NO_SUCH_PROGRAM. */
export async function execInLab(request: ExecRequest, context: RunContext): Promise<ExecOutcome> {
  const timeoutMs = parseDurationMs(request.timeout);
  if (timeoutMs === undefined) {
    throw new LabError("USAGE_DURATION", `${JSON.stringify(request.timeout)} is no duration`, {
      hint: "write 500ms, 30s or 2m",
    });
  }
  return withPlace(request, context, async (cluster, source) => {
    if (request.isInteractive) {
      const { exitCode } = await cluster.interactive(source, request.argv);
      return { exitCode, stdout: "", stderr: "" };
    }
    const result = await cluster.exec(source, request.argv, { timeoutMs, signal: context.signal, isByHand: true });
    if (result.timedOut) {
      throw new LabError("EXEC_TIMEOUT", `the command did not end within ${request.timeout}`, {
        hint: "--timeout gives it longer; -it runs it until you end it",
      });
    }
    refuseMissingProgram(request, result);
    // As a shell tells a command that a signal ended, without saying which.
    return { exitCode: result.exitCode ?? 128, stdout: result.stdout, stderr: result.stderr };
  });
}

/** The sandbox starts before it looks for the program, so its message and exit code 1 look like the program's own. */
function refuseMissingProgram({ argv, source }: ExecRequest, { exitCode, stderr }: ExecResult): void {
  const [program = ""] = argv;
  if (exitCode !== 1 || stderr !== `bwrap: execvp ${program}: No such file or directory\n`) return;
  throw new LabError("EXEC_NO_SUCH_PROGRAM", `${source} has no program ${JSON.stringify(program)}`, {
    hint: "commands of a lab are this host's programs in /usr, /bin and /sbin; a shell's own words need sh -c",
  });
}

/** What the servers of a pod wrote. */
export function podLogs(request: PlaceRequest, context: RunContext): Promise<string> {
  return withPlace(request, context, async (cluster, source) => {
    if (source.kind !== "pod")
      throw new LabError("LAB_NO_SUCH_SOURCE", `${request.source} is no pod; only pods have logs`);
    return cluster.logs(source);
  });
}

async function withPlace<T>(
  request: PlaceRequest,
  context: RunContext,
  act: (cluster: Cluster, source: Source) => Promise<T>,
): Promise<T> {
  const ref = parseEndpointRef(request.source);
  const { cluster } = await attachLab(findKnownLab(context.stateRoot, request.lab), context);
  try {
    const { source } = resolveSource(ref, await cluster.list());
    const { container } = request;
    const isContainerNamed = container !== undefined && source.kind === "pod";
    return await act(cluster, isContainerNamed ? { ...source, container } : source);
  } finally {
    await cluster.close();
  }
}
