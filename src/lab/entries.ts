import { LabError } from "../core/errors.ts";
import { didYouMean, nearestName } from "../core/suggest.ts";
import type { YamlPath } from "../core/yaml-document.ts";
import { isMapping } from "../core/yaml-source.ts";
import { describe } from "./issue-words.ts";
import type { ProblemList } from "./problems.ts";

/** One probe or step as written: its kind and where its options stand. */
export interface Entry {
  path: YamlPath;
  kind: string;
  fields: Readonly<Record<string, unknown>>;
}

/** How probes and steps are spoken of. */
export interface EntrySort {
  /** "probe" or "step". */
  noun: string;
  unknownCode: string;
  kinds: readonly string[];
  /** Fields beside the kind. */
  fields: readonly string[];
}

/**
 * Finds the kind of each entry of a list: exactly one key of it must be a kind's name. What is wrong is reported here,
 * in words that the schema, which sees a map of optional fields, could not find. `reportedKeys` are keys that the
 * schema would call unknown once more.
 */
export function readKinds(
  list: unknown,
  at: YamlPath,
  sort: EntrySort,
  problems: ProblemList,
): { entries: (Entry | undefined)[]; reportedKeys: Set<string> } {
  const reportedKeys = new Set<string>();
  // The schema reports what is no list.
  if (!Array.isArray(list)) return { entries: [], reportedKeys };
  const entries = list.map((item: unknown, index): Entry | undefined => {
    const path = [...at, index];
    if (!isMapping(item)) return undefined;
    const kinds = Object.keys(item).filter((key) => sort.kinds.includes(key));
    const [kind] = kinds;
    if (kinds.length > 1) {
      for (const extra of kinds.slice(1)) reportedKeys.add(JSON.stringify([...path, extra]));
      problems.errorAtKey(
        "LAB_TWO_KINDS",
        [...path, kinds[1] as string],
        `a ${sort.noun} has one kind, this has ${kinds.join(" and ")}`,
        `make two ${sort.noun}s of it`,
      );
      return undefined;
    }
    if (kind !== undefined) {
      if (item[kind] === null) {
        reportedKeys.add(JSON.stringify([...path, kind]));
        problems.errorAtKey("LAB_MISSING_FIELD", [...path, kind], `${kind} has no options`);
        return undefined;
      }
      return { path, kind, fields: item };
    }
    const strays = Object.keys(item).filter((key) => !sort.fields.includes(key));
    const stray = strays.find((key) => nearestName(key, sort.fields) === undefined) ?? strays[0];
    if (stray === undefined) {
      problems.problems.push(missingKind(path, sort, problems));
    } else {
      reportedKeys.add(JSON.stringify([...path, stray]));
      problems.errorAtKey(
        sort.unknownCode,
        [...path, stray],
        `unknown ${sort.noun} kind ${describe(stray)}`,
        didYouMean(stray, sort.kinds),
      );
    }
    return undefined;
  });
  return { entries, reportedKeys };
}

function missingKind(path: YamlPath, sort: EntrySort, problems: ProblemList): LabError {
  const span = problems.document.parentSpan([...path, "kind"]);
  return new LabError("LAB_MISSING_FIELD", `this ${sort.noun} has no kind`, {
    span,
    hint: `add one of: ${sort.kinds.join(", ")}`,
  });
}
