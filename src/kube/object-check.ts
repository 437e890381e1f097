import type { LabError, LabWarning, Span } from "../core/errors.ts";
import type { YamlPath } from "../core/yaml-document.ts";
import { checkBody, checkIdentity } from "./manifest-check.ts";
import { ManifestFindings } from "./manifest-findings.ts";
import type { KubeObject } from "./types.ts";

/** What is wrong with one field of an object. */
export interface ObjectProblem {
  /** A MANIFEST_ code. */
  code: string;
  message: string;
  path: YamlPath;
}

/** What {@link checkObject} found. */
export interface CheckedObject {
  /** As the API would store it: without fields of no value (null) and unknown ones; undefined where it is too broken. */
  object: KubeObject | undefined;
  problems: ObjectProblem[];
  warnings: LabWarning[];
}

const NOWHERE: Span = { file: "", line: 0, column: 0, length: 0, lineText: "" };
const nowhere = { span: () => NOWHERE, keySpan: () => NOWHERE, parentSpan: () => NOWHERE };

/** Checks one object of a kind whose fields are known (`kindFacts`) that comes from no file, as `checkManifest` does those of one. */
export function checkObject(value: unknown): CheckedObject {
  const findings = new ManifestFindings(nowhere, []);
  const object = checkIdentity(value, findings);
  if (object !== undefined) checkBody(object, true, {}, findings);
  const problems = findings.problems.map(({ code, message }: LabError, index) => ({
    code,
    message,
    path: findings.paths[index] ?? [],
  }));
  return { object, problems, warnings: findings.warnings };
}
