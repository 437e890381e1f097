import type { MetricSpec, MetricStatus, MetricTarget, MetricValue } from "../../kube/autoscaling.ts";
import { formatQuantity, milliOf } from "../../kube/quantity.ts";
import { formatSelector } from "../../kube/selectors.ts";
import type { LabelSelector, Pod } from "../../kube/types.ts";
import type { MetricsServer } from "../metrics/metrics-server.ts";
import {
  NoReplicaCount,
  replicasByAverage,
  replicasByUtilization,
  requestsOf,
  type PodFigures,
  type Proposal,
} from "./replica-count.ts";

/** The Pods metric that the model gives: requests a second, as an adapter of the custom metrics API would. */
export const REQUEST_RATE = "http_requests";

/** What the metrics of an autoscaler are read from. */
export interface MetricContext {
  /** Absent: neither of the metrics APIs is served. */
  metrics: MetricsServer | undefined;
  namespace: string;
  /** Of the scale target's selector. */
  pods: readonly Pod[];
  currentReplicas: number;
  nowMs: number;
}

/** What one metric asks for; `name` is how events call it. */
export interface MetricReplicas {
  replicas: number;
  name: string;
  status: MetricStatus;
}

/** A metric that says nothing: `reason` of event and condition, `told` what they say, `message` what the sum of all says. */
export class MetricFailure extends Error {
  readonly reason: string;
  readonly told: string;

  constructor(reason: string, told: string, message: string) {
    super(message);
    this.reason = reason;
    this.told = told;
  }
}

/** How many replicas one metric asks for. Throws {@link MetricFailure}. */
export function replicasForMetric(spec: MetricSpec, context: MetricContext): MetricReplicas {
  const { type, resource, containerResource, pods, object, external } = spec;
  if (type === "Resource" && resource !== undefined) {
    const { replicas, name, current } = ofResource(resource, context, undefined);
    return { replicas, name, status: { type, resource: { name: resource.name, current } } };
  }
  if (type === "ContainerResource" && containerResource !== undefined) {
    const { container, name: wanted } = containerResource;
    const { replicas, name, current } = ofResource(containerResource, context, container);
    return { replicas, name, status: { type, containerResource: { name: wanted, container, current } } };
  }
  if (type === "Pods" && pods !== undefined) return ofPods(pods, context);
  if (type === "Object" && object !== undefined) {
    const { metric, describedObject: about } = object;
    const why = context.metrics === undefined ? NO_CUSTOM_API : notThere(metric.name, about.kind);
    const told = `unable to get metric ${metric.name}: ${about.kind} on ${context.namespace} ${about.name}/${UNFETCHED} ${why}`;
    throw new MetricFailure("FailedGetObjectMetric", told, `failed to get object metric value: ${told}`);
  }
  if (type === "External" && external !== undefined) throw noExternal(external.metric, context.namespace);
  const told = `unknown metric source type "${type}"`;
  throw new MetricFailure("InvalidMetricSourceType", told, told);
}

const UNFETCHED = "unable to fetch metrics from custom metrics API:";
const NO_CUSTOM_API = "no custom metrics API (custom.metrics.k8s.io) registered";

function notThere(metric: string, kind: string): string {
  return `the server could not find the metric ${metric} for ${kind.toLowerCase()}s`;
}

function noExternal({ name, selector }: { name: string; selector?: LabelSelector }, namespace: string): MetricFailure {
  const meant = selector === undefined ? "nil" : formatSelector(selector);
  const told = `unable to get external metric ${namespace}/${name}/${meant}: unable to fetch metrics from external metrics API: the server could not find the requested resource (get ${name}.external.metrics.k8s.io)`;
  return new MetricFailure("FailedGetExternalMetric", told, `failed to get ${name} external metric value: ${told}`);
}

