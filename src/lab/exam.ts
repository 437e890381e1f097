import { dirname, resolve } from "node:path";
import * as z from "zod";
import type { Span } from "../core/errors.ts";
import { sortProblems } from "../core/format-error.ts";
import type { YamlPath } from "../core/yaml-document.ts";
import { parseWith } from "./issues.ts";
import { problemsOf, readDocument } from "./read-document.ts";
import type { LabRegistries } from "./registries.ts";
import { LAB_API_VERSION, line, nameField, timeLimitField } from "./schema.ts";

/** Per cent that pass an exam which says nothing of it, as they pass the CKA (Linux Foundation, CKA exam). */
export const DEFAULT_PASS_MARK = 66;

/** One lab of an exam, as its file names it. Paths are absolute. */
export interface ExamLab {
  /** As written: the name of a bundled lab, or a file or folder. */
  lab: string;
  /** Where it would be if it is a file or folder: beside the exam. */
  path: string;
  weight: number;
  provider?: string | undefined;
  cni?: { name: string; mode?: string } | undefined;
  kubeconfig?: string | undefined;
  context?: string | undefined;
  inventory?: string | undefined;
  /** Absent where the command line names it. */
  span?: Span;
}

/** Several labs under one time limit with one score. */
export interface Exam {
  name: string;
  title: string;
  /** Absent where the command line names the labs. */
  file?: string;
  limitMs: number;
  /** Per cent. */
  passMark: number;
  labs: ExamLab[];
}

const MOST_LABS = 20;

/** A positive number: what of the score a lab is worth, beside the other labs' weights. */
const weightField = z.number().min(0.01).max(1000).default(1);

/** The schema of an exam file. */
export function examSchema({ providers }: Pick<LabRegistries, "providers">) {
  const lab = z
    .string()
    .trim()
    .min(1)
    .describe("the name of a bundled lab, or a lab's file or folder beside this file");
  const file = z.string().min(1);
  return z.strictObject({
    apiVersion: z.literal(LAB_API_VERSION),
    kind: z.literal("Exam"),
    metadata: z.strictObject({ name: nameField(), title: line(120) }),
    timeLimit: timeLimitField().describe("Counted from when all labs are up; 1m to 24h"),
    passMark: z
      .number()
      .min(0.01)
      .max(100)
      .default(DEFAULT_PASS_MARK)
      .describe("Per cent of the weighted points that pass"),
    labs: z
      .array(
        z.union([
          lab,
          z.strictObject({
            lab,
            weight: weightField.describe("Of the score, beside the other labs'; default 1"),
            provider: z
              .enum(providers as [string, ...string[]])
              .optional()
              .describe("instead of what the lab says"),
            cni: z
              .string()
              .regex(/^[a-z0-9-]+(:[a-z0-9-]+)?$/, {
                error: "write NAME or NAME:MODE, such as calico or flannel:host-gw",
              })
              .optional()
              .describe("another CNI that the lab claims, such as flannel:host-gw"),
            kubeconfig: file.optional().describe("with provider existing: where its cluster is"),
            context: z.string().min(1).optional().describe("with provider existing: the kubeconfig's context"),
            inventory: file.optional().describe("with provider ssh: its machines"),
          }),
        ]),
      )
      .min(1)
      .max(MOST_LABS),
  });
}

/**
 * Reads and checks an exam file. Throws LabProblems with everything that is wrong with it; its labs are not looked at.
 */
export async function loadExam(file: string, registries: Pick<LabRegistries, "providers">): Promise<Exam> {
  const document = await readDocument(file, "exam");
  const { value, problems } = parseWith(examSchema(registries), document.value, document, { whole: "the exam" });
  if (value === undefined) throw problemsOf(sortProblems(problems));
  const { metadata, timeLimit, passMark, labs } = value;
  const folder = dirname(resolve(file));
  const fromFolder = (path: string | undefined): string | undefined =>
    path === undefined ? path : resolve(folder, path);
  return {
    ...metadata,
    file,
    limitMs: timeLimit,
    passMark,
    labs: labs.map((entry, index): ExamLab => {
      const at: YamlPath = typeof entry === "string" ? ["labs", index] : ["labs", index, "lab"];
      if (typeof entry === "string") {
        return { lab: entry, path: resolve(folder, entry), weight: 1, span: document.span(at) };
      }
      const { lab, weight, provider, cni, kubeconfig, context, inventory } = entry;
      const [name = "", mode] = cni?.split(":") ?? [];
      return {
        lab,
        path: resolve(folder, lab),
        weight,
        provider,
        cni: cni === undefined ? undefined : { name, ...(mode === undefined ? {} : { mode }) },
        kubeconfig: fromFolder(kubeconfig),
        context,
        inventory: fromFolder(inventory),
        span: document.span(at),
      };
    }),
  };
}
