import { LabError, LabProblems, type LabWarning } from "../core/errors.ts";
import { readPlan, type LabOverrides } from "./read-lab.ts";

/** What was found in one lab. */
export interface Validation {
  /** As it was named. */
  lab: string;
  problems: readonly LabError[];
  warnings: LabWarning[];
}

/** Checks labs, each whatever the others hold. What is no finding about a lab is thrown. */
export async function validateLabs(labs: readonly string[], overrides: LabOverrides): Promise<Validation[]> {
  return Promise.all(
    labs.map(async (lab) => {
      try {
        const { warnings } = await readPlan(lab, { ...overrides, onAnyMachines: true });
        return { lab, problems: [], warnings };
      } catch (error) {
        if (error instanceof LabProblems) return { lab, problems: error.problems, warnings: [] };
        if (error instanceof LabError) return { lab, problems: [error], warnings: [] };
        throw error;
      }
    }),
  );
}
