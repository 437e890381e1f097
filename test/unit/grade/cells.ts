import type {
  Cell,
  Expectation,
  JudgedProbe,
  Observation,
  Outcome,
  ProbeResult,
  Verdict,
} from "../../../src/grade/types.ts";
import { gradeProbes } from "../../../src/grade/judge.ts";

/** An observation with nothing but its outcome. */
export function saw(outcome: Outcome, more: Partial<Observation> = {}): Observation {
  return { outcome, reason: `${outcome} it was`, tries: 1, evidence: [], ...more };
}

/** A cell from a to b on 80/tcp. */
export function cell(
  expected: Expectation | undefined,
  observation: Observation | undefined,
  more: Partial<Cell> = {},
): Cell {
  return {
    key: { from: "shop/a", to: "shop/b", port: 80, protocol: "tcp" },
    rerun: "cnilab probe lab",
    ...(expected === undefined ? {} : { expected }),
    ...(observation === undefined ? {} : { observation }),
    ...more,
  };
}

/** A probe of these cells. */
export function probe(name: string, cells: Cell[], more: Partial<ProbeResult> = {}): ProbeResult {
  return { name, kind: "tcp", expectText: "as it should", cells, durationMs: 1, ...more };
}

/** A cell that gets the verdict, whatever way. */
export function cellWith(verdict: Verdict, passedBefore?: boolean): Cell {
  const before = passedBefore === undefined ? {} : { passedBefore };
  if (verdict === "pass") return cell("allowed", saw("allowed"), before);
  return cell("allowed", verdict === "fail" ? saw("dropped") : saw("error"), before);
}

/** Refuses to compare figures: most tests have none. */
export function noFigures(): never {
  throw new Error("no figures were expected");
}

/** A grade without tasks. */
export function judged(probes: ProbeResult[]): JudgedProbe[] {
  return gradeProbes({ probes, tasks: [], compareFigures: noFigures }).probes;
}
