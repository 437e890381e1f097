import { cniText } from "../core/cni-text.ts";
import { LabError } from "../core/errors.ts";
import { measureTime } from "../grade/time-limit.ts";
import type { TimeUse } from "../grade/types.ts";
import type { RunContext } from "./context.ts";
import { isLabUp } from "./leftovers.ts";
import { readRecord, type RunRecord } from "./record.ts";
import { labDirectory, listLabNames } from "./state-directory.ts";

/**
 * What became of a lab.
 * - `up`: it runs.
 * - `busy`: it runs, and ends with the process that starts or runs it.
 * - `dead`: it does not run; files are left that `down` or the next `up` removes.
 * - `unreadable`: its record cannot be read; `isRunning` says whether the lab is there.
 * - `unreachable`: whether it runs cannot be asked now.
 */
export type LabState = "up" | "busy" | "dead" | "unreadable" | "unreachable";

export interface LabStatus {
  name: string;
  state: LabState;
  isRunning: boolean;
  /** Folder of its run state. */
  directory: string;
  /** One line for a person, where something is not as it should be. */
  detail?: string;
  title?: string;
  file?: string;
  provider?: string;
  cni?: string;
  nodes?: number;
  /** ISO 8601. */
  since?: string;
  /** Of a lab with a time limit that is up. */
  time?: TimeUse;
  lastGrade?: {
    at: string;
    verdict: string;
    earned: number;
    possible: number;
    bonus?: { earned: number; possible: number };
  };
}

/** The state of every lab with a folder, or of those named. Never fails for what a folder holds. */
export async function labStatuses(context: RunContext, names?: string[]): Promise<LabStatus[]> {
  const { stateRoot } = context;
  const now = context.now();
  return Promise.all((names ?? listLabNames(stateRoot)).map((name) => statusOf(stateRoot, name, now)));
}

async function statusOf(root: string, name: string, now: Date): Promise<LabStatus> {
  const finding = readRecord(root, name);
  const directory = labDirectory(root, name);
  let isRunning: boolean;
  try {
    isRunning = await isLabUp(root, name, finding);
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    const known = finding.kind === "found" ? facts(finding.record) : {};
    return { name, isRunning: false, directory, state: "unreachable", detail: error.message, ...known };
  }
  const base = { name, isRunning, directory };
  if (finding.kind === "found") {
    const { state, detail } = judge(finding.record, isRunning);
    const time = state === "up" ? timeOf(finding.record, now) : {};
    return { ...base, state, ...(detail === undefined ? {} : { detail }), ...facts(finding.record), ...time };
  }
  const what = finding.kind === "missing" ? "it has no run record" : finding.reason;
  return { ...base, state: "unreadable", detail: `${what}; cnilab down ${name} removes it` };
}

function judge(record: RunRecord, isRunning: boolean): { state: LabState; detail?: string } {
  if (isRunning) return { state: record.state === "up" ? "up" : "busy" };
  const how = {
    starting: "it was ended while it started or ran",
    up: "it ended by itself or was killed",
    stopping: "its removal was ended",
  };
  return { state: "dead", detail: `${how[record.state]}; cnilab down ${record.lab} removes what is left` };
}

function timeOf({ plan: { timeLimit }, timing }: RunRecord, now: Date): Pick<LabStatus, "time"> {
  return timeLimit === undefined ? {} : { time: measureTime(timeLimit, timing, now) };
}

function facts(record: RunRecord): Partial<LabStatus> {
  const { plan, lastGrade } = record;
  const bonus = lastGrade?.grade.bonus;
  return {
    title: plan.lab.title,
    file: plan.lab.file,
    provider: record.provider,
    cni: cniText(plan.cni.name, plan.cni.mode, plan.cni.options),
    nodes: plan.topology.nodes.length,
    since: record.createdAt,
    ...(lastGrade === undefined
      ? {}
      : {
          lastGrade: {
            at: lastGrade.at,
            verdict: lastGrade.grade.verdict,
            earned: lastGrade.grade.earned,
            possible: lastGrade.grade.possible,
            ...(bonus === undefined ? {} : { bonus: { earned: bonus.earned, possible: bonus.possible } }),
          },
        }),
  };
}
