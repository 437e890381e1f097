import { existsSync, readFileSync, statSync } from "node:fs";
import { parse } from "yaml";
import { LabError, LabProblems } from "../../core/errors.ts";
import { sortProblems } from "../../core/format-error.ts";
import { installed } from "../../core/installation.ts";
import { DEFAULT_PASS_MARK, loadExam, type Exam, type ExamLab } from "../../lab/exam.ts";
import type { Plan } from "../../plan/types.ts";
import { labOrBundled } from "../bundle-labs.ts";
import { bundledLabFile } from "../bundled-labs.ts";
import type { RunContext } from "../context.ts";
import { shownPath } from "../../core/shown-path.ts";
import { planLab, readLab, type LabOverrides } from "../read-lab.ts";
import { registries } from "../registries.ts";
import { isLabName } from "../state-directory.ts";

/** An exam as the command line asks for it. */
export interface ExamRequest {
  /** An exam file or its name, or labs. */
  labs: string[];
  /** Of an exam that is made of labs; default `exam`. */
  name?: string | undefined;
  limitMs?: number | undefined;
  /** Per cent. */
  passMark?: number | undefined;
  /** For every lab that says nothing of it. */
  provider?: string | undefined;
}

/** A lab of an exam, ready to be made. */
export interface PlannedExamLab {
  entry: ExamLab;
  plan: Plan;
}

const DEFAULT_LIMIT_MS = 2 * 3_600_000;

/** The exam that is meant, from its file or from labs. Throws LabProblems, USAGE_EXAM_NAME. */
export async function readExam({ labs, name, limitMs, passMark }: ExamRequest): Promise<Exam> {
  const [only = "", ...others] = labs;
  const file = others.length === 0 ? examFile(only) : undefined;
  const given = { ...(limitMs === undefined ? {} : { limitMs }), ...(passMark === undefined ? {} : { passMark }) };
  if (file !== undefined)
    return { ...(await loadExam(shownPath(file), registries)), ...given, ...(name === undefined ? {} : nameOf(name)) };
  return {
    title: "Exam",
    limitMs: DEFAULT_LIMIT_MS,
    passMark: DEFAULT_PASS_MARK,
    ...given,
    ...nameOf(name ?? "exam"),
    labs: labs.map((lab) => ({ lab, path: lab, weight: 1 })),
  };
}

function nameOf(name: string): Pick<Exam, "name"> {
  if (isLabName(name)) return { name };
  throw new LabError("USAGE_EXAM_NAME", `${JSON.stringify(name)} is no name for an exam`, {
    hint: "lower-case letters, digits and hyphens",
  });
}

/** The exam file that an argument means: a file that is no lab's, or the name of an exam that comes with cnilab. */
function examFile(argument: string): string | undefined {
  if (existsSync(argument) && statSync(argument).isFile()) return isLabFile(argument) ? undefined : argument;
  if (!isLabName(argument) || existsSync(argument) || bundledLabFile(argument) !== undefined) return undefined;
  const bundled = installed(`docs/exams/${argument}.yaml`);
  return existsSync(bundled) ? bundled : undefined;
}

function isLabFile(file: string): boolean {
  try {
    return (parse(readFileSync(file, "utf8")) as { kind?: unknown } | null)?.kind === "Lab";
  } catch {
    // The exam's reader says what is wrong with it, and where.
    return false;
  }
}

/**
 * Reads and plans every lab of an exam. Throws LabProblems with everything that is wrong with any of them: EXAM_UNKNOWN_LAB, EXAM_LAB_TWICE,
 * EXAM_LAB_WITHOUT_TASKS at their places in the exam file, and what {@link readLab} and {@link planLab} throw.
 */
export async function planExam(
  exam: Exam,
  provider: string | undefined,
  context: RunContext,
): Promise<PlannedExamLab[]> {
  const problems: LabError[] = [];
  const planned: PlannedExamLab[] = [];
  const names = new Set<string>();
  for (const entry of exam.labs) {
    try {
      const plan = await planEntry(entry, provider, context);
      const { name } = plan.lab;
      if (names.has(name)) throw atEntry("EXAM_LAB_TWICE", `lab ${name} is in the exam twice`, entry);
      names.add(name);
      if (!plan.tasks.some(({ isBonus }) => isBonus !== true)) {
        const hint = "an exam is made of labs whose tasks earn points";
        throw atEntry("EXAM_LAB_WITHOUT_TASKS", `lab ${name} sets no task`, entry, hint);
      }
      planned.push({ entry, plan });
    } catch (error) {
      if (error instanceof LabProblems) problems.push(...error.problems);
      else if (error instanceof LabError) problems.push(error);
      else throw error;
    }
  }
  if (problems.length === 0) return planned;
  // The exam's own come first; what its labs lack follows file by file.
  const isOwn = ({ span }: LabError): boolean => span !== undefined && span.file === exam.file;
  throw new LabProblems([
    ...sortProblems(problems.filter(isOwn)),
    ...sortProblems(problems.filter((problem) => !isOwn(problem))),
  ]);
}

async function planEntry(entry: ExamLab, provider: string | undefined, context: RunContext): Promise<Plan> {
  const { lab, path, kubeconfig, context: clusterContext, inventory, cni } = entry;
  const overrides: LabOverrides = {
    provider: entry.provider ?? provider,
    cni,
    kubeconfig,
    context: clusterContext,
    inventory,
  };
  let read;
  try {
    const argument = existsSync(path) ? path : lab;
    read = await readLab(await labOrBundled(argument, context));
  } catch (error) {
    if (!(error instanceof LabError) || error.code !== "LAB_NOT_FOUND") throw error;
    throw atEntry("EXAM_UNKNOWN_LAB", error.message, entry, error.hint);
  }
  const { plan, warnings } = planLab(read, overrides);
  for (const warning of warnings) context.emit({ type: "warning", warning });
  // The exam's time is the only one: a lab's own would run beside it.
  const { timeLimit: _, ...rest } = plan;
  return rest;
}

function atEntry(code: string, message: string, { span }: ExamLab, hint?: string): LabError {
  return new LabError(code, message, { span, hint });
}
