import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import * as z from "zod";
import { LabError } from "../../core/errors.ts";
import type { ExamReport } from "../../report/exam-types.ts";
import { makeFolder } from "../make-folder.ts";
import { isLabName, stateUnwritable } from "../state-directory.ts";

/** One lab of an exam, as it was made. */
export interface ExamRecordLab {
  name: string;
  title: string;
  provider: string;
  weight: number;
  /** Of the exam's kubeconfig, or of the user's own; absent where the provider names none. */
  context?: string | undefined;
  tasks: { name: string; text: string; isBonus?: true | undefined }[];
}

/**
 * What is known of an exam on this host.
 * - `starting`: its labs are being made.
 * - `running`: its time runs.
 * - `finished`: it was graded, and hints are open again.
 */
export interface ExamRecord {
  schemaVersion: typeof examRecordVersion;
  name: string;
  title: string;
  /** Tells this exam from another of its name, in the records of its labs. */
  id: string;
  state: "starting" | "running" | "finished";
  limitMs: number;
  /** Per cent. */
  passMark: number;
  /** When its time began, and the latest time that any command has seen since; ISO 8601. */
  timing?: { startedAt: string; latestAt: string } | undefined;
  labs: ExamRecordLab[];
  /** Of a finished one. */
  report?: ExamReport | undefined;
}

/** Raised whenever an older reader would misread the file. */
export const examRecordVersion = 1;

const recordSchema = z.object({
  schemaVersion: z.literal(examRecordVersion),
  name: z.string(),
  title: z.string(),
  id: z.string(),
  state: z.enum(["starting", "running", "finished"]),
  limitMs: z.number(),
  passMark: z.number(),
  timing: z.object({ startedAt: z.iso.datetime(), latestAt: z.iso.datetime() }).optional(),
  labs: z.array(
    z.object({
      name: z.string().refine(isLabName),
      title: z.string(),
      provider: z.string(),
      weight: z.number(),
      context: z.string().optional(),
      tasks: z.array(z.object({ name: z.string(), text: z.string(), isBonus: z.literal(true).optional() })),
    }),
  ),
  report: z.looseObject({ verdict: z.enum(["pass", "fail", "inconclusive"]), score: z.number() }).optional(),
});

/** Where an exam's record and kubeconfig are. */
export function examDirectory(root: string, name: string): string {
  if (!isLabName(name)) {
    throw new LabError("EXAM_NOT_FOUND", `${JSON.stringify(name)} is no exam's name`, {
      hint: "cnilab exam status shows the exams there are",
    });
  }
  return join(root, "exams", name);
}

/** The exam of that name; undefined where there is none. Throws EXAM_UNREADABLE. */
export function readExamRecord(root: string, name: string): ExamRecord | undefined {
  const path = join(examDirectory(root, name), "exam.json");
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw unreadable(path, name, error);
  }
  try {
    const record = recordSchema.parse(JSON.parse(text));
    if (record.name === name) return record as unknown as ExamRecord;
  } catch (error) {
    throw unreadable(path, name, error);
  }
  throw unreadable(path, name, new Error("it is of another exam"));
}

function unreadable(path: string, name: string, cause: unknown): LabError {
  const reason = cause instanceof z.ZodError ? "it is no exam's record" : (cause as Error).message;
  return new LabError("EXAM_UNREADABLE", `${path} cannot be read: ${reason}`, {
    hint: `cnilab exam down ${name} removes it; its labs are listed by cnilab status`,
    cause,
  });
}

/** Names of the exams that have a folder, sorted. */
export function listExams(root: string): string[] {
  try {
    return readdirSync(join(root, "exams"))
      .filter((name) => isLabName(name))
      .toSorted();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw stateUnwritable(join(root, "exams"), error);
  }
}

/** Writes a file of the exam whole or not at all, for its owner alone; makes its folder. Throws STATE_UNWRITABLE. */
export async function writeExamFile(root: string, name: string, file: string, text: string): Promise<string> {
  const directory = examDirectory(root, name);
  const path = join(directory, file);
  try {
    makeFolder(directory, 0o700);
    await writeFileAtomic(path, text, { mode: 0o600, fsync: false });
  } catch (cause) {
    throw stateUnwritable(path, cause);
  }
  return path;
}

/** Writes the record; its `timing` keeps the latest time ever seen, so that a clock set back shows. */
export async function writeExamRecord(root: string, record: ExamRecord, now: Date): Promise<void> {
  const { timing } = record;
  if (timing !== undefined && now.getTime() > Date.parse(timing.latestAt)) {
    record.timing = { ...timing, latestAt: now.toISOString() };
  }
  await writeExamFile(root, record.name, "exam.json", `${JSON.stringify(record)}\n`);
}

/** Removes the exam's folder; nothing happens where there is none. */
export function removeExamDirectory(root: string, name: string): void {
  const directory = examDirectory(root, name);
  try {
    rmSync(directory, { recursive: true, force: true });
  } catch (cause) {
    throw stateUnwritable(directory, cause);
  }
}

/**
 * The name of the exam that is meant: the one that was named, or the only one. Throws EXAM_NOT_FOUND, USAGE_WHICH_EXAM.
 */
export function knownExam(root: string, name: string | undefined): string {
  const known = listExams(root);
  if (name !== undefined && known.includes(name)) return name;
  const [only, ...others] = known;
  if (name !== undefined || only === undefined) {
    const message = name === undefined ? "there is no exam" : `there is no exam ${JSON.stringify(name)}`;
    throw new LabError("EXAM_NOT_FOUND", message, {
      hint: only === undefined ? "cnilab exam start begins one" : `there are: ${known.join(", ")}`,
    });
  }
  if (others.length > 0) {
    throw new LabError("USAGE_WHICH_EXAM", "there are several exams", { hint: `name one: ${known.join(", ")}` });
  }
  return only;
}
