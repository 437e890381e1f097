/** A patch that cannot be applied, with what the API server makes of it. */
export class PatchError extends Error {
  override readonly name = "PatchError";
  /** HTTP status of the API server's answer. */
  readonly status: 400 | 413 | 422 | 500;
  /** Where in the object or patch: a JSON pointer, or a field path such as `.spec.replicas`; empty for the whole. */
  readonly path: string;

  constructor(status: PatchError["status"], message: string, path = "") {
    super(message);
    this.status = status;
    this.path = path;
  }
}