function ofResource(
  { name: resource, target }: { name: string; target: MetricTarget },
  context: MetricContext,
  container: string | undefined,
): { replicas: number; name: string; current: MetricValue } {
  const { averageValue, averageUtilization } = target;
  try {
    const asked = { ...context, figures: resourceFigures(resource, context, container), isCpu: resource === "cpu" };
    const isByValue = averageValue !== undefined;
    if (!isByValue && averageUtilization === undefined)
      throw new NoReplicaCount("neither a utilization target nor a value target was set");
    const proposal = isByValue
      ? replicasByAverage(asked, milliOf(averageValue) ?? 0)
      : replicasByUtilization(asked, averageUtilization ?? 0, requestsOf(context.pods, resource, container));
    const name = isByValue ? `${resource} resource` : `${resource} resource utilization (percentage of request)`;
    return { replicas: proposal.replicas, name, current: valueOf(proposal) };
  } catch (error) {
    if (!(error instanceof NoReplicaCount)) throw error;
    const told = `failed to get ${resource} ${container === undefined ? "" : "container "}utilization: ${error.message}`;
    if (container === undefined)
      throw new MetricFailure(
        "FailedGetResourceMetric",
        told,
        `failed to get ${resource} resource metric value: ${told}`,
      );
    const message = `failed to get ${resource} container metric value: ${told}`;
    throw new MetricFailure("FailedGetContainerResourceMetric", told, message);
  }
}

function resourceFigures(
  resource: string,
  { metrics, pods }: MetricContext,
  container: string | undefined,
): PodFigures {
  const unable = `unable to get metrics for resource ${resource}:`;
  if (metrics === undefined)
    throw new NoReplicaCount(
      `${unable} unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)`,
    );
  const usages = pods.flatMap((pod) => {
    const usage = metrics.usageOf(pod);
    return usage === undefined ? [] : [{ pod: pod.metadata.name, ...usage }];
  });
  if (usages.length === 0) throw new NoReplicaCount(`${unable} no metrics returned from resource metrics API`);
  // Of memory there are no figures.
  if (resource !== "cpu") return new Map();
  return new Map(
    usages.map(({ pod, atMs, windowMs, containers }) => {
      const counted = containers.filter(({ name }) => container === undefined || name === container);
      // Each container's is rounded up before they are added, as Quantity.MilliValue does.
      const value = counted.reduce((total, { nanocores }) => total + Math.ceil(nanocores / 1e6), 0);
      return [pod, { value, atMs, windowMs }];
    }),
  );
}

function ofPods({ metric, target }: NonNullable<MetricSpec["pods"]>, context: MetricContext): MetricReplicas {
  try {
    const figures = requestRates(metric.name, context);
    const proposal = replicasByAverage({ ...context, figures, isCpu: false }, milliOf(target.averageValue) ?? 0);
    const status: MetricStatus = { type: "Pods", pods: { metric, current: valueOf(proposal) } };
    return { replicas: proposal.replicas, name: `pods metric ${metric.name}`, status };
  } catch (error) {
    if (!(error instanceof NoReplicaCount)) throw error;
    const told = error.message;
    throw new MetricFailure("FailedGetPodsMetric", told, `failed to get pods metric value: ${told}`);
  }
}

function requestRates(name: string, { metrics, pods }: MetricContext): PodFigures {
  const unable = `unable to get metric ${name}:`;
  if (metrics === undefined) throw new NoReplicaCount(`${unable} ${UNFETCHED} ${NO_CUSTOM_API}`);
  if (name !== REQUEST_RATE) throw new NoReplicaCount(`${unable} ${UNFETCHED} ${notThere(name, "pod")}`);
  const figures = new Map<string, { value: number; atMs: number; windowMs: number }>();
  for (const pod of pods) {
    const usage = metrics.usageOf(pod);
    if (usage === undefined) continue;
    const { requestRate, atMs, windowMs } = usage;
    figures.set(pod.metadata.name, { value: Math.ceil(requestRate * 1000), atMs, windowMs });
  }
  if (figures.size === 0) throw new NoReplicaCount(`${unable} no metrics returned from custom metrics API`);
  return figures;
}

function valueOf({ average, utilization }: Proposal): MetricValue {
  return {
    ...(utilization === undefined ? {} : { averageUtilization: utilization }),
    averageValue: formatQuantity(average, -3),
  };
}
