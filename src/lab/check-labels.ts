import type { YamlPath } from "../core/yaml-document.ts";
import { labelKeyProblem, labelValueProblem } from "../kube/names.ts";
import type { ProblemList } from "./problems.ts";

/** Adds LAB_BAD_VALUE for each key or value of the labels at `at` that Kubernetes would refuse. */
export function checkLabels(labels: Readonly<Record<string, string>>, at: YamlPath, list: ProblemList): void {
  for (const [key, value] of Object.entries(labels)) {
    const place = [...at, key];
    const keyProblem = labelKeyProblem(key);
    if (keyProblem !== undefined)
      list.errorAtKey("LAB_BAD_VALUE", place, `label key ${JSON.stringify(key)} ${keyProblem}`);
    const valueProblem = labelValueProblem(value);
    if (valueProblem !== undefined)
      list.error("LAB_BAD_VALUE", place, `value of label ${JSON.stringify(key)} ${valueProblem}`);
  }
}
