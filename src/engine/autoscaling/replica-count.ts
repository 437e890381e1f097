import { milliOf } from "../../kube/quantity.ts";
import type { Container, Pod } from "../../kube/types.ts";
import { conditionOf } from "../controllers/conditions.ts";

/*
 * How many replicas a metric asks for: the algorithm of kube-controller-manager
 * (kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale, pkg/controller/podautoscaler/replica_calculator.go). Values are
 * thousandths, and averages whole ones, as there.
 */

/** kube-controller-manager's defaults: --horizontal-pod-autoscaler-tolerance, -cpu-initialization-period, -initial-readiness-delay. */
const TOLERANCE = 0.1;
const CPU_INITIALIZATION_MS = 300_000;
const INITIAL_READINESS_MS = 30_000;

/** A pod's figure, and the window before `atMs` that it is of. */
export interface PodFigure {
  /** Thousandths. */
  value: number;
  atMs: number;
  windowMs: number;
}

/** Figures by the names of pods. */
export type PodFigures = ReadonlyMap<string, PodFigure>;

/** What a metric asks for, and what it was: the mean of the pods with a figure, in thousandths and, of a utilisation, percent. */
export interface Proposal {
  replicas: number;
  average: number;
  utilization?: number;
}

/** Why no count can be said, in the words of kube-controller-manager. */
export class NoReplicaCount extends Error {}

interface Asked {
  pods: readonly Pod[];
  figures: PodFigures;
  currentReplicas: number;
  /** Whether the metric is CPU, whose figures of pods that start are not taken. */
  isCpu: boolean;
  nowMs: number;
}

/** For a target in percent of what the pods request (`requests` in thousandths, by pod). Throws {@link NoReplicaCount}. */
export function replicasByUtilization(
  asked: Asked,
  targetPercent: number,
  requests: ReadonlyMap<string, number>,
): Proposal {
  const values = valuesOf(asked.figures);
  const usage = (counted: ReadonlyMap<string, number>): Usage => {
    const known = [...counted].filter(([pod]) => requests.has(pod));
    const total = sum(known.map(([, value]) => value));
    const requested = sum(known.map(([pod]) => requests.get(pod) ?? 0));
    if (requested === 0) throw new NoReplicaCount("no metrics returned matched known pods");
    const utilization = Math.trunc((total * 100) / requested);
    return { ratio: utilization / targetPercent, average: Math.trunc(total / known.length), utilization };
  };
  // A pod without a figure counts as one that uses all it requested, or what the target allows beyond that.
  const full = (pod: string): number => Math.trunc(((requests.get(pod) ?? 0) * Math.max(100, targetPercent)) / 100);
  return propose(asked, values, usage, full);
}

/** For a target in thousandths a pod. Throws {@link NoReplicaCount}. */
export function replicasByAverage(asked: Asked, target: number): Proposal {
  const usage = (counted: ReadonlyMap<string, number>): Usage => {
    const average = Math.trunc(sum([...counted.values()]) / counted.size);
    return { ratio: average / target, average };
  };
  return propose(asked, valuesOf(asked.figures), usage, () => target);
}

interface Usage {
  ratio: number;
  average: number;
  utilization?: number;
}

