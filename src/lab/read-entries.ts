import type { YamlPath } from "../core/yaml-document.ts";
import { isMapping } from "../core/yaml-source.ts";
import { didYouMean } from "../core/suggest.ts";
import type { ProbeKind } from "../probes/types.ts";
import type { Expectation } from "../grade/types.ts";
import type { PlannedProbe } from "../plan/types.ts";
import { describe } from "./issue-words.ts";
import { parseWith } from "./issues.ts";
import type { Entry } from "./entries.ts";
import { durationField, endpointField } from "./fields.ts";
import type { ProblemList } from "./problems.ts";
import { EXPECT_WORDS } from "./schema.ts";

/** A probe's fields with `from` beside its kind, wherever the lab wrote it. */
export interface LiftedProbe {
  fields: Readonly<Record<string, unknown>>;
  /** Where `from` stands in the file. */
  fromPath: YamlPath;
}

/** Takes `from` out of a kind's options, unless the kind starts nowhere (`source: "none"`), whose `from` is its own. */
export function liftFrom(entry: Entry, kind: ProbeKind, problems: ProblemList): LiftedProbe {
  const beside = { fields: entry.fields, fromPath: [...entry.path, "from"] };
  const options = entry.fields[entry.kind];
  if (!isMapping(options) || !("from" in options) || kind.source === "none") return beside;
  const { from, ...others } = options;
  const fromPath = [...entry.path, entry.kind, "from"];
  if ("from" in entry.fields) {
    problems.errorAtKey(
      "LAB_BAD_VALUE",
      fromPath,
      "from is given twice, beside and inside the options",
      "keep one of them",
    );
    return { ...beside, fields: { ...entry.fields, [entry.kind]: others } };
  }
  return { fields: { ...entry.fields, from, [entry.kind]: others }, fromPath };
}

/**
 * The probe of an entry that the schema found right, or undefined where its expectation or source does not fit its kind,
 * which is then in the list. The name is empty where the lab gives none.
 */
export function readProbe(
  entry: Entry,
  lifted: LiftedProbe,
  kind: ProbeKind,
  problems: ProblemList,
): PlannedProbe | undefined {
  const { fields, fromPath } = lifted;
  const options = kind.options.safeParse(fields[entry.kind]);
  const from = endpointField().optional().safeParse(fields["from"]);
  const within = durationField().optional().safeParse(fields["within"]);
  const expect = readExpectation(fields["expect"], [...entry.path, "expect"], kind, problems);
  const isSourceRight = checkSource(entry, fields["from"], fromPath, kind, problems);
  if (!options.success || !from.success || !within.success || expect === undefined || !isSourceRight) return undefined;
  if (from.data !== undefined && ["service", "address", "host"].includes(from.data.kind)) {
    const hint =
      "a probe starts at a pod (NAMESPACE/POD), a workload (NAMESPACE/deployment/NAME), node/NAME or external";
    problems.error("LAB_BAD_REF", fromPath, `a probe cannot start at ${describe(fields["from"])}`, hint);
    return undefined;
  }
  const misfit = typeof expect === "string" ? undefined : kind.expectProblem?.(options.data, expect);
  if (misfit !== undefined) {
    problems.error(
      "LAB_BAD_EXPECT",
      [...entry.path, "expect"],
      misfit,
      `docs/probes/${entry.kind}.md says what goes together`,
    );
    return undefined;
  }
  return {
    name: typeof fields["name"] === "string" ? fields["name"].trim() : "",
    kind: entry.kind,
    ...(from.data === undefined ? {} : { from: from.data }),
    options: options.data,
    expect,
    ...(typeof fields["points"] === "number" ? { points: fields["points"] } : {}),
    ...(typeof fields["hint"] === "string" ? { hint: fields["hint"] } : {}),
    ...(typeof fields["during"] === "string" ? { during: fields["during"] } : {}),
    ...(typeof fields["after"] === "string" ? { after: fields["after"] } : {}),
    ...(within.data === undefined ? {} : { withinMs: within.data }),
    span: problems.document.keySpan([...entry.path, entry.kind]),
  };
}

function checkSource(entry: Entry, from: unknown, fromPath: YamlPath, kind: ProbeKind, problems: ProblemList): boolean {
  const need = kind.source ?? "required";
  if (need === "required" && from === undefined) {
    const hint = "add from: with NAMESPACE/POD, NAMESPACE/deployment/NAME, node/NAME or external";
    problems.errorAtKey("LAB_MISSING_FIELD", [...entry.path, entry.kind], `this ${entry.kind} probe needs from`, hint);
    return false;
  }
  if (need === "none" && from !== undefined) {
    problems.errorAtKey(
      "LAB_BAD_VALUE",
      fromPath,
      `a ${entry.kind} probe takes no from beside its options`,
      `docs/probes/${entry.kind}.md says where it starts`,
    );
    return false;
  }
  return true;
}

function readExpectation(
  raw: unknown,
  path: YamlPath,
  kind: ProbeKind,
  problems: ProblemList,
): Expectation | undefined {
  const words: readonly string[] = EXPECT_WORDS;
  if (typeof raw === "string") {
    if (words.includes(raw)) return raw as Expectation;
    problems.error("LAB_BAD_EXPECT", path, `${describe(raw)} is no expectation`, didYouMean(raw, words));
    return undefined;
  }
  // The schema reports what is missing or neither text nor map.
  if (!isMapping(raw)) return undefined;
  if (kind.expect === undefined) {
    problems.errorAtKey("LAB_BAD_EXPECT", path, `a ${kind.kind} probe expects one of ${words.join(", ")}, not a map`);
    return undefined;
  }
  const parsed = parseWith(kind.expect, raw, problems.document, { base: path });
  problems.problems.push(...parsed.problems);
  return parsed.value;
}

/**
 * A name for a probe that has none: its kind and what it says, on one line, so that it stays the same as long as the
 * probe does: `tcp shop/service/db 5432 from shop/deployment/web`.
 */
export function defaultProbeName(kind: string, fields: Readonly<Record<string, unknown>>): string {
  const words = scalarsOf(fields[kind]).join(" ");
  const from = fields["from"] === undefined ? "" : ` from ${String(fields["from"])}`;
  const name = `${kind} ${words}`.trim() + from;
  return name.length > 110 ? `${name.slice(0, 109)}…` : name;
}

function scalarsOf(value: unknown): string[] {
  if (Array.isArray(value)) return [value.flatMap(scalarsOf).join(",")];
  if (isMapping(value)) return Object.values(value).flatMap(scalarsOf);
  return value === null || value === undefined ? [] : [String(value as string).replaceAll(/\s+/g, " ")];
}
