import type { KubeObject, Pod } from "../../kube/types.ts";
import { formatQuantity } from "../../kube/quantity.ts";
import { apiTime } from "../clock.ts";
import type { MetricsServer } from "../metrics/metrics-server.ts";
import type { ObjectStore } from "../store/store.ts";
import { ApiError } from "./api-error.ts";
import type { Cell, ColumnSpec } from "./column.ts";
import type { Resource } from "./resources.ts";

const GROUP = "metrics.k8s.io";
const VERSION = "v1beta1";
const API_VERSION = `${GROUP}/${VERSION}`;

interface Metrics extends KubeObject {
  timestamp: string;
  window: string;
}

const figure = (name: string, cell: (metrics: KubeObject) => Cell): ColumnSpec => ({ name, cell });

function metricsResource(name: string, kind: string, namespaced: boolean, cpu: ColumnSpec): Resource {
  const window = figure("Window", (metrics) => (metrics as Metrics).window);
  return {
    group: GROUP,
    version: VERSION,
    name,
    singular: "",
    kind,
    namespaced,
    shortNames: [],
    categories: [],
    subresources: [],
    verbs: ["get", "list"],
    columns: () => [cpu, window],
    key: undefined,
  };
}

/** What metrics-server serves; there while the lab has it. */
export const METRICS_RESOURCES: readonly Resource[] = [
  metricsResource(
    "nodes",
    "NodeMetrics",
    false,
    figure("CPU", (metrics) => (metrics["usage"] as { cpu: string }).cpu),
  ),
  metricsResource(
    "pods",
    "PodMetrics",
    true,
    figure("CPU", (metrics) => (metrics["containers"] as { usage: { cpu: string } }[])[0]?.usage.cpu),
  ),
];

/** The figures of one resource, as API objects; `namespace` undefined means all. */
export function metricsObjects(
  metrics: MetricsServer,
  store: ObjectStore,
  { kind }: Resource,
  namespace: string | undefined,
): KubeObject[] {
  const pods = store.list("Pod", kind === "PodMetrics" ? namespace : undefined);
  return kind === "PodMetrics" ? podMetrics(metrics, pods) : nodeMetrics(metrics, store, pods);
}

/** metrics-server's own words, which name the object with its namespace. */
export function noMetricsOf({ kind }: Resource, namespace: string | undefined, name: string): ApiError {
  const written = namespace === undefined ? name : `${namespace}/${name}`;
  const details = { name: written, group: GROUP, kind: kind.toLowerCase() };
  return new ApiError("NotFound", `${kind.toLowerCase()}.${GROUP} "${written}" not found`, details);
}

function podMetrics(metrics: MetricsServer, pods: readonly Pod[]): KubeObject[] {
  return pods.flatMap((pod): Metrics[] => {
    const usage = metrics.usageOf(pod);
    if (usage === undefined) return [];
    const { name, namespace = "", labels } = pod.metadata;
    return [
      {
        kind: "PodMetrics",
        apiVersion: API_VERSION,
        metadata: { name, namespace, ...stamped(usage.atMs), ...(labels === undefined ? {} : { labels }) },
        ...windowed(usage),
        containers: usage.containers.map((container) => ({ name: container.name, usage: cpu(container.nanocores) })),
      },
    ];
  });
}

function nodeMetrics(metrics: MetricsServer, store: ObjectStore, pods: readonly Pod[]): KubeObject[] {
  return store.list("Node").flatMap(({ metadata: { name, labels } }): Metrics[] => {
    const window = metrics.windowOf(name);
    if (window === undefined) return [];
    const used = pods
      .filter(({ spec }) => spec.nodeName === name)
      .flatMap((pod) => metrics.usageOf(pod)?.containers ?? [])
      .reduce((sum, { nanocores }) => sum + nanocores, 0);
    return [
      {
        kind: "NodeMetrics",
        apiVersion: API_VERSION,
        metadata: { name, ...stamped(window.atMs), ...(labels === undefined ? {} : { labels }) },
        ...windowed(window),
        usage: cpu(used),
      },
    ];
  });
}

function stamped(atMs: number): { creationTimestamp: string } {
  return { creationTimestamp: apiTime(atMs) };
}

function windowed({ atMs, windowMs }: { atMs: number; windowMs: number }): { timestamp: string; window: string } {
  return { timestamp: apiTime(atMs), window: `${windowMs / 1000}s` };
}

/** Memory is not modelled: it is left out, not said to be none. */
function cpu(nanocores: number): { cpu: string } {
  return { cpu: formatQuantity(nanocores, -9) };
}
