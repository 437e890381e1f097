import type { RequestReading } from "../../../engine/metrics/metrics-server.ts";
import { hasAddOn } from "../../../plan/has-add-on.ts";
import type { Plan } from "../../../plan/types.ts";
import type { ServerThread } from "./server-thread.ts";

/** What metrics-server reads; undefined where the lab has not asked for it. */
export function requestReader(
  plan: Pick<Plan, "realCluster">,
  servers: ServerThread,
): (() => Promise<RequestReading>) | undefined {
  return hasAddOn(plan, "metrics-server") ? () => servers.requests() : undefined;
}
