import type { RetryPlan } from "./route-request.ts";

/** What became of one try at an upstream. */
export type TryEnd =
  | { kind: "answer"; status: number }
  /** No connection. */
  | { kind: "no-connection" }
  /** The connection ended before an answer. */
  | { kind: "reset" }
  /** Its own time was over. */
  | { kind: "late" };

/** Whether a request is sent again after this (envoyproxy.io … http_filters/router_filter, x-envoy-retry-on). */
export function isRetried({ on }: Pick<RetryPlan, "on">, end: TryEnd): boolean {
  return on.some((condition) => {
    switch (condition) {
      case "5xx":
        return end.kind !== "answer" || end.status >= 500;
      case "gateway-error":
        return end.kind !== "answer" || [502, 503, 504].includes(end.status);
      case "connect-failure":
        return end.kind === "no-connection";
      case "reset":
        return end.kind !== "answer";
      case "retriable-4xx":
        return end.kind === "answer" && end.status === 409;
      default:
        return end.kind === "answer" && String(end.status) === condition;
    }
  });
}
