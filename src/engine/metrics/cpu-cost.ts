import type { LabWarning } from "../../core/errors.ts";
import { isRecord } from "../../core/is-record.ts";
import type { KubeObject } from "../../kube/types.ts";

/** The annotation of a pod that says how much CPU time its servers take for a request. */
export const CPU_COST_ANNOTATION = "cnilab.dev/cpu-per-request";

/** Of a pod that does not say. */
const DEFAULT_COST = "1ms";

const UNIT_NS: Readonly<Record<string, number>> = { us: 1e3, ms: 1e6, s: 1e9 };

/** Nanoseconds of CPU time such as `5ms`, `0.5ms`, `250us` or `1s`; undefined for what is none. */
function cpuTimeNs(text: string): number | undefined {
  const [, figure, unit = ""] = /^(\d{1,6}(?:\.\d{1,6})?)(us|ms|s)$/.exec(text) ?? [];
  return figure === undefined ? undefined : Math.round(Number(figure) * (UNIT_NS[unit] ?? 0));
}

/** CPU time of one request to the pod, in nanoseconds; one that is no time counts as none said ({@link cpuCostWarnings}). */
export function cpuCostNs(annotations: Readonly<Record<string, string>> | undefined): number {
  return cpuTimeNs(annotations?.[CPU_COST_ANNOTATION] ?? DEFAULT_COST) ?? cpuTimeNs(DEFAULT_COST) ?? 0;
}

/** What to tell whoever applies a pod, or a workload with its template, whose cost of a request is no time. */
export function cpuCostWarnings({ kind, metadata, ...object }: KubeObject): LabWarning[] {
  const template = isRecord(object["spec"]) ? object["spec"]["template"] : undefined;
  const pod = kind === "Pod" ? metadata : isRecord(template) ? template["metadata"] : undefined;
  const annotations = isRecord(pod) ? pod["annotations"] : undefined;
  const written = isRecord(annotations) ? annotations[CPU_COST_ANNOTATION] : undefined;
  if (typeof written !== "string" || cpuTimeNs(written) !== undefined) return [];
  const message = `${kind} ${metadata.namespace ?? ""}/${metadata.name}: ${CPU_COST_ANNOTATION} ${JSON.stringify(written)} is no CPU time such as 5ms: ${DEFAULT_COST} counts`;
  return [{ code: "CPU_COST_INVALID", message }];
}
