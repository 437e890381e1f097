import type { KubeObject, LabelSelector, PodCondition } from "./types.ts";

/** autoscaling/v2 MetricTarget; `type` says which of the others counts. */
export interface MetricTarget {
  type: "Utilization" | "Value" | "AverageValue";
  /** Percent of the pods' requests. */
  averageUtilization?: number;
  averageValue?: string | number;
  value?: string | number;
}

interface MetricIdentifier {
  name: string;
  selector?: LabelSelector;
}

/** One of a HorizontalPodAutoscaler's metrics; the field of its `type` is there. */
export interface MetricSpec {
  type: string;
  resource?: { name: string; target: MetricTarget };
  containerResource?: { name: string; container: string; target: MetricTarget };
  pods?: { metric: MetricIdentifier; target: MetricTarget };
  object?: { metric: MetricIdentifier; target: MetricTarget; describedObject: { kind: string; name: string } };
  external?: { metric: MetricIdentifier; target: MetricTarget };
}

/** What a metric was when it was last read. */
export interface MetricValue {
  averageUtilization?: number;
  averageValue?: string;
}

/** As {@link MetricSpec}, with what it is now; of a metric that could not be read the type is empty. */
export interface MetricStatus {
  type: string;
  resource?: { name: string; current: MetricValue };
  containerResource?: { name: string; container: string; current: MetricValue };
  pods?: { metric: MetricIdentifier; current: MetricValue };
}

/** At most so many pods, or percent of them, in a period. */
export interface ScalingPolicy {
  type: "Pods" | "Percent";
  value: number;
  periodSeconds: number;
}

/** How fast replicas may change in one direction. */
export interface ScalingRules {
  stabilizationWindowSeconds?: number;
  selectPolicy?: "Max" | "Min" | "Disabled";
  policies?: ScalingPolicy[];
}

export interface ScalingBehavior {
  scaleUp?: ScalingRules;
  scaleDown?: ScalingRules;
}

export interface HorizontalPodAutoscaler extends KubeObject {
  kind: "HorizontalPodAutoscaler";
  spec: {
    scaleTargetRef: { apiVersion?: string; kind: string; name: string };
    minReplicas?: number;
    maxReplicas: number;
    metrics?: MetricSpec[];
    behavior?: ScalingBehavior;
  };
  status?: {
    currentReplicas?: number;
    desiredReplicas: number;
    lastScaleTime?: string;
    currentMetrics: MetricStatus[] | null;
    conditions?: PodCondition[];
  };
}

/** What the API server fills in (pkg/apis/autoscaling/v2/defaults.go): 80 % of CPU, and rules where there is a behavior. */
export function fillAutoscalerDefaults({ spec }: HorizontalPodAutoscaler): void {
  spec.minReplicas ??= 1;
  if ((spec.metrics ?? []).length === 0)
    spec.metrics = [
      { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 80 } } },
    ];
  if (spec.behavior === undefined) return;
  // The window of scaling down is a flag of the controller's, and so not filled in.
  spec.behavior = {
    scaleUp: {
      stabilizationWindowSeconds: 0,
      selectPolicy: "Max",
      policies: [
        { type: "Pods", value: 4, periodSeconds: 15 },
        { type: "Percent", value: 100, periodSeconds: 15 },
      ],
      ...spec.behavior.scaleUp,
    },
    scaleDown: {
      selectPolicy: "Max",
      policies: [{ type: "Percent", value: 100, periodSeconds: 15 }],
      ...spec.behavior.scaleDown,
    },
  };
}
