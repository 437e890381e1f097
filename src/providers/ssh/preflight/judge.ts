import type { MachineFacts, MeasuredMachine } from "./facts.ts";
import type { PreflightNeeds } from "./needs.ts";

/** One thing that is asked of each machine. */
export type Judge = (facts: MachineFacts, machine: MeasuredMachine, needs: PreflightNeeds) => Draft[];

/** A finding without its machine's name, which is put before the message. */
export interface Draft {
  code: string;
  ok?: boolean;
  message: string;
  remedy?: string;
}
