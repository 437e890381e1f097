import { LabError } from "../core/errors.ts";
import type { Evidence, Observation } from "../grade/types.ts";
import type { ResolvedSource } from "../providers/source.ts";
import { answeredAddresses, lookUp, lookupDestination } from "./lookup.ts";
import type { ProbeContext } from "./types.ts";

/**
 * Why a tool could not resolve a name: tools word NXDOMAIN, silence and refusal alike, so the name is looked up again
 * with dig. NXDOMAIN is `rejected`, a DNS server that does not answer `dropped`: the cell is then about the lookup, not
 * about the server behind the name. Where dig does get an address, the tool met a fault that is over (`wasFound`).
 */
export async function observeNameFault(
  { name, type }: { name: string; type: "A" | "AAAA" },
  evidence: Evidence[],
  from: ResolvedSource,
  context: ProbeContext,
): Promise<{ wasFound: boolean; observation: Observation; destination: string }> {
  const { observation, reply } = await lookUp({ name, type }, from, context);
  const destination = lookupDestination(name);
  const seen = { ...observation, evidence: [...evidence, ...observation.evidence] };
  if (reply !== undefined && answeredAddresses(reply).length > 0)
    return { wasFound: true, observation: seen, destination };
  const isEmpty = observation.outcome === "allowed";
  return {
    wasFound: false,
    observation: isEmpty ? { ...seen, outcome: "rejected", reason: `${name} has no ${type} record` } : seen,
    destination,
  };
}

/** The tool could not resolve a name that dig then could, and it had all the time that it may take. */
export function unsteadyName(said: string, found: Observation): LabError {
  return new LabError("PROBE_NAME_UNSTEADY", `the tool said "${said}", and a moment later ${found.reason}`, {
    hint: "cluster DNS or a policy on it changed during the probe; run it again",
  });
}
