import * as z from "zod";
import { LabError } from "../../core/errors.ts";
import { makeVisibleLine } from "../../core/visible-text.ts";
import { EXTERNAL } from "./machines.ts";
import { runScript, sourceOf, type Machine } from "./machine-script.ts";

/** As the other providers' hosts outside the cluster have it: HTTP, and the words of agnhost's netexec over UDP. */
export const EXTERNAL_PORT = 80;

const TIMEOUT_MS = 60_000;

const answer = z.object({ problem: z.string().max(4096).optional(), stopped: z.boolean().optional() });

/**
 * Has the machine outside the cluster serve on its address, as a service that outlives our connection and not a restart of the machine.
 * One that serves already is left alone. Rejects with EXTERNAL_NOT_SERVED.
 */
export async function serveExternal(machine: Machine, address: string): Promise<void> {
  const server = await sourceOf("external-server.py", { address, port: EXTERNAL_PORT, name: EXTERNAL });
  const { problem } = await runScript(machine, "external.py", { verb: "start", server }, answer, {
    timeoutMs: TIMEOUT_MS,
  });
  if (problem !== undefined) throw notServed(machine, `cannot serve on ${address} port ${EXTERNAL_PORT}`, problem);
}

/** Resolves when nothing is served there, with whether anything was. Rejects with EXTERNAL_NOT_SERVED. */
export async function endExternal(machine: Machine): Promise<boolean> {
  const { problem, stopped = false } = await runScript(machine, "external.py", { verb: "stop" }, answer, {
    timeoutMs: TIMEOUT_MS,
  });
  if (problem !== undefined) throw notServed(machine, "does not end its web server", problem);
  return stopped;
}

function notServed({ name }: Machine, what: string, problem: string): LabError {
  return new LabError("EXTERNAL_NOT_SERVED", `${name} ${what}: ${makeVisibleLine(problem)}`, {
    hint: "journalctl -u cnilab-external there has what was said (as root)",
  });
}
