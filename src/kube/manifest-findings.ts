import { LabError, type LabWarning, type Span } from "../core/errors.ts";
import { shorten } from "../core/shorten.ts";
import type { YamlDocument, YamlPath } from "../core/yaml-document.ts";

/** Where the parts of an object are. */
export type Places = Pick<YamlDocument, "span" | "keySpan" | "parentSpan">;

/** Which part of the file a finding points at: a value, a key, or the parent of something missing. */
export type Place = "value" | "key" | "missing";

/** Collects what is wrong with one object of a manifest; paths are relative to the object. */
export class ManifestFindings {
  readonly problems: LabError[] = [];
  readonly warnings: LabWarning[] = [];
  /** Where in the object each of `problems` is, in their order. */
  readonly paths: YamlPath[] = [];
  readonly #document: Places;
  readonly #base: YamlPath;

  /** `base` is the object's place in its document: empty but for the items of a List. */
  constructor(document: Places, base: YamlPath) {
    this.#document = document;
    this.#base = base;
  }

  error(code: string, path: YamlPath, message: string, hint?: string, place: Place = "value"): void {
    this.paths.push(path);
    this.problems.push(
      new LabError(code, shorten(message), { hint: hint && shorten(hint), span: this.spanAt(path, place) }),
    );
  }

  warn(code: string, path: YamlPath, message: string, hint?: string, place: Place = "value"): void {
    this.warnings.push({
      code,
      message: shorten(message),
      hint: hint && shorten(hint),
      span: this.spanAt(path, place),
    });
  }

  /** Whether an error was reported at or below the path, so that its consequences need no words. */
  hasErrorBelow(path: YamlPath): boolean {
    return this.paths.some((reported) => path.every((step, index) => reported[index] === step));
  }

  spanAt(path: YamlPath, place: Place = "value"): Span {
    const full = [...this.#base, ...path];
    if (place === "key") return this.#document.keySpan(full);
    return place === "missing" ? this.#document.parentSpan(full) : this.#document.span(full);
  }
}

/** A path as people write it: `spec.ports[0].name`. */
export function formatPath(path: YamlPath): string {
  return path
    .map((step, index) =>
      typeof step === "number"
        ? `[${step}]`
        : `${index > 0 ? "." : ""}${/^[\w-]+$/.test(step) ? step : JSON.stringify(step)}`,
    )
    .join("");
}
