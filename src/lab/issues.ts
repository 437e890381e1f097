import type * as z from "zod";
import { LabError } from "../core/errors.ts";
import { shorten } from "../core/shorten.ts";
import { didYouMean, nearestName } from "../core/suggest.ts";
import type { YamlDocument, YamlPath } from "../core/yaml-document.ts";

import {
  describe,
  describePath,
  figure,
  formOf,
  lowerFirst,
  sizeWords,
  typeHint,
  typeWord,
  valueAt,
} from "./issue-words.ts";

type Issue = z.core.$ZodIssue;

/** Where a value of the checked input stands in the file; differs from its path where the input was rearranged. */
export type PathInFile = (path: YamlPath) => YamlPath;

/** Either what a schema made of a value, or everything wrong with it. */
export type Parsed<Output> = { value: Output; problems: [] } | { value: undefined; problems: LabError[] };

/**
 * Runs a schema over part of a document, the value at `base`, and puts every issue at its place in the file. `whole` is what
 * messages call the document. A custom
 * issue's `params: {code, hint}` become the error's.
 */
export function parseWith<Output>(
  schema: z.ZodType<Output>,
  input: unknown,
  document: YamlDocument,
  place: { base?: YamlPath; inFile?: PathInFile; whole?: string } = {},
): Parsed<Output> {
  const { base = [], inFile = (path) => path, whole = "the lab" } = place;
  // Issues name the keys that are too many, not those that would be right; the schema that complained is only told here.
  const knownKeys = new WeakMap<object, string[]>();
  const result = schema.safeParse(input, {
    error: (issue) => {
      if (issue.code === "unrecognized_keys") knownKeys.set(issue.keys as object, shapeKeys(issue.inst));
      return undefined;
    },
  });
  if (result.success) return { value: result.data, problems: [] };
  const report = new IssueReport(input, { base, document, inFile, whole, knownKeys });
  for (const issue of misspeltFirst(result.error.issues)) report.add(issue, base);
  return { value: undefined, problems: report.problems };
}

/** Misspelt keys first: what they were meant to be is then not also reported as missing. */
function misspeltFirst(issues: readonly Issue[]): Issue[] {
  const rank = (issue: Issue): number => (issue.code === "unrecognized_keys" ? 0 : 1);
  return issues.toSorted((a, b) => rank(a) - rank(b));
}

/** What to write where a field that every lab has is missing. */
const MISSING_HINTS: Readonly<Record<string, string>> = {
  apiVersion: "add apiVersion: cnilab.dev/v1alpha1",
  kind: "add kind: Lab",
  metadata: "add metadata: { name: …, title: … }",
  cni: "add cni: calico, for example",
};

function shapeKeys(schema: unknown): string[] {
  const definition = (schema as { _zod?: { def?: { shape?: object } } } | undefined)?._zod?.def;
  return Object.keys(definition?.shape ?? {});
}

/** A map with more wrong fields than this is something else altogether; finding each one's place takes time. */
const MAX_UNKNOWN_FIELDS = 50;

interface ReportPlace {
  base: YamlPath;
  document: YamlDocument;
  inFile: PathInFile;
  whole: string;
  knownKeys: WeakMap<object, string[]>;
}

class IssueReport {
  readonly problems: LabError[] = [];
  /** Paths that misspelt keys were meant to be. */
  readonly #misspelt = new Set<string>();
  readonly #input: unknown;
  readonly #base: YamlPath;
  readonly #document: YamlDocument;
  readonly #inFile: PathInFile;
  readonly #whole: string;
  readonly #knownKeys: WeakMap<object, string[]>;

  constructor(input: unknown, { base, document, inFile, whole, knownKeys }: ReportPlace) {
    this.#input = input;
    this.#base = base;
    this.#document = document;
    this.#inFile = inFile;
    this.#whole = whole;
    this.#knownKeys = knownKeys;
  }

