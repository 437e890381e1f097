import { LabError } from "../core/errors.ts";
import type { Evidence, Observation } from "../grade/types.ts";
import type { ResolvedSource } from "../providers/source.ts";
import { answeredAddresses, lookUp, lookupDestination } from "./lookup.ts";
import type { ProbeContext } from "./types.ts";

/**
 * Why a tool could not resolve a name: tools word NXDOMAIN, silence and refusal alike, so the name is looked up again
 * with dig. NXDOMAIN is `rejected`, a DNS server that does not answer `dropped`; where dig does get an address the tool
 * met a fault that is over, which is an error. The cell is then about the lookup, not about the server behind the name.
 */
export async function observeNameFault(
  { name, type }: { name: string; type: "A" | "AAAA" },
  said: string,
  evidence: Evidence[],
  from: ResolvedSource,
  context: ProbeContext,
): Promise<{ observation: Observation; destination: string }> {
  const { observation, reply } = await lookUp({ name, type }, from, context);
  if (reply !== undefined && answeredAddresses(reply).length > 0) {
    throw new LabError("PROBE_NAME_UNSTEADY", `the tool said "${said}", and a moment later ${observation.reason}`, {
      hint: "cluster DNS or a policy on it changed during the probe; run it again",
    });
  }
  const seen = { ...observation, evidence: [...evidence, ...observation.evidence] };
  const isEmpty = observation.outcome === "allowed";
  return {
    observation: isEmpty ? { ...seen, outcome: "rejected", reason: `${name} has no ${type} record` } : seen,
    destination: lookupDestination(name),
  };
}
