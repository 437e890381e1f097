import { LabError, LabProblems } from "../core/errors.ts";
import type { Plan } from "../plan/types.ts";
import { defaultProvider } from "../providers/registry.ts";
import type { LabTest, LabTests } from "../report/test-types.ts";
import { labOrBundled } from "./bundle-labs.ts";
import type { RunContext } from "./context.ts";
import { planLab, readLab, type LabOverrides, type ReadLab } from "./read-lab.ts";
import { testLab } from "./test-lab.ts";

export interface TestRequest extends LabOverrides {
  /** Lab files, folders, or names of bundled labs. */
  labs: readonly string[];
}

/**
 * Tests the graders of labs, one after another, each on clusters of its own: untouched scores nothing, the reference solution
 * everything, and no mutant of it passes. Without a provider they run on netns; a lab that does not claim the provider or the CNI is told
 * as not run. Throws everything that is wrong with a lab's files before any is made; one that cannot be made is told and does not stop the
 * others. Rejects when interrupted, and then nothing is left.
 */
export async function testLabs(request: TestRequest, context: RunContext): Promise<LabTests> {
  const startedMs = context.monotonicMs();
  const reads: ReadLab[] = [];
  for (const argument of request.labs) reads.push(await readLab(await labOrBundled(argument, context)));
  const labs: LabTest[] = [];
  for (const [index, read] of reads.entries()) {
    const { name } = read.lab;
    context.emit({ type: "progress", phase: "plan", message: name, done: index + 1, total: reads.length });
    labs.push(await testOne(read, request, named(context, name)));
  }
  return {
    apiVersion: "cnilab.dev/v1alpha1",
    kind: "LabTests",
    verdict: verdictOf(labs),
    labs,
    durationMs: context.monotonicMs() - startedMs,
  };
}

async function testOne(read: ReadLab, request: TestRequest, context: RunContext): Promise<LabTest> {
  const overrides = { ...request, provider: request.provider ?? defaultProvider };
  let plan: Plan;
  try {
    const planned = planLab(read, overrides);
    for (const warning of planned.warnings) context.emit({ type: "warning", warning });
    ({ plan } = planned);
  } catch (error) {
    if (!(error instanceof LabProblems) || !error.problems.every(({ code }) => code.startsWith("PLAN_"))) throw error;
    return notRun(read, overrides, error, true);
  }
  try {
    return await testLab(plan, context);
  } catch (error) {
    if (context.signal.aborted) throw error;
    return notRun(read, overrides, error, false);
  }
}

/** What was thrown, as a reason; what is no LabError is a fault of cnilab and goes on. */
function notRun({ lab }: ReadLab, { provider, cni }: LabOverrides, error: unknown, isRefusal: boolean): LabTest {
  const problems = error instanceof LabProblems ? error.problems : error instanceof LabError ? [error] : [];
  const [first] = problems;
  if (first === undefined) throw error;
  const message = problems.map((problem) => problem.message).join("; ");
  return {
    lab: { name: lab.name, title: lab.title, file: lab.file },
    provider: provider ?? defaultProvider,
    cni: cni?.name ?? lab.cni.name,
    verdict: "inconclusive",
    mutants: [],
    counts: { noticed: 0, survived: 0, equivalent: 0, refused: 0 },
    findings: [],
    notRun: { code: first.code, message, isRefusal, ...(first.hint === undefined ? {} : { hint: first.hint }) },
    durationMs: 0,
  };
}

/** A refused lab counts neither way, unless there is no other. */
function verdictOf(labs: readonly LabTest[]): LabTests["verdict"] {
  if (labs.some(({ verdict }) => verdict === "fail")) return "fail";
  const ran = labs.filter(({ notRun: reason }) => reason?.isRefusal !== true);
  return ran.length === 0 || ran.some(({ verdict }) => verdict === "inconclusive") ? "inconclusive" : "pass";
}

/** The same context, whose progress says which lab it is about. */
function named(outer: RunContext, lab: string): RunContext {
  return {
    ...outer,
    emit: (event) => {
      if (event.type === "warning") outer.emit(event);
      else if (event.type === "progress") outer.emit({ ...event, message: `${lab}: ${event.message}` });
      else outer.emit({ ...event, title: `${lab}: ${event.title}` });
    },
  };
}
