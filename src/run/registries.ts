import { cnis } from "../cnis/registry.ts";
import type { LabRegistries } from "../lab/registries.ts";
import { probeKinds } from "../probes/registry.ts";
import type { ProbeKind } from "../probes/types.ts";
import { providers } from "../providers/registry.ts";
import { scenarios } from "../scenarios/registry.ts";
import type { ScenarioKind } from "../scenarios/types.ts";

/** Every kind there is, for whoever reads lab files. */
export const registries: LabRegistries = {
  probes: probeKinds as unknown as Record<string, ProbeKind>,
  scenarios: scenarios as unknown as Record<string, ScenarioKind>,
  cnis,
  providers: Object.keys(providers),
};
