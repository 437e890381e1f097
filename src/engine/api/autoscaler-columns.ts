import type { HorizontalPodAutoscaler, MetricSpec, MetricTarget, MetricValue } from "../../kube/autoscaling.ts";
import type { ColumnSpec } from "./column.ts";

/** What `kubectl get hpa` shows between name and age (pkg/printers, printHorizontalPodAutoscaler). */
export const autoscalerColumns: readonly ColumnSpec[] = [
  {
    name: "Reference",
    cell: (object) => {
      const { kind, name } = (object as HorizontalPodAutoscaler).spec.scaleTargetRef;
      return `${kind}/${name}`;
    },
  },
  { name: "Targets", cell: (object) => targetsText(object as HorizontalPodAutoscaler) },
  { name: "MinPods", cell: (object) => String((object as HorizontalPodAutoscaler).spec.minReplicas ?? "<unset>") },
  { name: "MaxPods", cell: (object) => String((object as HorizontalPodAutoscaler).spec.maxReplicas) },
  { name: "Replicas", cell: (object) => String((object as HorizontalPodAutoscaler).status?.currentReplicas ?? 0) },
];

/** The first two metrics, each as it is and as it should be. */
function targetsText({ spec: { metrics = [] }, status }: HorizontalPodAutoscaler): string {
  if (metrics.length === 0) return "<none>";
  const texts = metrics.map((spec, index) => {
    const { resource, containerResource, pods } = status?.currentMetrics?.[index] ?? {};
    return metricText(spec, (resource ?? containerResource ?? pods)?.current ?? {});
  });
  const shown = texts.slice(0, 2).join(", ");
  return texts.length > 2 ? `${shown} + ${texts.length - 2} more...` : shown;
}

function metricText({ type, ...spec }: MetricSpec, current: MetricValue): string {
  const { resource, containerResource, pods, object, external } = spec;
  if (type === "Resource" && resource !== undefined) return resourceText(resource, current);
  if (type === "ContainerResource" && containerResource !== undefined) return resourceText(containerResource, current);
  const target = (type === "Pods" ? pods : type === "Object" ? object : external)?.target;
  if (target === undefined) return "<unknown type>";
  const { averageValue, value } = target;
  const isAverage = averageValue !== undefined;
  return `${current.averageValue ?? UNKNOWN}/${averageValue ?? value}${isAverage && type !== "Pods" ? " (avg)" : ""}`;
}

const UNKNOWN = "<unknown>";

function resourceText({ name, target }: { name: string; target: MetricTarget }, current: MetricValue): string {
  const { averageValue, averageUtilization } = target;
  if (averageValue !== undefined) return `${name}: ${current.averageValue ?? UNKNOWN}/${averageValue}`;
  const now = current.averageUtilization === undefined ? UNKNOWN : `${current.averageUtilization}%`;
  return `${name}: ${now}/${averageUtilization === undefined ? "<auto>" : `${averageUtilization}%`}`;
}
