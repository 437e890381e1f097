import { createHmac, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import * as z from "zod";
import { asError } from "../../core/as-error.ts";
import { formatDurationMs } from "../../core/duration.ts";
import { LabError } from "../../core/errors.ts";
import { makeVisibleLine } from "../../core/visible-text.ts";
import { runScript, type Machine } from "./machine-script.ts";

/** Who takes machines. Kept in the lab's state folder before anything is taken: only its token gives back what a crash left. */
export interface LeaseOwner {
  lab: string;
  /** user@host of the controller. */
  owner: string;
  /** The lab's state folder there. */
  stateDirectory: string;
  token: string;
  /** Which host that is, by its machine-id; "" where it has none. */
  controller: string;
}

export function newLeaseOwner(lab: string, stateDirectory: string): LeaseOwner {
  const token = randomBytes(16).toString("hex");
  return { lab, owner: `${userInfo().username}@${hostname()}`, stateDirectory, token, controller: controllerId() };
}

/** A host's machine-id is not to be shown around; a hash of it for one application is (machine-id(5)). */
function controllerId(): string {
  try {
    const id = readFileSync("/etc/machine-id", "utf8").trim();
    return id === "" ? "" : createHmac("sha256", id).update("cnilab lease").digest("hex").slice(0, 32);
  } catch {
    // macOS, and containers made without one.
    return "";
  }
}

/** A lease as it stands on a machine; its texts are the file's, and so anybody's. */
export interface Lease {
  lab: string;
  owner: string;
  stateDirectory: string;
  token: string;
  /** As {@link LeaseOwner} has it. */
  controller: string;
  /** What the holder was at when it last said so. */
  phase: string;
  /** By the machine's clocks. */
  ageMs: number;
  sinceRenewedMs: number;
  /** The machine was started anew since the lease was last renewed. */
  rebooted: boolean;
}

export type LeaseState =
  | { kind: "free" }
  | { kind: "held"; lease: Lease; digest: string }
  /** `mayLive`: a lab of another version of cnilab may have written it. */
  | { kind: "unreadable"; reason: string; mayLive: boolean; digest: string };

const text = z.string().max(4096);
const age = z.number().nonnegative().finite();

/** What lease.py says of the file; a lease whose fields are not a lease's is as unreadable as half a file. */
export const leaseAnswer = z
  .union([
    z.object({ kind: z.literal("free") }),
    z.object({ kind: z.literal("unreadable"), reason: text, hasToken: z.boolean(), digest: text }),
    z.object({
      kind: z.literal("held"),
      lease: z.object({
        version: z.literal(1),
        lab: text,
        owner: text,
        stateDirectory: text,
        token: text,
        controller: text.default(""),
        phase: text,
      }),
      ages: z.object({ since: age, renewed: age }),
      rebooted: z.boolean(),
      digest: text,
    }),
    z.object({ kind: z.literal("held"), digest: text }),
  ])
  .transform((answer): LeaseState => {
    if (answer.kind === "free") return answer;
    const { digest } = answer;
    if (answer.kind === "unreadable") {
      return { kind: "unreadable", reason: answer.reason, mayLive: answer.hasToken, digest };
    }
    if (!("lease" in answer)) return { kind: "unreadable", reason: "it is not a whole lease", mayLive: true, digest };
    const { lease, ages, rebooted } = answer;
    return {
      kind: "held",
      lease: { ...lease, ageMs: ages.since * 1000, sinceRenewedMs: ages.renewed * 1000, rebooted },
      digest,
    };
  });

const scriptAnswer = z.object({ done: z.boolean(), before: leaseAnswer, machineId: z.string().max(64) });
type ScriptAnswer = z.infer<typeof scriptAnswer>;

const TIMEOUT_MS = 30_000;
const FILE = "/var/lib/cnilab/lease.json";

type Request =
  | { verb: "read" }
  | { verb: "acquire"; owner: LeaseOwner; phase: string; over: string | null }
  | { verb: "renew"; owner: LeaseOwner; phase: string }
  | { verb: "release"; owner: LeaseOwner };

function ask(machine: Machine, request: Request, signal?: AbortSignal): Promise<ScriptAnswer> {
  const options = { timeoutMs: TIMEOUT_MS, ...(signal === undefined ? {} : { signal }) };
  return runScript(machine, "lease.py", request, scriptAnswer, options);
}

/** Who holds a machine. Changes nothing. */
export async function readLease(machine: Machine, signal?: AbortSignal): Promise<LeaseState> {
  return (await ask(machine, { verb: "read" }, signal)).before;
}

/** Whether a lease is this owner's own. */
export function isOurs(state: LeaseState, owner: Pick<LeaseOwner, "token"> | undefined): boolean {
  return state.kind === "held" && state.lease.token === owner?.token;
}

/** "machine-2 is held by lab …", for messages; undefined where it is free. */
export function describeLease(machine: string, state: LeaseState): string | undefined {
  if (state.kind === "free") return undefined;
  if (state.kind === "unreadable") {
    return `${machine} has a lease that cannot be read (${FILE}: ${makeVisibleLine(state.reason)})`;
  }
  const { lab, owner, phase, ageMs, sinceRenewedMs, rebooted } = state.lease;
  const [shownLab, shownOwner, shownPhase] = [lab, owner, phase].map(shown);
  const renewed = sinceRenewedMs < ageMs ? `, last heard of ${ago(sinceRenewedMs)}` : "";
  return (
    `${machine} is held by lab ${shownLab} of ${shownOwner}, taken ${ago(ageMs)}${renewed}, phase ${shownPhase}` +
    (rebooted ? "; the machine was restarted since" : "")
  );
}

/** A lab's own name, as `cnilab down` takes it: what is none was written by somebody else, and is not put into a command. */
const LAB_NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** What frees it: an order to nobody but the person who reads it. */
export function leaseRemedy(states: readonly LeaseState[]): string {
  const commands = states.flatMap((state) => {
    if (state.kind !== "held" || !LAB_NAME.test(state.lease.lab)) return [];
    return [`cnilab down ${state.lease.lab} as ${shown(state.lease.owner)}; or `];
  });
  const freeing = [...new Set(commands)].join("");
  return `${freeing}where its controller is gone for good, remove ${FILE} there as root, and then cnilab up --force`;
}

function shown(value: string): string {
  const line = makeVisibleLine(value);
  return line.length > 80 ? `${line.slice(0, 80)}…` : line;
}

function ago(ms: number): string {
  return `${formatDurationMs(Math.max(1000, Math.round(ms / 1000) * 1000))} ago`;
}

export interface AcquireOptions {
  /** What the owner is at, for those who ask: "install". */
  phase: string;
  /** Whether nobody is behind another's lease any more, so that it may be taken over. Default: never. */
  isDead?: (state: LeaseState) => boolean;
  signal?: AbortSignal;
}

/**
 * Takes all machines or none; one that is this owner's already stays so. Resolves with the dead leases that it ended. Machines are
 * taken one after another in the order of their machine-id(5), the same for all controllers, so that of several labs that want the
 * same machines at once one gets them all. Rejects with LEASE_HELD, which names every holder, and with LEASE_NOT_RELEASED where
 * what was taken meanwhile could not be given back. A lease never ends by age: a controller that was killed leaves its machines
 * half made, and only its own `down`, or a person, knows what to do with them.
 */
export async function acquireLeases(
  machines: readonly Machine[],
  owner: LeaseOwner,
  { phase, isDead = () => false, signal }: AcquireOptions,
): Promise<{ machine: string; state: LeaseState }[]> {
  const looks = await Promise.all(
    machines.map(async (machine) => ({ machine, ...(await ask(machine, { verb: "read" }, signal)) })),
  );
  refuseHeld(
    looks.filter(({ before }) => !isDead(before)),
    owner,
  );
  const inOrder = looks.toSorted((a, b) => (a.machineId < b.machineId ? -1 : a.machineId > b.machineId ? 1 : 0));
  const taken: (typeof looks)[number][] = [];
  try {
    for (const look of inOrder) {
      signal?.throwIfAborted();
      // Counted before the answer: where the connection is lost in between, the machine may be ours.
      const attempt = { ...look };
      taken.push(attempt);
      Object.assign(
        attempt,
        await ask(look.machine, { verb: "acquire", owner, phase, over: overOf(look.before, isDead) }, signal),
      );
      if (!attempt.done) refuseHeld([attempt], owner);
    }
  } catch (error) {
    // Those that were ours before stay ours.
    const fresh = taken.filter(({ before }) => !isOurs(before, owner)).map(({ machine }) => machine);
    await giveBack(fresh, owner, error);
    throw error;
  }
  return taken.flatMap(({ machine, before }) =>
    before.kind === "free" || isOurs(before, owner) ? [] : [{ machine: machine.name, state: before }],
  );
}

/** The file that may be replaced; null where none may. */
function overOf(state: LeaseState, isDead: (state: LeaseState) => boolean): string | null {
  return state.kind !== "free" && isDead(state) ? state.digest : null;
}

function refuseHeld(looks: readonly { machine: Machine; before: LeaseState }[], owner: LeaseOwner): void {
  const held = looks.filter(({ before }) => before.kind !== "free" && !isOurs(before, owner));
  if (held.length === 0) return;
  const lines = held.map(({ machine, before }) => describeLease(machine.name, before));
  throw new LabError("LEASE_HELD", lines.join("\n"), { hint: leaseRemedy(held.map(({ before }) => before)) });
}

async function giveBack(machines: readonly Machine[], owner: LeaseOwner, cause: unknown): Promise<void> {
  const { failed } = await releaseEach(machines, owner);
  if (failed.length === 0) return;
  throw notReleased(`${asError(cause).message}; and what was taken before that is not given back`, failed, cause);
}

function notReleased(what: string, problems: readonly string[], cause?: unknown): LabError {
  return new LabError("LEASE_NOT_RELEASED", `${what}: ${problems.join("; ")}`, {
    hint: "cnilab down gives them back as soon as the machines answer",
    cause,
  });
}

async function releaseEach(
  machines: readonly Machine[],
  owner: LeaseOwner,
): Promise<{ others: string[]; failed: string[] }> {
  const ended = await Promise.allSettled(machines.map((machine) => ask(machine, { verb: "release", owner })));
  const others: string[] = [];
  const failed: string[] = [];
  for (const [index, end] of ended.entries()) {
    const name = machines[index]?.name ?? "";
    if (end.status === "rejected") failed.push(`${name}: ${asError(end.reason).message}`);
    else if (!end.value.done) others.push(...[describeLease(name, end.value.before) ?? []].flat());
  }
  return { others, failed };
}

/** Says what the owner is at now. Rejects with LEASE_LOST where a machine is no longer this owner's. */
export async function renewLeases(
  machines: readonly Machine[],
  owner: LeaseOwner,
  phase: string,
  signal?: AbortSignal,
): Promise<void> {
  const answers = await Promise.all(machines.map((machine) => ask(machine, { verb: "renew", owner, phase }, signal)));
  const lost = answers.flatMap(({ done, before }, index) => {
    const name = machines[index]?.name ?? "";
    return done ? [] : [describeLease(name, before) ?? `${name} is held by nobody`];
  });
  if (lost.length === 0) return;
  throw new LabError("LEASE_LOST", lost.join("\n"), {
    hint: "somebody took the machines over, or removed the lease; cnilab down removes what this controller knows of the lab",
  });
}

/**
 * Gives back what is this owner's and leaves what is not: idempotent. Resolves with what others hold now, for people. All machines
 * are tried; rejects with LEASE_NOT_RELEASED, which names those that could not be asked.
 */
export async function releaseLeases(machines: readonly Machine[], owner: LeaseOwner): Promise<string[]> {
  const { others, failed } = await releaseEach(machines, owner);
  if (failed.length > 0) throw notReleased("machines still have this lab's lease", failed);
  return others;
}
