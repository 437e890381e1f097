import { LabError, LabProblems } from "../core/errors.ts";
import type { YamlDocument } from "../core/yaml-document.ts";
import { isMapping, parseYaml } from "../core/yaml-source.ts";
import { describe } from "./issue-words.ts";
import { readPlainFile } from "./manifest-files.ts";

/** Whoever has more problems than this mends the first ones first. */
const MAX_PROBLEMS = 100;

const EMPTY_HINTS = { lab: "cnilab init writes a lab to start from", exam: "docs/exams.md shows one" } as const;

/**
 * The one document of a lab or exam file, which is a map. Throws LabProblems with YAML_… and whatever else keeps it from being read.
 */
export async function readDocument(file: string, what: "lab" | "exam"): Promise<YamlDocument> {
  const bytes = await readPlainFile(file, file);
  if (bytes instanceof LabError) throw new LabProblems([bytes]);
  const { documents, problems } = parseYaml(bytes, file);
  if (problems.length > 0) throw problemsOf(problems);
  const [document, second] = documents;
  if (document === undefined || (document.value === null && second === undefined)) {
    throw new LabProblems([new LabError("YAML_EMPTY", `${file} is empty`, { hint: EMPTY_HINTS[what] })]);
  }
  if (second !== undefined) {
    const problem = new LabError("YAML_MULTIPLE_DOCUMENTS", `${article(what)} file holds one document`, {
      span: second.span([]),
      hint: what === "lab" ? "put manifests into files of their own" : "one file an exam",
    });
    throw new LabProblems([problem]);
  }
  if (!isMapping(document.value)) {
    throw new LabProblems([
      new LabError("YAML_NOT_A_MAP", `${article(what)} must be a map, not ${describe(document.value)}`, {
        span: document.span([]),
      }),
    ]);
  }
  return document;
}

/** Everything that is wrong, but for what is too much to read. Never call it with nothing. */
export function problemsOf(problems: readonly LabError[]): LabProblems {
  if (problems.length <= MAX_PROBLEMS) return new LabProblems(problems);
  const rest = new LabError("LAB_MORE_PROBLEMS", `and ${problems.length - MAX_PROBLEMS} problems more`);
  return new LabProblems([...problems.slice(0, MAX_PROBLEMS), rest]);
}

function article(what: "lab" | "exam"): string {
  return what === "lab" ? "a lab" : "an exam";
}