  add(issue: Issue, base: YamlPath): void {
    const path = [...base, ...(issue.path as (string | number)[])];
    const value = valueAt(this.#input, path.slice(this.#base.length));
    const name = describePath(path);
    switch (issue.code) {
      case "unrecognized_keys":
        for (const key of issue.keys.slice(0, MAX_UNKNOWN_FIELDS))
          this.#unknownField(key, path, this.#knownKeys.get(issue.keys) ?? [], value);
        return;
      case "invalid_union":
        this.#union(issue, path, value, name);
        return;
      case "invalid_key":
        this.#error("LAB_BAD_VALUE", path, `${JSON.stringify(path.at(-1))} is no valid name here`, undefined, "key");
        return;
      case "custom": {
        const { code, hint } = (issue.params ?? {}) as { code?: string; hint?: string };
        this.#error(code ?? "LAB_BAD_VALUE", path, issue.message, hint);
        return;
      }
      default:
        if (value === undefined) this.#missing(path);
        else if (value === null)
          this.#error("LAB_MISSING_FIELD", path, `${name} has no value`, this.#missingHint(name), "key");
        else this.#scalar(issue, path, value, name);
    }
  }

  #scalar(issue: Issue, path: YamlPath, value: unknown, name: string): void {
    switch (issue.code) {
      case "invalid_type":
        this.#error(
          "LAB_WRONG_TYPE",
          path,
          `${name} must be ${typeWord(issue.expected)}, not ${describe(value)}`,
          typeHint(issue.expected, value),
        );
        return;
      case "invalid_value":
        if (this.#unknownName(path, value, issue.values.map(String))) return;
        this.#error(
          "LAB_BAD_VALUE",
          path,
          `${name} cannot be ${describe(value)}`,
          didYouMean(String(value), issue.values.map(String)),
        );
        return;
      case "too_small":
        this.#error(
          "LAB_BAD_VALUE",
          path,
          `${name} ${sizeWords(issue.origin, "at least", issue.minimum)}${figure(value)}`,
        );
        return;
      case "too_big":
        this.#error(
          "LAB_BAD_VALUE",
          path,
          `${name} ${sizeWords(issue.origin, "at most", issue.maximum)}${figure(value)}`,
        );
        return;
      default:
        this.#error("LAB_BAD_VALUE", path, `${name}: ${lowerFirst(issue.message)}`);
    }
  }

  /** Of several forms, the one meant is that whose outermost type fits; otherwise all are named. */
  #union(issue: Issue & { code: "invalid_union" }, path: YamlPath, value: unknown, name: string): void {
    if (value === undefined) {
      this.#missing(path);
      return;
    }
    if (value === null) {
      this.#error("LAB_MISSING_FIELD", path, `${name} has no value`, this.#missingHint(name), "key");
      return;
    }
    const isWholeMismatch = (inner: Issue): boolean =>
      inner.path.length === 0 &&
      (inner.code === "invalid_type" || (inner.code === "invalid_value" && typeof value === "object"));
    const meant = issue.errors.filter((branch) => !branch.some(isWholeMismatch));
    const branch = meant.toSorted((a, b) => a.length - b.length)[0];
    if (branch !== undefined) {
      for (const inner of misspeltFirst(branch)) this.add(inner, path);
      return;
    }
    const words = issue.errors.flatMap((inner) => inner.slice(0, 1).map(formOf));
    this.#error("LAB_WRONG_TYPE", path, `${name} must be ${[...new Set(words)].join(" or ")}, not ${describe(value)}`);
  }

  /** Names of registries get codes of their own: they are what people look up. */
  #unknownName(path: YamlPath, value: unknown, known: readonly string[]): boolean {
    const [root] = path;
    if (root === "providers") {
      this.#error(
        "LAB_UNKNOWN_PROVIDER",
        path,
        `unknown provider ${describe(value)}`,
        didYouMean(String(value), known),
      );
    } else if ((root === "cni" || root === "cnis") && typeof value === "string") {
      this.#error("LAB_UNKNOWN_CNI", path, `unknown CNI ${describe(value)}`, didYouMean(value, known));
    } else return false;
    return true;
  }

  #unknownField(key: string, path: YamlPath, known: readonly string[], value: unknown): void {
    const where = path.length > 0 ? ` in ${describePath(path)}` : "";
    const unused = known.filter((name) => !(typeof value === "object" && value !== null && name in value));
    const guess = nearestName(key, unused);
    if (guess !== undefined) this.#misspelt.add(JSON.stringify([...path, guess]));
    const hint = guess === undefined ? didYouMean(key, known) : `did you mean ${guess}?`;
    this.#error("LAB_UNKNOWN_FIELD", [...path, key], `unknown field ${JSON.stringify(key)}${where}`, hint, "key");
  }

  #missing(path: YamlPath): void {
    const parent = path.slice(0, -1);
    if (this.#misspelt.has(JSON.stringify(path))) return;
    const where = parent.length > 0 ? describePath(parent) : this.#whole;
    this.#error(
      "LAB_MISSING_FIELD",
      path,
      `${where} needs ${String(path.at(-1))}`,
      this.#missingHint(describePath(path)),
      "missing",
    );
  }

  #missingHint(name: string): string | undefined {
    // Of other documents than labs, which are of another kind.
    return this.#whole === "the lab" || name !== "kind" ? MISSING_HINTS[name] : undefined;
  }

  #error(
    code: string,
    path: YamlPath,
    message: string,
    hint?: string,
    place: "value" | "key" | "missing" = "value",
  ): void {
    const full = this.#inFile(path);
    const document = this.#document;
    const span =
      place === "key" ? document.keySpan(full) : place === "missing" ? document.parentSpan(full) : document.span(full);
    this.problems.push(new LabError(code, shorten(message), { hint: hint && shorten(hint), span }));
  }
}
