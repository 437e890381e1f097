import { LabError, LabProblems } from "../core/errors.ts";
import type { ComparedVariant, Comparison, LabComparison, LabState } from "../report/compare-types.ts";
import type { CapturedRun } from "./compare-capture.ts";
import { compareCells, type ComparedCells } from "./compare-cells.ts";
import { bundledDivergences, readDivergences, staleDivergences, type Divergence } from "./compare-divergences.ts";
import { runJobs, type CompareJob, type JobResults } from "./compare-jobs.ts";
import { matchingSaved, readSavedRun, saveRuns, type SavedRun } from "./compare-saved.ts";
import { planVariants, type PlannedVariant, type VariantRequest } from "./compare-variants.ts";
import { labOrBundled } from "./bundle-labs.ts";
import type { RunContext } from "./context.ts";
import { readLab, type ReadLab } from "./read-lab.ts";

export interface CompareRequest extends VariantRequest {
  labs: readonly string[];
  /** Of labs without tasks there is only `untouched`. */
  states: readonly LabState[];
  /** File of a saved run to compare with. */
  baseline?: string | undefined;
  /** File to save this run to. */
  save?: string | undefined;
  /** File of known divergences; by default those that come with cnilab. */
  divergences?: string | undefined;
  /** Clusters at once. */
  parallel: number;
}

/** What was found, and what went wrong afterwards. */
export interface CompareOutcome {
  comparison: Comparison;
  failure?: Error;
}

interface PlannedLab {
  read: ReadLab;
  variants: PlannedVariant[];
  states: readonly LabState[];
}

/**
 * Runs labs on several variants and holds what was seen against one another, and against a saved run. Throws everything
 * that is wrong with the labs, USAGE_COMPARE, USAGE_BASELINE, USAGE_DIVERGENCES, USAGE_SAVE. A variant that is refused or
 * fails is in the comparison with its reason.
 */
export async function compareLabs(request: CompareRequest, context: RunContext): Promise<CompareOutcome> {
  const startedMs = context.monotonicMs();
  const divergences = readDivergences(request.divergences ?? bundledDivergences());
  const saved = request.baseline === undefined ? undefined : readSavedRun(request.baseline);
  const labs: PlannedLab[] = [];
  for (const argument of request.labs) {
    const read = await readLab(await labOrBundled(argument, context));
    const hasSolution = read.lab.tasks.some(({ solution }) => solution.length > 0);
    labs.push({
      read,
      variants: planVariants(read, request, context),
      states: hasSolution ? request.states : ["untouched"],
    });
  }
  if (saved === undefined && request.save === undefined && labs.every(({ variants }) => variants.length < 2)) {
    throw new LabError("USAGE_COMPARE", "there is one variant, and nothing to compare it with", {
      hint: "name several: --cni calico,flannel or --provider netns,kind; or a saved run: --baseline FILE",
    });
  }

  const jobs = new Map<PlannedVariant, CompareJob>();
  for (const { read, variants, states } of labs) {
    const others =
      saved?.runs.filter(({ lab, state }) => lab.name === read.lab.name && states.includes(state)).length ?? 0;
    const isAlone = variants.filter((each) => "plan" in each).length + others < 2;
    if (isAlone && request.save === undefined) continue;
    for (const each of variants) if ("plan" in each) jobs.set(each, { plan: each.plan, variant: each.variant, states });
  }
  const done = await runJobs([...jobs.values()], request, context);
  const compared = labs.flatMap((lab) =>
    lab.states.map((state, at) => compareLab(lab, { state, at }, jobs, done, saved, divergences)),
  );
  if (request.save !== undefined) await saveRuns(request.save, context.now(), allRuns(done));
  const stale = staleDivergences(divergences, compared);
  const results = compared.map(({ result }) => result);
  const comparison: Comparison = {
    apiVersion: "cnilab.dev/v1alpha1",
    kind: "Comparison",
    verdict: verdictOf(results, stale.length, request.save !== undefined),
    labs: results,
    stale,
    durationMs: context.monotonicMs() - startedMs,
  };
  const [failure] = done.failures;
  return failure === undefined ? { comparison } : { comparison, failure };
}

