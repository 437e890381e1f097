import type { Capabilities, Provider } from "../types.ts";
import { cnis } from "../../cnis/registry.ts";
import type { Cni } from "../../cnis/types.ts";
import { API_FAULTS } from "../fault.ts";
import { refusals } from "./refusals.ts";
import { readExistingState } from "./state.ts";

function capabilities(): Capabilities {
  const modes = Object.values<Cni>(cnis).map((cni) => [cni.name, cni.modes.map(({ name }) => name)] as const);
  return {
    cnis: Object.fromEntries(modes),
    probes: ["ping", "curl", "dns", "tcp", "udp", "iperf", "matrix", "mtu", "convergence"],
    probesLack: {
      path: "it captures on nodes, where others' packets pass, too",
      plaintext: "it captures on nodes, where others' packets pass, too",
    },
    scenarios: ["apply", "delete", "wait", "scale", "exec", "fault"],
    // The nodes are not ours to break.
    faults: API_FAULTS,
    features: [],
  };
}

/** Namespaces of our own in a cluster that somebody else made. What it does is loaded when it is used. */
export const existing: Provider = {
  kind: "existing",
  summary: "namespaces of our own in any cluster, by kubeconfig and context",
  capabilities,
  takesExisting: true,
  refusals,
  preflight: async (plan) => (await import("./preflight.ts")).existingPreflight(plan),
  up: async (plan, context) => (await import("./up.ts")).up(plan, context),
  attach: async (handle, stateDirectory) => (await import("./lab.ts")).attach(handle, stateDirectory),
  isUp: async (_handle, stateDirectory) =>
    readExistingState(stateDirectory) !== undefined && (await import("./lab.ts")).isUp(stateDirectory),
  down: async (_handle, stateDirectory) => {
    if (readExistingState(stateDirectory) !== undefined) await (await import("./lab.ts")).down(stateDirectory);
  },
};
