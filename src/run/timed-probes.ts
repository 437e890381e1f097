import { LabError, type Span } from "../core/errors.ts";
import type { Plan, PlannedProbe } from "../plan/types.ts";
import type { Fault } from "../providers/fault.ts";

/** A fault with a name, and the probes that ask for it. */
export interface TimedFault {
  name: string;
  fault: Fault;
  span: Span | undefined;
  during: PlannedProbe[];
  after: PlannedProbe[];
}

/** Whether a fault is made for the probe. */
export function isTimed({ during, after }: PlannedProbe): boolean {
  return during !== undefined || after !== undefined;
}

/** Whether it is tried until it is as expected, and may so take longer than a look. */
export function isRepeated({ withinMs }: PlannedProbe): boolean {
  return withinMs !== undefined;
}

/** The faults that these probes ask for, in the scenario's order. Throws RECORD_UNKNOWN_FAULT. */
export function timedFaults({ scenario }: Plan, probes: readonly PlannedProbe[]): TimedFault[] {
  const named = scenario.flatMap(({ kind, options, span }) => {
    const fault = options as Fault;
    return kind === "fault" && fault.name !== undefined ? [{ name: fault.name, fault, span }] : [];
  });
  for (const name of probes.flatMap(({ during, after }) => during ?? after ?? [])) {
    if (!named.some((each) => each.name === name))
      throw new LabError("RECORD_UNKNOWN_FAULT", `no fault of the scenario is called ${JSON.stringify(name)}`);
  }
  return named
    .map((each) => ({
      ...each,
      during: probes.filter(({ during }) => during === each.name),
      after: probes.filter(({ after }) => after === each.name),
    }))
    .filter(({ during, after }) => during.length + after.length > 0);
}
