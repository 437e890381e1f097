import { formatDurationMs } from "../core/duration.ts";
import { LabError } from "../core/errors.ts";
import type { Observation } from "../grade/types.ts";
import { enforcedWithin } from "../lab/enforced-within.ts";
import type { PlannedCni, PlannedProbe } from "../plan/types.ts";
import { compareEnforcement, isUnresolved, observeEnforcement } from "../probes/enforcement.ts";
import { errorObservation } from "../probes/observe.ts";
import type { ProbedCell } from "../probes/types.ts";
import type { EnforcementRecord } from "./enforcement-record.ts";

/** What is known of enforcement when a probe is judged. */
export interface KnownEnforcement {
  record: EnforcementRecord | undefined;
  /** Of the policies as they are now. */
  policies: string;
  cni: PlannedCni;
}

const MOST_TOLD = 5;

/**
 * The one cell of a probe that expects `enforcedWithin`: what was measured of all its flows, with the slowest told. An error, and so
 * inconclusive, where nothing was measured that holds now, or something remained unseen and nothing was late for certain.
 */
export function enforcementCell(probe: PlannedProbe, known: KnownEnforcement): ProbedCell {
  return { key: { from: "policies", to: "data plane" }, observation: observe(probe, known) };
}

function observe({ name, expect }: PlannedProbe, { record, policies, cni }: KnownEnforcement): Observation {
  const withinMs = enforcedWithin(expect) ?? 0;
  if (!cni.enforcesPolicy) return notMeasured(`${cni.name} does not enforce NetworkPolicy`, "take a CNI that does");
  const [first, ...others] = record?.flows.filter(({ probe }) => probe === name) ?? [];
  const unseen = record?.unseen.filter(({ probe }) => probe === name).map(({ what }) => what) ?? [];
  if (record === undefined || (first === undefined && unseen.length === 0))
    return notMeasured(
      "no change of policies that decides flows of this probe was watched",
      "cnilab apply and cnilab watch -f watch what they change; a change by kubectl, or one that is in force already, says nothing",
    );
  if (record.policies !== policies)
    return notMeasured(
      "the policies were changed since by a hand that did not watch",
      "take the change back and make it with cnilab apply or cnilab watch -f, which watch it; kubectl tells nobody beforehand",
    );
  if (first === undefined) return withNotes(notMeasured(unseenText(unseen), "change the policies again"), unseen);
  const flows = [first, ...others] as const;
  const seen = observeEnforcement(flows);
  const isLate = compareEnforcement(seen.measured ?? {}, { enforcedWithin: withinMs }) !== undefined;
  const unresolved = flows
    .filter(({ figures }) => isUnresolved(figures, withinMs))
    .map(
      ({ flow }) => `${flow}: its requests do not show whether it was in force within ${formatDurationMs(withinMs)}`,
    );
  const open = [...unseen, ...unresolved];
  if (isLate || open.length === 0) return withNotes(seen, open);
  const inconclusive = withNotes(notMeasured(unseenText(open), "change the policies again"), open);
  return { ...inconclusive, evidence: [...inconclusive.evidence, ...seen.evidence] };
}

function notMeasured(why: string, hint: string): Observation {
  return errorObservation(new LabError("ENFORCEMENT_NOT_MEASURED", why, { hint }));
}

function unseenText(unseen: readonly string[]): string {
  const more = unseen.length > 1 ? `; and ${unseen.length - 1} more` : "";
  return `not all was seen: ${unseen[0] ?? ""}${more}`;
}

function withNotes(observation: Observation, unseen: readonly string[]): Observation {
  const notes = unseen.map((what, index) => ({
    kind: "note" as const,
    text: `not measured: ${what}`,
    ...(index < MOST_TOLD ? {} : { isDetail: true }),
  }));
  return { ...observation, evidence: [...observation.evidence, ...notes] };
}
