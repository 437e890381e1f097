import type { Verdict } from "../grade/types.ts";

/** What a mutant does to the reference solution. */
export type MutantChange = "left out" | "loosened" | "tightened" | "changed" | "put back";

/**
 * What became of a mutant.
 * - `noticed`: it was graded, and its grade is no full pass.
 * - `survived`: its grade is a full pass.
 * - `equivalent`: it does the same as the solution, so that no probe can tell it apart; it was not graded.
 * - `refused`: the API refuses it, so that no learner can have it.
 */
export type MutantStatus = "noticed" | "survived" | "equivalent" | "refused";

/** A probe that would tell a mutant from the solution. */
export interface MissingProbe {
  from: string;
  to: string;
  port: number;
  protocol: "tcp" | "udp" | "sctp";
  /** What the solution makes of it. */
  expected: "allowed" | "blocked";
  /** Whether something answers there: where nothing does, the lab has to have a server there first. */
  isServed: boolean;
}

export interface TestedMutant {
  change: MutantChange;
  /** Such as "ingress rule 1 left out". */
  what: string;
  kind: string;
  /** `NAMESPACE/NAME` of the object that is changed; a cluster-wide one has its name alone. */
  name: string;
  file: string;
  line: number;
  status: MutantStatus;
  /** Of `equivalent` and `refused`: why. */
  why?: string;
  /** Names of the probes that did not pass, of the first kind that noticed. */
  noticedBy: string[];
  /** Of one that survived, where the policies' verdicts say it. */
  missing?: MissingProbe;
  durationMs: number;
}

/** Something that is wrong with a lab's probes or its solution. */
export interface TestFinding {
  code: string;
  message: string;
  hint?: string;
  file: string;
  line: number;
}

/** A grade of one state of the lab. */
export interface StateGrade {
  verdict: Verdict;
  earned: number;
  possible: number;
  /** Of bonus tasks, where there are any. */
  bonus?: { earned: number; possible: number };
  /** Names of the probes that did not pass. */
  notPassed: string[];
  durationMs: number;
}

/** The test of one lab's grader. */
export interface LabTest {
  lab: { name: string; title: string; file: string };
  provider: string;
  cni: string;
  /** `inconclusive`: it was not run, or a grade could not be told. */
  verdict: Verdict;
  untouched?: StateGrade;
  /** With the solutions of the required tasks alone; absent where no task is a bonus. */
  withoutBonus?: StateGrade;
  /** With all solutions; absent where there is none. */
  solved?: StateGrade;
  mutants: TestedMutant[];
  counts: Record<MutantStatus, number>;
  findings: TestFinding[];
  /** Why it was not run; a refusal by the lab or the provider is no failure. */
  notRun?: { code: string; message: string; hint?: string; isRefusal: boolean };
  durationMs: number;
}

/** The test of several labs' graders. */
export interface LabTests {
  apiVersion: "cnilab.dev/v1alpha1";
  kind: "LabTests";
  verdict: Verdict;
  labs: LabTest[];
  durationMs: number;
}
