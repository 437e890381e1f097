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

/** Connects to a running lab; throws LAB_NOT_RUNNING, or RECORD_UNREADABLE when its record does not say what it is. */
export async function attachLab(name: string, context: RunContext): Promise<AttachedLab> {
  const { stateRoot } = context;
  const finding = readRecord(stateRoot, name);
  if (finding.kind === "unreadable") {
    throw new LabError("RECORD_UNREADABLE", finding.reason, { hint: `cnilab down ${name} removes the lab` });
  }
  if (finding.kind === "missing" || !(await isLabUp(stateRoot, name, finding))) {
    throw new LabError("LAB_NOT_RUNNING", `lab ${name} is not running`, { hint: `cnilab up ${name} starts it` });
  }
  const { record } = finding;
  const cluster = await providerNamed(record.provider).attach(record.handle, labDirectory(stateRoot, name));
  return { record, cluster };
}
