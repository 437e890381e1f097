import { gunzipSync, gzipSync } from "node:zlib";
import { LabError } from "../../../core/errors.ts";
import type { Remote } from "../../../exec/ssh/types.ts";
import { runScript, type Machine } from "../machine-script.ts";
import { difference } from "./difference.ts";
import { footprint, footprintFacts, type Footprint } from "./facts.ts";
import { footprintOf } from "./read.ts";

const TIMEOUT_MS = 60_000;

/** Beside the lease, and gone with it: another controller can check with it what a lab left. */
const COPY = "/var/lib/cnilab/footprint.json.gz";
/** Of the copy when it is unpacked. */
const SIZE_LIMIT = 16 << 20;

const LINES_SHOWN = 40;

/** What the machine has now, by one program in one round trip. `home` is the folder of the user we come as. Changes nothing. */
export async function takeFootprint(
  machine: Machine,
  { home, signal }: { home?: string; signal?: AbortSignal } = {},
): Promise<Footprint> {
  const options = { timeoutMs: TIMEOUT_MS, ...(signal === undefined ? {} : { signal }) };
  const facts = await runScript(machine, "footprint.py", { home: home ?? null }, footprintFacts, options);
  try {
    return footprintOf(facts);
  } catch (cause) {
    throw new LabError(
      "MACHINE_SCRIPT_FAILED",
      `${machine.name}: footprint.py failed: what its tools print is not as expected`,
      {
        hint: "ip -j addr and ip -j -d link must print JSON there",
        cause,
      },
    );
  }
}

/** Keeps a copy on the machine; the lease must be held. */
export async function leaveFootprint(remote: Pick<Remote, "writeFile">, taken: Footprint): Promise<void> {
  await remote.writeFile(COPY, gzipSync(JSON.stringify(taken)), { sudo: true, mode: 0o600 });
}

/** The copy on the machine. Undefined where there is none, or none that can be read. */
export async function readLeftFootprint(remote: Pick<Remote, "readFile">): Promise<Footprint | undefined> {
  const packed = await remote.readFile(COPY, { sudo: true });
  if (packed === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(gunzipSync(packed, { maxOutputLength: SIZE_LIMIT }).toString("utf8"));
  } catch {
    // Cut short by a crash while it was written, or not ours.
    return undefined;
  }
  const { data } = footprint.safeParse(value);
  return data;
}

/**
 * Compares the machine with what it was before the lab. Resolves with what can be told and not be mended here; rejects with
 * MACHINE_UNCLEAN, which lists all that differs.
 */
export async function checkGivenBack(
  machine: Machine,
  before: Footprint,
  options: { home?: string; signal?: AbortSignal } = {},
): Promise<string[]> {
  const { lines, notes } = difference(before, await takeFootprint(machine, options));
  if (lines.length > 0) throw machineUnclean(machine.name, lines);
  return notes;
}

/** @param lines of {@link difference} */
export function machineUnclean(machine: string, lines: readonly string[]): LabError {
  const shown = lines.slice(0, LINES_SHOWN).map((line) => `\n  ${line}`);
  const more = lines.length > LINES_SHOWN ? `\n  and ${lines.length - LINES_SHOWN} more` : "";
  return new LabError("MACHINE_UNCLEAN", `${machine} is not as it was before the lab:${shown.join("")}${more}`, {
    hint: "what is left may be somebody else's work of meanwhile; remove by hand what is the lab's",
  });
}