function propose(
  asked: Asked,
  values: Map<string, number>,
  usageOf: (values: ReadonlyMap<string, number>) => Usage,
  full: (pod: string) => number,
): Proposal {
  const { pods, currentReplicas } = asked;
  if (pods.length === 0) throw new NoReplicaCount("no pods returned by selector while calculating replica count");
  const { ready, unready, missing, ignored } = grouped(asked);
  for (const pod of [...unready, ...ignored]) values.delete(pod);
  if (values.size === 0) throw new NoReplicaCount("did not receive metrics for any ready pods");
  const { ratio, ...seen } = usageOf(values);
  const unchanged = { replicas: currentReplicas, ...seen };
  const isGrowing = ratio > 1;
  if (missing.length === 0 && (unready.length === 0 || !isGrowing))
    return isTolerable(ratio) ? unchanged : { ...seen, replicas: Math.ceil(ratio * ready) };

  // What is not known shall not move the count further than what is known does: full on the way down, idle on the way up.
  if (ratio !== 1) for (const pod of missing) values.set(pod, ratio < 1 ? full(pod) : 0);
  if (isGrowing) for (const pod of unready) values.set(pod, 0);
  const careful = usageOf(values).ratio;
  const isOtherWay = (ratio < 1 && careful > 1) || (isGrowing && careful < 1);
  if (isTolerable(careful) || isOtherWay) return unchanged;
  const replicas = Math.ceil(careful * values.size);
  const isBackwards = careful < 1 ? replicas > currentReplicas : replicas < currentReplicas;
  return isBackwards ? unchanged : { ...seen, replicas };
}

/** Pods by what their figures are worth; `ignored` go or have failed. */
function grouped({ pods, figures, isCpu, nowMs }: Asked): {
  ready: number;
  unready: string[];
  missing: string[];
  ignored: string[];
} {
  const groups = { ready: 0, unready: [] as string[], missing: [] as string[], ignored: [] as string[] };
  for (const pod of pods) {
    const { name, deletionTimestamp } = pod.metadata;
    const figure = figures.get(name);
    if (deletionTimestamp !== undefined || pod.status?.phase === "Failed") groups.ignored.push(name);
    else if ((pod.status?.phase ?? "Pending") === "Pending") groups.unready.push(name);
    else if (figure === undefined) groups.missing.push(name);
    else if (isCpu && isStarting(pod, figure, nowMs)) groups.unready.push(name);
    else groups.ready += 1;
  }
  return groups;
}

/** Whether a pod's CPU is still that of its start. */
function isStarting({ status }: Pod, figure: PodFigure, nowMs: number): boolean {
  const ready = conditionOf(status?.conditions, "Ready");
  if (ready === undefined || status?.startTime === undefined) return true;
  const startMs = Date.parse(status.startTime);
  const changedMs = Date.parse(ready.lastTransitionTime ?? status.startTime);
  const isUnready = ready.status === "False";
  if (startMs + CPU_INITIALIZATION_MS > nowMs) return isUnready || figure.atMs < changedMs + figure.windowMs;
  return isUnready && startMs + INITIAL_READINESS_MS > changedMs;
}

/**
 * What pods request of a resource, in thousandths; of one container where it is named. A limit without a request is one, as the API
 * server has it. Throws {@link NoReplicaCount} where a container requests nothing.
 */
export function requestsOf(pods: readonly Pod[], resource: string, container?: string): Map<string, number> {
  return new Map(
    pods.map(({ metadata: { name }, spec }) => {
      const sidecars = (spec.initContainers ?? []).filter((each) => each["restartPolicy"] === "Always");
      const all = [...spec.containers, ...sidecars];
      const counted = container === undefined ? all : all.filter((each) => each.name === container);
      if (counted.length === 0) throw new NoReplicaCount(`container ${container} not found in Pod ${name}`);
      return [name, sum(counted.map((each) => requestOf(each, resource, name)))];
    }),
  );
}

function requestOf(container: Container, resource: string, pod: string): number {
  const { requests, limits } = (container["resources"] ?? {}) as Record<string, Record<string, unknown> | undefined>;
  const milli = milliOf(requests?.[resource] ?? limits?.[resource]);
  if (milli === undefined)
    throw new NoReplicaCount(`missing request for ${resource} in container ${container.name} of Pod ${pod}`);
  return milli;
}

function isTolerable(ratio: number): boolean {
  return 1 - TOLERANCE <= ratio && ratio <= 1 + TOLERANCE;
}

function valuesOf(figures: PodFigures): Map<string, number> {
  return new Map([...figures].map(([pod, { value }]) => [pod, value]));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
