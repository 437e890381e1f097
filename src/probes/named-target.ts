import type { Evidence } from "../grade/types.ts";
import type { EndpointRef } from "../plan/types.ts";
import type { ResolvedSource } from "../providers/source.ts";
import { answeredAddresses, lookUp, lookupDestination } from "./lookup.ts";
import { observation } from "./observe.ts";
import { flowTo, resolveHost, resolveTarget } from "./resolve.ts";
import type { ResolvedTarget, TargetPort } from "./resolve.ts";
import type { ProbeContext, ProbedCell } from "./types.ts";

/** A target with an address and the facts found on the way, or the cell of a lookup that failed. */
export type NamedTarget =
  | { target: ResolvedTarget & { address: string }; evidence: Evidence[] }
  | { failed: Omit<ProbedCell, "key"> };

/**
 * What a reference means as a destination, a name looked up with dig from the source first: tools resolve names with
 * timeouts of their own, of 10 s and more, and word NXDOMAIN and silence alike. Throws what {@link resolveTarget} throws.
 */
export async function resolveNamedTarget(
  ref: EndpointRef,
  aim: TargetPort,
  from: ResolvedSource,
  context: ProbeContext,
): Promise<NamedTarget> {
  const target = await resolveTarget(ref, aim, from, context);
  const evidence: Evidence[] = target.notes.map((text) => ({ kind: "note", text }));
  if (ref.kind !== "host") return { target: { ...target, address: target.address ?? target.host }, evidence };
  const type = aim.family === "ipv6" ? "AAAA" : "A";
  const { observation: seen, reply } = await lookUp({ name: ref.host, type }, from, context);
  const address = reply === undefined ? undefined : answeredAddresses(reply)[0];
  if (address === undefined) {
    const isEmpty = seen.outcome === "allowed";
    const failed = isEmpty
      ? observation("rejected", `${ref.host} has no ${type} record`, { evidence: seen.evidence })
      : seen;
    return {
      failed: { observation: failed, destination: lookupDestination(ref.host), flow: flowTo(target, aim, from) },
    };
  }
  evidence.push({ kind: "resolution", text: `${ref.host} → ${address}` });
  return { target: { ...resolveHost(address, aim, from, context), address }, evidence };
}
