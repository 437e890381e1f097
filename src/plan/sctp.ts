import { LabError } from "../core/errors.ts";
import type { Span } from "../core/errors.ts";
import type { Lab } from "../lab/types.ts";

/** Error PLAN_NO_SCTP: whatever `what` names asks for a flow of SCTP, which no prober sends, on any provider. */
export function sctpNotSent(what: string, span?: Span): LabError {
  return new LabError("PLAN_NO_SCTP", `${what} asks for SCTP, and there is no prober that sends it`, {
    hint: "cnilab explain LAB FROM TO:PORT/SCTP tells what policies make of such a flow; Services, ports and policies of SCTP may stay",
    ...(span === undefined ? {} : { span }),
  });
}

/** A reason for each probe of the lab that asks for SCTP, at its line. */
export function sctpRefusals({ probes }: Lab): LabError[] {
  return probes.flatMap(({ name, options, span }) =>
    asksForSctp(options) ? [sctpNotSent(`probe ${JSON.stringify(name)}`, span)] : [],
  );
}

/** The lab without these probes, for who probes nothing. */
export function withoutSctpProbes(lab: Lab): Lab {
  return { ...lab, probes: lab.probes.filter(({ options }) => !asksForSctp(options)) };
}

function asksForSctp(options: unknown): boolean {
  if (typeof options !== "object" || options === null) return false;
  return (options as { protocol?: unknown }).protocol === "sctp" || Object.values(options).some(asksForSctp);
}
