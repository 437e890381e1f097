import type { Comparison } from "../../src/report/compare-types.ts";

/* What tests of whole labs read in the comparison that `cnilab compare -o json` prints. */

/** Where a lab was not graded as it has to be; labs that refuse this CNI or provider themselves do not count. */
export function wrongGrades({ labs }: Comparison): string[] {
  return labs.flatMap(({ lab, state, variants }) =>
    variants.flatMap(({ provider, notRun, grade }): string[] => {
      const name = `${lab.name}, ${state}, on ${provider}`;
      if (notRun !== undefined) return notRun.isRefusal ? [] : [`${name}: ${notRun.code}: ${notRun.message}`];
      const { verdict = "missing", earned = -1, possible = 0 } = grade ?? {};
      const isToSolve = state === "untouched" && possible > 0;
      const isRight = isToSolve ? verdict === "fail" && earned === 0 : verdict === "pass" && earned === possible;
      return isRight ? [] : [`${name}: ${verdict}, ${earned} of ${possible} points`];
    }),
  );
}

/** What differs between the variants, a line each. */
export function differences({ labs }: Comparison): string[] {
  return labs.flatMap(({ lab, state, differences: cells, inconclusive }) => [
    ...cells
      .filter(({ status }) => status === "different")
      .map(({ probe, from, to, port, sides }) => {
        const seen = sides.map((side) => `${side?.observed} (${side?.reason})`).join(" / ");
        return `${lab.name}, ${state}: ${probe}: ${from} -> ${to}:${port}: ${seen}`;
      }),
    ...inconclusive.map(
      ({ probe, from, to, variant, reason }) =>
        `${lab.name}, ${state}: ${probe}: ${from} -> ${to} on ${variant}: ${reason}`,
    ),
  ]);
}

/** Names of the labs that were graded on every variant, each once. */
export function gradedEverywhere({ labs }: Comparison): string[] {
  const graded = labs.filter(({ variants }) => variants.every(({ grade }) => grade !== undefined));
  return [...new Set(graded.map(({ lab }) => lab.name))];
}
