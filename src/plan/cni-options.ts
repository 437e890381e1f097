import * as z from "zod";
import type { Cni } from "../cnis/types.ts";
import { LabError } from "../core/errors.ts";
import type { YamlDocument } from "../core/yaml-document.ts";
import { parseYaml } from "../core/yaml-source.ts";
import { parseWith } from "../lab/issues.ts";

/** Options as `--cni-option KEY=VALUE` gives them: each value the text of a YAML scalar. */
export type CniOptionTexts = Readonly<Record<string, string>>;

/** Options that a CNI takes, and everything wrong with them (code USAGE_CNI_OPTION). */
export interface ReadCniOptions {
  options: Record<string, unknown>;
  problems: LabError[];
}

/** For CNIs that have no options. */
const noOptions = z.strictObject({});

/** Reads the command line's options for a CNI and checks them by its schema. */
export function readCniOptions(cni: Cni, texts: CniOptionTexts): ReadCniOptions {
  const values: [string, unknown][] = [];
  const problems: LabError[] = [];
  const known = knownOptions(cni);
  const hint = known.length === 0 ? `${cni.name} has no options` : `options of ${cni.name}: ${known.join(", ")}`;
  for (const [key, text] of Object.entries(texts)) {
    const scalar = readScalar(text);
    if (scalar === undefined) problems.push(problem(`option ${key} must be one plain value, not ${text}`, hint));
    else values.push([key, scalar.value]);
  }
  const options = Object.fromEntries(values);
  const { problems: wrong } = parseWith(cni.options ?? noOptions, options, NO_FILE, { base: ["cni", "options"] });
  problems.push(...wrong.map((each) => problem(each.message, each.hint ?? hint)));
  return { options, problems };
}

/**
 * Options given for several CNIs go to those that have them. One that none has goes to all, so that it is refused and never
 * passed over.
 */
export function optionsFor(
  { name }: { name: string },
  all: readonly { name: string }[],
  { cnis, texts }: { cnis: Readonly<Record<string, Cni>>; texts: CniOptionTexts },
): CniOptionTexts {
  const has = (one: string, key: string): boolean => {
    const cni = Object.hasOwn(cnis, one) ? cnis[one] : undefined;
    return cni !== undefined && knownOptions(cni).includes(key);
  };
  const isTaken = (key: string): boolean => all.some((other) => has(other.name, key));
  return Object.fromEntries(Object.entries(texts).filter(([key]) => has(name, key) || !isTaken(key)));
}

/** The error for options without a CNI that they belong to. */
export function optionsWithoutCni(texts: CniOptionTexts): LabError {
  const [key = "", text = ""] = Object.entries(texts)[0] ?? [];
  return new LabError("USAGE_CNI_OPTION", `--cni-option ${key}=${text} belongs to no CNI`, {
    hint: `name the CNI, too: --cni NAME --cni-option ${key}=${text}`,
  });
}

function knownOptions({ options }: Cni): string[] {
  return options === undefined ? [] : Object.keys(options.shape);
}

function problem(message: string, hint: string): LabError {
  return new LabError("USAGE_CNI_OPTION", message, { hint });
}

/** Undefined where the text is no scalar. */
function readScalar(text: string): { value: unknown } | undefined {
  const { documents, problems } = parseYaml(text, "--cni-option");
  if (problems.length > 0 || documents.length > 1) return undefined;
  const value = documents[0]?.value ?? null;
  return typeof value === "object" && value !== null ? undefined : { value };
}

/** What stands on the command line has no place in a file; problems are told without one. */
const NO_FILE = parseYaml("{}", "--cni-option").documents[0] as YamlDocument;
