import type { ScenarioKind } from "../scenarios/types.ts";
import type { LabToCheck } from "./check.ts";
import type { ProblemList } from "./problems.ts";
import type { LabRegistries } from "./registries.ts";

/** Reports steps that do not fit the lab's nodes or the steps before them, as each kind's `check` finds. */
export function checkSteps(
  { lab, steps, isTopologyKnown }: LabToCheck,
  registries: LabRegistries,
  list: ProblemList,
): void {
  for (const [index, { entry, step }] of steps.entries()) {
    const kind = registries.scenarios[step.kind] as ScenarioKind;
    const earlier = steps.slice(0, index).map((each) => each.step);
    const problem = kind.check?.(step.options, { topology: isTopologyKnown ? lab.topology : undefined, earlier });
    if (problem !== undefined)
      list.errorAtKey(problem.code, [...entry.path, entry.kind], problem.message, problem.hint);
  }
}
