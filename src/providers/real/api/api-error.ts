import { LabError } from "../../../core/errors.ts";

/** One field that the API server objects to (meta/v1 StatusCause). */
interface StatusCause {
  field?: string;
  message?: string;
}

/** What the API server answered instead of doing what was asked (meta/v1 Status). */
export class ApiError extends LabError {
  /** HTTP status. */
  readonly status: number;
  /** meta/v1 StatusReason such as NotFound, AlreadyExists, Invalid; empty where there is none. */
  readonly reason: string;
  /** The server's own words, a field at a time where it names fields. */
  readonly why: string;

  constructor(status: number, body: unknown, request: string) {
    const said = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
    const why = whyOf(said, body);
    const isForbidden = status === 401 || status === 403;
    super(isForbidden ? "API_FORBIDDEN" : "API_REFUSED", `${request}: the API server answers ${status}: ${why}`, {
      hint: isForbidden ? "the kubeconfig's user needs more rights" : undefined,
    });
    this.status = status;
    this.reason = typeof said["reason"] === "string" ? said["reason"] : "";
    this.why = why;
  }
}

/** Whether the object, its namespace or its kind is not there. */
export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404;
}

/** Whether etcd did not carry the request out in time, or had no leader (etcd, server/etcdserver/errors): it may do so a moment later. */
export function isEtcdBehind(error: unknown): boolean {
  return (
    error instanceof ApiError &&
    error.status >= 500 &&
    /etcdserver: (request timed out|leader changed|no leader)/.test(error.why)
  );
}

function whyOf(said: Record<string, unknown>, body: unknown): string {
  const details = said["details"] as { causes?: StatusCause[] } | undefined;
  const causes = (details?.causes ?? []).filter(({ field, message }) => field !== undefined && message !== undefined);
  if (causes.length > 0) return causes.map(({ field, message }) => `${field}: ${message}`).join("; ");
  const message = typeof said["message"] === "string" ? said["message"] : String(body).slice(0, 500);
  // Server-side apply wraps what structured-merge-diff says of a field: the object is named by whoever reports it.
  return message.replace(/^failed to create typed patch object \([^)]*\): /, "").replace(/^errors:\n\s*/, "");
}
