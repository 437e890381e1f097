import { cnis } from "../../cnis/registry.ts";
import type { Cni } from "../../cnis/types.ts";
import { API_FAULTS } from "../fault.ts";
import type { Capabilities } from "../types.ts";

/** What providers that make a real cluster of their own have in common, with their `features` and the `faults` of their nodes: every CNI that can be installed. */
export function realCapabilities(
  features: Capabilities["features"],
  faults: NonNullable<Capabilities["faults"]>,
): Capabilities {
  const installs = Object.values<Cni>(cnis).map(({ name, install }) => [name, Object.keys(install.modes)] as const);
  return {
    cnis: Object.fromEntries(installs),
    probes: ["ping", "curl", "dns", "tcp", "udp", "iperf", "matrix", "path", "mtu", "plaintext", "convergence"],
    scenarios: ["apply", "delete", "wait", "scale", "exec", "fault", "restore"],
    faults: [...faults, ...API_FAULTS],
    features,
  };
}
