import type { RequestReading } from "../../../engine/metrics/metrics-server.ts";
import type { Plan } from "../../../plan/types.ts";
import type { ServerThread } from "./server-thread.ts";

/** What metrics-server reads; undefined where the lab has not asked for it. */
export function requestReader(
  { realCluster }: Pick<Plan, "realCluster">,
  servers: ServerThread,
): (() => Promise<RequestReading>) | undefined {
  return realCluster?.addOns.includes("metrics-server") === true ? () => servers.requests() : undefined;
}
