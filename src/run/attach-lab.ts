import { LabError } from "../core/errors.ts";
import type { Cluster } from "../providers/types.ts";
import type { RunContext } from "./context.ts";
import { isLabUp } from "./leftovers.ts";
import { providerNamed } from "./provision.ts";
import { readRecord, type RunRecord } from "./record.ts";
import { labDirectory } from "./state-directory.ts";

/** A lab that runs by itself, and a client for its cluster. */
export interface AttachedLab {
  record: RunRecord;
  cluster: Cluster;
}

/** The record of a running lab; throws LAB_NOT_RUNNING, or RECORD_UNREADABLE when it does not say what the lab is. */
export async function runningRecord(name: string, { stateRoot }: RunContext): Promise<RunRecord> {
  const finding = readRecord(stateRoot, name);
  if (finding.kind === "unreadable") {
    throw new LabError("RECORD_UNREADABLE", finding.reason, { hint: `cnilab down ${name} removes the lab` });
  }
  if (finding.kind === "missing" || !(await isLabUp(stateRoot, name, finding))) {
    throw new LabError("LAB_NOT_RUNNING", `lab ${name} is not running`, { hint: `cnilab up ${name} starts it` });
  }
  return finding.record;
}

/** Connects to a running lab; throws what {@link runningRecord} and the provider throw. */
export async function attachLab(name: string, context: RunContext): Promise<AttachedLab> {
  const record = await runningRecord(name, context);
  const cluster = await providerNamed(record.provider).attach(record.handle, labDirectory(context.stateRoot, name));
  return { record, cluster };
}
