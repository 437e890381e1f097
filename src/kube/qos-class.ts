import { isRecord } from "../core/is-record.ts";
import type { Container, PodSpec } from "./types.ts";

/** kubernetes.io/docs/concepts/workloads/pods/pod-qos */
export type QosClass = "Guaranteed" | "Burstable" | "BestEffort";

const COUNTED = ["cpu", "memory"] as const;

/** The class of a pod by what its containers ask for and may have at most; a limit alone is a request, too. */
export function qosClassOf({ containers, initContainers = [] }: PodSpec): QosClass {
  const all = [...containers, ...initContainers];
  const asks = all.flatMap((container) =>
    COUNTED.map((name) => {
      const limit = quantity(container, "limits", name);
      return { limit, request: quantity(container, "requests", name) ?? limit };
    }),
  );
  if (asks.every(({ limit, request }) => limit === undefined && request === undefined)) return "BestEffort";
  const isGuaranteed = asks.every(({ limit, request }) => limit !== undefined && limit === request);
  return isGuaranteed ? "Guaranteed" : "Burstable";
}

/** A quantity as it is written; one of zero is none. */
function quantity(container: Container, kind: "limits" | "requests", name: string): string | undefined {
  const resources = container["resources"];
  const amounts = isRecord(resources) ? resources[kind] : undefined;
  const amount = isRecord(amounts) ? amounts[name] : undefined;
  const written = typeof amount === "string" || typeof amount === "number" ? String(amount) : undefined;
  return written === undefined || Number.parseFloat(written) === 0 ? undefined : written;
}
