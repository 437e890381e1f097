import { didYouMean } from "../core/suggest.ts";
import type { YamlPath } from "../core/yaml-document.ts";
import { formatPath, type ManifestFindings } from "./manifest-findings.ts";
import { labelKeyProblem, labelValueProblem } from "./names.ts";
import type { LabelSelector } from "./types.ts";

const OPERATORS = ["In", "NotIn", "Exists", "DoesNotExist"];

/** Checks keys and values of labels, of a matchLabels map, or of a Service's selector. */
export function checkLabels(
  labels: Record<string, string> | undefined,
  path: YamlPath,
  findings: ManifestFindings,
): void {
  for (const [key, value] of Object.entries(labels ?? {})) {
    const keyProblem = labelKeyProblem(key);
    if (keyProblem !== undefined) {
      findings.error(
        "MANIFEST_BAD_LABEL",
        [...path, key],
        `label key ${JSON.stringify(key)} ${keyProblem}`,
        undefined,
        "key",
      );
    }
    // Structure has told already where a value is no text.
    const valueProblem = typeof value === "string" ? labelValueProblem(value) : undefined;
    if (valueProblem !== undefined) {
      findings.error("MANIFEST_BAD_LABEL", [...path, key], `value of label ${JSON.stringify(key)} ${valueProblem}`);
    }
  }
}

/** Checks a LabelSelector's operators and values (apimachinery ValidateLabelSelector). */
export function checkSelector(selector: LabelSelector | undefined, path: YamlPath, findings: ManifestFindings): void {
  if (selector === undefined) return;
  checkLabels(selector.matchLabels, [...path, "matchLabels"], findings);
  for (const [index, requirement] of (selector.matchExpressions ?? []).entries()) {
    if (requirement === undefined) continue;
    const at = [...path, "matchExpressions", index];
    const { key, operator, values } = requirement;
    const keyProblem = typeof key === "string" ? labelKeyProblem(key) : undefined;
    if (keyProblem !== undefined)
      findings.error("MANIFEST_BAD_LABEL", [...at, "key"], `label key ${JSON.stringify(key)} ${keyProblem}`);
    if (operator === undefined) continue;
    if (!OPERATORS.includes(operator)) {
      findings.error(
        "MANIFEST_BAD_VALUE",
        [...at, "operator"],
        `unknown operator ${JSON.stringify(operator)}`,
        didYouMean(operator, OPERATORS),
      );
    } else if (operator === "In" || operator === "NotIn") {
      if ((values ?? []).length === 0) {
        findings.error(
          "MANIFEST_BAD_SELECTOR",
          [...at, "values"],
          `operator ${operator} needs values`,
          undefined,
          values === undefined ? "missing" : "key",
        );
      }
    } else if ((values ?? []).length > 0) {
      findings.error(
        "MANIFEST_BAD_SELECTOR",
        [...at, "values"],
        `operator ${operator} takes no values`,
        `remove values, or use ${operator === "Exists" ? "In" : "NotIn"}`,
        "key",
      );
    }
    for (const [position, value] of (values ?? []).entries()) {
      const problem = typeof value === "string" ? labelValueProblem(value) : undefined;
      if (problem !== undefined)
        findings.error("MANIFEST_BAD_LABEL", [...at, "values", position], `value ${JSON.stringify(value)} ${problem}`);
    }
  }
}

/** Reports a value that is none of those allowed; absent values pass. */
export function checkOneOf(
  value: unknown,
  allowed: readonly string[],
  path: YamlPath,
  findings: ManifestFindings,
): void {
  if (value === undefined || (typeof value === "string" && allowed.includes(value))) return;
  findings.error(
    "MANIFEST_BAD_VALUE",
    path,
    `${formatPath(path)} cannot be ${JSON.stringify(value)}`,
    didYouMean(String(value), allowed),
  );
}
