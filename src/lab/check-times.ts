import { formatDurationMs } from "../core/duration.ts";
import { didYouMean } from "../core/suggest.ts";
import type { PlannedStep } from "../plan/types.ts";
import type { ScenarioKind } from "../scenarios/types.ts";
import type { LabToCheck } from "./check.ts";
import { enforcedWithin } from "./enforced-within.ts";
import type { ReadProbe } from "./prepare.ts";
import type { ProblemList } from "./problems.ts";
import type { ReadStep } from "./read-manifests.ts";
import type { LabRegistries } from "./registries.ts";

/** A try that gets no answer takes 1.1 s; whoever waits longer than ten minutes has no exercise. */
const WITHIN = { min: 1000, max: 600_000 } as const;

/** Reports faults with names and probes of their times that do not go together. */
export function checkTimes({ steps, probes }: LabToCheck, registries: LabRegistries, list: ProblemList): void {
  const faults = checkNames(steps, list);
  for (const each of probes) {
    if (registries.probes[each.probe.kind]?.watches === true) checkWatcher(each, list);
    checkProbe(each, [...faults.keys()], list);
    checkRestore(each, faults, registries, list);
    checkEnforcement(each, list);
  }
  const asked = new Set(probes.flatMap(({ probe }) => [probe.during, probe.after]));
  for (const [name, { entry }] of faults) {
    if (asked.has(name)) continue;
    const hint = `give a probe during: ${name} or after: ${name}, or leave the name out to have the fault there at once`;
    list.error("LAB_FAULT_UNUSED", [...entry.path, "fault", "name"], `no probe asks for the fault ${name}`, hint);
  }
}

/** The steps with a named fault, by the names. They come last, since they are made after all others. */
function checkNames(steps: readonly ReadStep[], list: ProblemList): Map<string, ReadStep> {
  const faults = new Map<string, ReadStep>();
  const lastOther = steps.findLastIndex(({ step }) => faultName(step) === undefined);
  for (const [index, each] of steps.entries()) {
    const name = faultName(each.step);
    if (name === undefined) continue;
    const at = [...each.entry.path, "fault", "name"];
    const first = faults.get(name);
    if (first !== undefined) {
      const line = list.document.span(first.entry.path).line;
      list.error("LAB_FAULT_NAME", at, `another fault, on line ${line}, is called ${name}`, "give each its own name");
    } else faults.set(name, each);
    if (index < lastOther) {
      const message = `the fault ${name} is made when its probes run, and a step follows it`;
      list.error("LAB_FAULT_NAME", at, message, "put faults with a name at the end of the scenario");
    }
  }
  return faults;
}

/** A probe that is there while something changes is told what that is, and expects a time and no state. */
function checkWatcher({ entry, probe }: ReadProbe, list: ProblemList): void {
  const { during, after, withinMs, expect } = probe;
  if (during === undefined && after === undefined)
    list.errorAtKey(
      "LAB_PROBE_TIME",
      [...entry.path, entry.kind],
      `a ${entry.kind} probe watches a fault that is made or restored, and this one names none`,
      "add during: with the fault's name to watch it being made, or after: to watch its restore",
    );
  if (withinMs !== undefined)
    list.errorAtKey(
      "LAB_PROBE_TIME",
      [...entry.path, "within"],
      `a ${entry.kind} probe is not repeated`,
      "put within under expect",
    );
  if (typeof expect === "string")
    list.error(
      "LAB_BAD_EXPECT",
      [...entry.path, "expect"],
      `a ${entry.kind} probe expects figures`,
      "write it like expect: { within: 5s }",
    );
}

/** Of what leaves nothing behind, no restore can be watched. */
function checkRestore(
  { entry, probe }: ReadProbe,
  faults: ReadonlyMap<string, ReadStep>,
  registries: LabRegistries,
  list: ProblemList,
): void {
  const step = faults.get(probe.after ?? "")?.step;
  if (step === undefined || registries.probes[probe.kind]?.watches !== true) return;
  const kind = registries.scenarios[step.kind] as ScenarioKind | undefined;
  if (kind?.leavesNothing?.(step.options) !== true) return;
  list.error(
    "LAB_PROBE_TIME",
    [...entry.path, "after"],
    `nothing of the fault ${probe.after} is taken back, so that there is no restore to watch`,
    `write during: ${probe.after}`,
  );
}

function checkProbe({ entry, probe }: ReadProbe, names: readonly string[], list: ProblemList): void {
  const { during, after, withinMs } = probe;
  for (const [field, name] of Object.entries({ during, after })) {
    if (name === undefined || names.includes(name)) continue;
    const message = `no fault of the scenario is called ${JSON.stringify(name.slice(0, 60))}`;
    const hint = names.length === 0 ? "give a fault step a name: fault: { …, name: … }" : didYouMean(name, names);
    list.error("LAB_UNKNOWN_FAULT", [...entry.path, field], message, hint);
  }
  if (during !== undefined && after !== undefined)
    list.errorAtKey(
      "LAB_PROBE_TIME",
      [...entry.path, "after"],
      "a probe runs during a fault or after it",
      "make two probes of it",
    );
  if (during !== undefined && probe.expect === "policy")
    list.error(
      "LAB_BAD_EXPECT",
      [...entry.path, "expect"],
      "policies say nothing of the time of a fault",
      "write allowed, blocked or rejected",
    );
  if (withinMs === undefined) return;
  if (withinMs < WITHIN.min || withinMs > WITHIN.max)
    list.error(
      "LAB_PROBE_TIME",
      [...entry.path, "within"],
      `within is ${formatDurationMs(WITHIN.min)} to ${formatDurationMs(WITHIN.max)}`,
    );
}

/** What is measured of a change of policies is not measured at any time of a fault, nor again. */
function checkEnforcement({ entry, probe }: ReadProbe, list: ProblemList): void {
  if (enforcedWithin(probe.expect) === undefined) return;
  if (probe.withinMs !== undefined)
    list.errorAtKey(
      "LAB_PROBE_TIME",
      [...entry.path, "within"],
      "what was measured of a change of policies is not measured again",
      "leave it out: enforcedWithin is the time",
    );
  for (const [field, value] of Object.entries({ during: probe.during, after: probe.after })) {
    if (value === undefined) continue;
    list.errorAtKey(
      "LAB_PROBE_TIME",
      [...entry.path, field],
      "enforcedWithin is counted from a change of policies, and not from a fault",
      "leave it out, or expect something else",
    );
  }
}

function faultName({ kind, options }: PlannedStep): string | undefined {
  return kind === "fault" ? (options as { name?: string }).name : undefined;
}
