import { LabError, type LabWarning } from "../core/errors.ts";
import { shorten } from "../core/shorten.ts";
import type { YamlDocument, YamlPath } from "../core/yaml-document.ts";

/** Collects problems and warnings of a lab file while it is read. */
export class ProblemList {
  readonly problems: LabError[] = [];
  readonly warnings: LabWarning[] = [];
  readonly document: YamlDocument;

  constructor(document: YamlDocument) {
    this.document = document;
  }

  /** Points at the value of a path. */
  error(code: string, path: YamlPath, message: string, hint?: string): void {
    this.problems.push(
      new LabError(code, shorten(message), { hint: hint && shorten(hint), span: this.document.span(path) }),
    );
  }

  /** Points at the key of a path. */
  errorAtKey(code: string, path: YamlPath, message: string, hint?: string): void {
    this.problems.push(
      new LabError(code, shorten(message), { hint: hint && shorten(hint), span: this.document.keySpan(path) }),
    );
  }

  warn(code: string, path: YamlPath, message: string, hint?: string): void {
    this.warnings.push({
      code,
      message: shorten(message),
      hint: hint && shorten(hint),
      span: this.document.span(path),
    });
  }
}
