import type { Cni } from "../cnis/types.ts";
import type { ProbeKind } from "../probes/types.ts";
import type { ScenarioKind } from "../scenarios/types.ts";

/** The kinds that a lab file may name; the file format knows none of its own. */
export interface LabRegistries {
  probes: Readonly<Record<string, ProbeKind>>;
  scenarios: Readonly<Record<string, ScenarioKind>>;
  cnis: Readonly<Record<string, Cni>>;
  /** Names of providers that a lab may claim. */
  providers: readonly string[];
}
