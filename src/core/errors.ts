/** A place in a text file; line and column count from 1, length in characters on that line. */
export interface Span {
  file: string;
  line: number;
  column: number;
  length: number;
  /** The whole line, without its line break. */
  lineText: string;
}

export interface LabErrorOptions {
  hint?: string | undefined;
  span?: Span | undefined;
  cause?: unknown;
}

/** An error meant for a person: `code` is permanent and has an entry in docs/errors.md. */
export class LabError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly span: Span | undefined;

  constructor(code: string, message: string, options: LabErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "LabError";
    this.code = code;
    this.hint = options.hint;
    this.span = options.span;
  }
}

/** A finding that does not stop the work; printed in the same form as an error. */
export interface LabWarning {
  code: string;
  message: string;
  hint?: string | undefined;
  span?: Span | undefined;
}

/** Several problems found in one pass, in file order. Never empty. */
export class LabProblems extends Error {
  readonly problems: readonly LabError[];

  constructor(problems: readonly LabError[]) {
    super(problems.map((problem) => problem.message).join("\n"));
    this.name = "LabProblems";
    this.problems = problems;
  }
}
