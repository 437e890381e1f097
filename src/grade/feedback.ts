import type { StableName } from "./baseline.ts";
import type { JudgedProbe, TaskFeedback } from "./types.ts";

/**
 * One cell of a task's probes that is wrong: the first that failed, in the order in which the task names its probes, else the
 * first that is inconclusive. Its ends get the names that `nameOf` knows for them. Undefined where every cell passed, or there is none.
 */
export function feedbackOf(
  names: readonly string[],
  all: readonly JudgedProbe[],
  nameOf: StableName,
): TaskFeedback | undefined {
  const probes = names.flatMap((name) => all.find((probe) => probe.name === name) ?? []);
  const cells = probes.flatMap(({ name, cells: own }) => own.map((cell) => ({ probe: name, cell })));
  const wrong =
    cells.find(({ cell }) => cell.verdict === "fail") ?? cells.find(({ cell }) => cell.verdict === "inconclusive");
  if (wrong === undefined) return undefined;
  const { key, verdict, reason, expected, observation } = wrong.cell;
  return {
    probe: wrong.probe,
    key: { ...key, from: nameOf(key.from), to: nameOf(key.to) },
    verdict: verdict === "fail" ? "fail" : "inconclusive",
    ...(expected === undefined ? {} : { expected }),
    ...(observation === undefined
      ? {}
      : { observed: { outcome: observation.outcome, reason: observation.reason, tries: observation.tries } }),
    reason,
  };
}
