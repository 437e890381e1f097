import { readFileSync } from "node:fs";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import * as z from "zod";
import type { BaselineCell } from "../grade/baseline.ts";
import type { RecordedControl } from "../grade/controls.ts";
import type { EnforcementRecord } from "./enforcement-record.ts";
import type { LabTiming } from "../grade/time-limit.ts";
import type { GradeReport } from "../grade/types.ts";
import type { Plan } from "../plan/types.ts";
import { labDirectory, stateUnwritable } from "./state-directory.ts";

/** Raised whenever an older reader would misread the file. */
export const recordVersion = 1;

/**
 * What is known of one lab on this host.
 * - `starting`: provisioning began; the lab dies with the process that does it.
 * - `up`: the lab runs by itself.
 * - `stopping`: `down` began.
 */
export interface RunRecord {
  schemaVersion: typeof recordVersion;
  lab: string;
  provider: string;
  /** The provider's own; null until it is up. */
  handle: unknown;
  state: "starting" | "up" | "stopping";
  plan: Plan;
  /** ISO 8601. */
  createdAt: string;
  updatedAt: string;
  /** Everything that answered since `up`, so that a later silence means something. */
  controls: RecordedControl[];
  /** Absent where there was no baseline. */
  baseline?: BaselineCell[] | undefined;
  lastGrade?: { at: string; grade: GradeReport } | undefined;
  /** What watched changes of policies showed; absent where none was. */
  enforcement?: EnforcementRecord | undefined;
  /** Of a lab with a time limit, from when it is up. */
  timing?: LabTiming | undefined;
  /** Each hint that was shown, in their order: the nth entry of a task is its nth hint. `at` is ISO 8601. */
  hintsTaken?: HintTaken[] | undefined;
  /** The exam that it was made for, with what tells this one from another of its name. */
  exam?: { name: string; id: string } | undefined;
}

/** That a learner asked for the next hint of a task. */
export interface HintTaken {
  task: string;
  at: string;
}

/** What a lab's folder was found to hold. `reason` is one line for a person. */
export type RecordFinding =
  | { kind: "found"; record: RunRecord }
  | { kind: "missing" }
  | { kind: "unreadable"; reason: string };

const gradeSchema = z.looseObject({
  verdict: z.enum(["pass", "fail", "inconclusive"]),
  earned: z.number(),
  possible: z.number(),
});

const enforcementSchema = z.object({
  policies: z.string(),
  flows: z.array(
    z.object({
      probe: z.string(),
      at: z.string(),
      flow: z.string(),
      seen: z.string(),
      figures: z.looseObject({ change: z.enum(["closed", "opened"]), lateMs: z.number(), flaps: z.number() }),
    }),
  ),
  unseen: z.array(z.object({ probe: z.string(), what: z.string() })),
});

/** Only what is relied on without a further check; what a provider or reporter reads is theirs to doubt. */
const recordSchema = z.object({
  schemaVersion: z.literal(recordVersion),
  lab: z.string(),
  provider: z.string(),
  handle: z.unknown(),
  state: z.enum(["starting", "up", "stopping"]),
  plan: z.looseObject({
    lab: z.looseObject({ name: z.string(), title: z.string(), file: z.string(), directory: z.string() }),
    provider: z.string(),
    topology: z.looseObject({ name: z.string(), nodes: z.array(z.looseObject({ name: z.string() })) }),
    cni: z.looseObject({ name: z.string(), mode: z.string() }),
    cluster: z.looseObject({}),
    scenario: z.array(z.looseObject({ kind: z.string() })),
    probes: z.array(z.looseObject({ name: z.string(), kind: z.string() })),
    tasks: z.array(
      // A record of an earlier release has no names.
      z.looseObject({ name: z.string().default(""), text: z.string(), probes: z.array(z.string()) }),
    ),
  }),
  createdAt: z.string(),
  updatedAt: z.string(),
  controls: z.array(z.object({ destination: z.string(), from: z.string(), isLoopback: z.boolean(), at: z.string() })),
  baseline: z.array(z.object({ probe: z.string(), cell: z.string(), passed: z.boolean().optional() })).optional(),
  lastGrade: z.looseObject({ at: z.string(), grade: gradeSchema }).optional(),
  enforcement: enforcementSchema.optional(),
  timing: z.object({ startedAt: z.iso.datetime(), latestAt: z.iso.datetime() }).optional(),
  hintsTaken: z.array(z.object({ task: z.string(), at: z.string() })).optional(),
  exam: z.object({ name: z.string(), id: z.string() }).optional(),
});

/** The lab's run record as `kind` says; truncated, foreign and older files are findings, not errors. */
export function readRecord(root: string, name: string): RecordFinding {
  const path = recordPath(root, name);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === "ENOENT" ? { kind: "missing" } : { kind: "unreadable", reason: message };
  }
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return {
      kind: "unreadable",
      reason: `${path} is not JSON: ${text.length === 0 ? "it is empty" : "cut off or overwritten"}`,
    };
  }
  const version = (data as { schemaVersion?: unknown } | null)?.schemaVersion;
  if (typeof version === "number" && version !== recordVersion) {
    return {
      kind: "unreadable",
      reason: `${path} was written by another release of cnilab (record version ${version})`,
    };
  }
  const parsed = recordSchema.safeParse(data);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return {
      kind: "unreadable",
      reason: `${path} is not a run record: ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}`.trim(),
    };
  }
  if (parsed.data.lab !== name) {
    return { kind: "unreadable", reason: `${path} is the record of another lab, ${JSON.stringify(parsed.data.lab)}` };
  }
  return { kind: "found", record: parsed.data as unknown as RunRecord };
}

/** Notes in a record when it is changed. Its time limit is counted by the latest time ever seen, so that a clock set back shows. */
export function stampRecord(record: RunRecord, now: Date): void {
  const at = now.toISOString();
  record.updatedAt = at;
  const { timing } = record;
  if (timing !== undefined && now.getTime() > Date.parse(timing.latestAt)) record.timing = { ...timing, latestAt: at };
}

/** The timing of a lab that is up, or untouched again, from now on; none where it has no limit. */
export function startTiming({ timeLimit }: Plan, now: Date): Pick<RunRecord, "timing"> {
  const at = now.toISOString();
  return { timing: timeLimit === undefined ? undefined : { startedAt: at, latestAt: at } };
}

/** Writes the record whole or not at all; the lab's folder must exist. */
export async function writeRecord(root: string, record: RunRecord): Promise<void> {
  const path = recordPath(root, record.lab);
  try {
    // Without fsync: a power cut ends the lab, too, and a reader copes with a torn file.
    await writeFileAtomic(path, `${JSON.stringify(record)}\n`, { mode: 0o600, fsync: false });
  } catch (cause) {
    throw stateUnwritable(path, cause);
  }
}

function recordPath(root: string, name: string): string {
  return join(labDirectory(root, name), "record.json");
}
