import { isRecord } from "../../core/is-record.ts";
import { milliOf } from "../../kube/quantity.ts";
import type { KubeObject } from "../../kube/types.ts";
import { describe } from "../store/object-parts.ts";
import type { AdmissionRule } from "../store/store.ts";
import { FieldError, type WrongField } from "./field-error.ts";

/** Refuses HorizontalPodAutoscalers that their control loop could not work with (pkg/apis/autoscaling/validation) */
export const checkAutoscaler: AdmissionRule = (draft, { operation, key }) => {
  if (operation === "delete" || key !== "HorizontalPodAutoscaler") return;
  const wrong = wrongField(draft);
  if (wrong === undefined) return;
  const { field, detail } = wrong;
  throw new FieldError("OBJECT_INVALID", `${describe(draft)}: ${field}: ${detail}`, wrong);
};

function wrongField(draft: KubeObject): WrongField | undefined {
  const spec = draft["spec"];
  if (!isRecord(spec)) return { field: "spec", value: spec, detail: "must be an object" };
  const { scaleTargetRef: ref, minReplicas, maxReplicas, metrics, behavior } = spec;
  if (!isRecord(ref) || typeof ref["kind"] !== "string" || typeof ref["name"] !== "string")
    return { field: "spec.scaleTargetRef", value: ref, detail: "kind and name are required" };
  if (!isCount(maxReplicas) || maxReplicas < 1)
    return { field: "spec.maxReplicas", value: maxReplicas, detail: "must be greater than 0" };
  if (minReplicas !== undefined && (!isCount(minReplicas) || minReplicas < 1))
    return { field: "spec.minReplicas", value: minReplicas, detail: "must be greater than or equal to 1" };
  if (typeof minReplicas === "number" && maxReplicas < minReplicas) {
    const detail = "must be greater than or equal to `minReplicas`";
    return { field: "spec.maxReplicas", value: maxReplicas, detail };
  }
  if (metrics !== undefined && !(Array.isArray(metrics) && metrics.every(isRecord)))
    return { field: "spec.metrics", value: metrics, detail: "must be a list of objects" };
  const wrong = (metrics ?? []).findIndex((metric) => !hasTarget(metric));
  if (wrong >= 0) {
    const detail = "must have the field of its type, with a positive target of its kind";
    return { field: `spec.metrics[${wrong}]`, value: metrics?.[wrong], detail };
  }
  for (const [index, metric] of (metrics ?? []).entries()) {
    const field = otherSource(metric);
    if (field === undefined) continue;
    const detail = "must populate the given metric source only";
    return { field: `spec.metrics[${index}].${field}`, value: metric[field], detail };
  }
  return behavior === undefined ? undefined : wrongBehavior(behavior);
}

/** Which field a type of metric has, and which fields of a target it takes. */
const SOURCES: Readonly<Record<string, readonly [field: string, ...targets: string[]]>> = {
  Resource: ["resource", "averageUtilization", "averageValue"],
  ContainerResource: ["containerResource", "averageUtilization", "averageValue"],
  Pods: ["pods", "averageValue"],
  Object: ["object", "value", "averageValue"],
  External: ["external", "value", "averageValue"],
};

function hasTarget(metric: Record<string, unknown>): boolean {
  const type = String(metric["type"]);
  const [field, ...targets] = Object.hasOwn(SOURCES, type) ? (SOURCES[type] ?? [""]) : [""];
  const source = metric[field];
  const target = isRecord(source) ? source["target"] : undefined;
  if (!isRecord(target) || !isRecord(source)) return false;
  const isNamed = field.endsWith("esource") ? typeof source["name"] === "string" : isRecord(source["metric"]);
  return isNamed && targets.some((name) => (milliOf(target[name]) ?? 0) > 0);
}

/** A field that is of another type than the metric's. */
function otherSource(metric: Record<string, unknown>): string | undefined {
  const [own] = SOURCES[String(metric["type"])] ?? [];
  return Object.values(SOURCES).find(([field]) => field !== own && metric[field] !== undefined)?.[0];
}

function wrongBehavior(behavior: unknown): WrongField | undefined {
  if (!isRecord(behavior)) return { field: "spec.behavior", value: behavior, detail: "must be an object" };
  for (const direction of ["scaleUp", "scaleDown"]) {
    const rules = behavior[direction] ?? {};
    const field = `spec.behavior.${direction}`;
    if (!isRecord(rules)) return { field, value: rules, detail: "must be an object" };
    const { stabilizationWindowSeconds: window, policies, selectPolicy } = rules;
    if (window !== undefined && (!isCount(window) || window > 3600)) {
      const detail = "must be greater than or equal to zero and less than or equal to 3600";
      return { field: `${field}.stabilizationWindowSeconds`, value: window, detail };
    }
    if (selectPolicy !== undefined && !["Max", "Min", "Disabled"].includes(String(selectPolicy)))
      return { field: `${field}.selectPolicy`, value: selectPolicy, detail: "must be Max, Min or Disabled" };
    if (policies !== undefined && !(Array.isArray(policies) && policies.length > 0 && policies.every(isPolicy)))
      return {
        field: `${field}.policies`,
        value: policies,
        detail:
          "must specify at least one Policy, of type Pods or Percent, with a positive value and a periodSeconds of at most 1800",
      };
  }
  return undefined;
}

function isPolicy(policy: unknown): boolean {
  if (!isRecord(policy)) return false;
  const { type, value, periodSeconds } = policy;
  if (type !== "Pods" && type !== "Percent") return false;
  return isCount(value) && value > 0 && isCount(periodSeconds) && periodSeconds > 0 && periodSeconds <= 1800;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0;
}