function compareLab(
  { read: { lab }, variants }: PlannedLab,
  { state, at }: { state: LabState; at: number },
  jobs: ReadonlyMap<PlannedVariant, CompareJob>,
  { results }: JobResults,
  saved: SavedRun | undefined,
  divergences: readonly Divergence[],
): { result: LabComparison; runs: (CapturedRun | undefined)[]; uses: ComparedCells["uses"] } {
  const fresh = variants.map((planned): { shown: Omit<ComparedVariant, "label">; run: CapturedRun | undefined } => {
    if (!("plan" in planned)) return { shown: { ...planned.variant, ...notRunOf(planned.notRun) }, run: undefined };
    const job = jobs.get(planned);
    if (job === undefined) return { shown: { ...planned.variant, notRun: alone }, run: undefined };
    const result = results.get(job);
    if (result === undefined || "error" in result) {
      return { shown: { ...planned.variant, notRun: failureOf(result?.error) }, run: undefined };
    }
    const run = result.runs[at];
    return { shown: { ...planned.variant, ...shownOf(run) }, run };
  });
  const earlier = (
    saved === undefined
      ? []
      : matchingSaved(saved, { lab: lab.name, state, variants: variants.map(({ variant }) => variant) })
  ).map((run) => ({ shown: { ...run.variant, savedAt: saved?.savedAt ?? "", ...shownOf(run) }, run }));
  const all = [...earlier, ...fresh];
  const labels = all.map((_each, index) => (index < 26 ? String.fromCodePoint(65 + index) : `V${index + 1}`));
  const runs = all.map(({ run }) => run);
  const { uses, ...found } = compareCells(runs, labels, divergences);
  const notes = [...found.notes];
  if (saved !== undefined && earlier.length === 0) notes.push(`the saved run has nothing of this lab, ${state}`);
  return {
    result: {
      lab: { name: lab.name, title: lab.title },
      state,
      variants: all.map(({ shown }, index) => ({ ...shown, label: labels[index] ?? "" })),
      ...found,
      notes,
    },
    runs,
    uses,
  };
}

const alone = {
  code: "COMPARE_ALONE",
  message: "there is no other variant of this lab to compare it with",
  isRefusal: true,
};

function shownOf(run: CapturedRun | undefined): Pick<ComparedVariant, "grade" | "phases"> {
  return run === undefined ? {} : { grade: run.grade, phases: run.phases };
}

function notRunOf(notRun: ComparedVariant["notRun"]): Pick<ComparedVariant, "notRun"> {
  return notRun === undefined ? {} : { notRun };
}

/** What was thrown, as a reason; what is no LabError is a fault of cnilab and goes on. */
function failureOf(error: unknown): NonNullable<ComparedVariant["notRun"]> {
  const problems = error instanceof LabProblems ? error.problems : error instanceof LabError ? [error] : undefined;
  const [first] = problems ?? [];
  if (problems === undefined || first === undefined) throw error;
  const message = problems.map((problem) => problem.message).join("; ");
  return { code: first.code, message, isRefusal: false, ...(first.hint === undefined ? {} : { hint: first.hint }) };
}

function allRuns({ results }: JobResults): CapturedRun[] {
  return [...results.values()].flatMap((result) => ("runs" in result ? result.runs : []));
}

function verdictOf(labs: readonly LabComparison[], staleCount: number, isSaved: boolean): Comparison["verdict"] {
  if (staleCount > 0 || labs.some(({ counts }) => counts.different > 0)) return "different";
  const isAnyCompared = labs.some(({ counts }) => counts.cells > 0);
  if (labs.some(({ inconclusive }) => inconclusive.length > 0) || (!isAnyCompared && !isSaved)) return "inconclusive";
  return "equal";
}
