import type { LabWarning } from "../core/errors.ts";
import { buildPlan } from "../plan/build-plan.ts";
import type { Plan } from "../plan/types.ts";
import { findLabFile } from "./find-lab.ts";
import { registries } from "./registries.ts";

/** What the command line says instead of the lab file. */
export interface LabOverrides {
  provider?: string | undefined;
  cni?: { name: string; mode?: string } | undefined;
}

/** A lab as the command line names it. */
export interface LabRequest extends LabOverrides {
  /** A lab file, its folder, or the name of a bundled lab. */
  lab: string;
}
