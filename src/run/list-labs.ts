import { labRuns, type LabRun } from "../plan/refusals.ts";
import { providers } from "../providers/registry.ts";
import { listBundledLabs } from "./bundled-labs.ts";
import { readLab } from "./read-lab.ts";
import { registries } from "./registries.ts";

/** A lab that comes with cnilab. */
export interface ListedLab {
  name: string;
  title: string;
  level?: string;
  minutes?: number;
  /** How many tasks it sets. */
  tasks: number;
  /** Every provider, CNI and mode there is, and why the lab does not run on some. */
  runs: LabRun[];
}

/** Every bundled lab, in the order of their names; throws LabProblems when one of them is not valid. */
export async function listLabs(): Promise<ListedLab[]> {
  return Promise.all(
    listBundledLabs().map(async (argument) => {
      const { lab } = await readLab(argument);
      return {
        name: lab.name,
        title: lab.title,
        ...(lab.level === undefined ? {} : { level: lab.level }),
        ...(lab.minutes === undefined ? {} : { minutes: lab.minutes }),
        tasks: lab.tasks.length,
        runs: labRuns(lab, Object.values(providers), Object.values(registries.cnis)),
      };
    }),
  );
}
