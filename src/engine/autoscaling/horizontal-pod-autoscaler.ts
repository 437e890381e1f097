import type { HorizontalPodAutoscaler, MetricStatus } from "../../kube/autoscaling.ts";
import { formatSelector, matchesSelector } from "../../kube/selectors.ts";
import type { Deployment, KubeObject, LabelSelector, Pod, PodCondition } from "../../kube/types.ts";
import { apiTime } from "../clock.ts";
import { withCondition } from "../controllers/conditions.ts";
import { keyOf, splitKey, type Controller, type ControllerContext } from "../controllers/controller.ts";
import { recordEvent } from "../event-recorder.ts";
import type { MetricsServer } from "../metrics/metrics-server.ts";
import type { ObjectStore } from "../store/store.ts";
import { MetricFailure, replicasForMetric, type MetricContext, type MetricReplicas } from "./metric-replicas.ts";
import { ScaleHistory } from "./scale-limits.ts";

/** kube-controller-manager --horizontal-pod-autoscaler-sync-period. An autoscaler is first looked at one period after it came. */
export const SYNC_PERIOD_MS = 15_000;

const KIND = "HorizontalPodAutoscaler";

/** Kinds with a scale, and how messages name their resource. */
const SCALABLE: Readonly<Record<string, string>> = {
  Deployment: "deployments.apps",
  ReplicaSet: "replicasets.apps",
  StatefulSet: "statefulsets.apps",
};

type Workload = Deployment;
type Status = NonNullable<HorizontalPodAutoscaler["status"]>;

/**
 * Scales what HorizontalPodAutoscalers name by their metrics, as kube-controller-manager does (pkg/controller/podautoscaler/horizontal.go): every
 * 15 s by the clock, in its words. Without `metrics` no metrics API is there.
 */
export function horizontalPodAutoscaling(metrics: MetricsServer | undefined): Controller {
  const due = new Map<string, number>();
  const histories = new Map<string, ScaleHistory>();
  return {
    name: "horizontal-pod-autoscaling",
    kinds: [KIND],
    keysOf: ({ object }) => [keyOf(object)],
    reconcile(key, context) {
      const { store, clock } = context;
      const hpa = store.find({ kind: KIND, ...splitKey(key) }) as HorizontalPodAutoscaler | undefined;
      if (hpa === undefined) {
        due.delete(key);
        histories.delete(key);
        return;
      }
      const nowMs = clock.nowMs();
      const dueMs = due.get(key) ?? nowMs + SYNC_PERIOD_MS;
      const isDue = nowMs >= dueMs;
      const nextMs = isDue ? nowMs + SYNC_PERIOD_MS : dueMs;
      due.set(key, nextMs);
      context.requeueAfter(key, nextMs - nowMs);
      if (!isDue) return;
      const history = histories.get(key) ?? new ScaleHistory();
      histories.set(key, history);
      new Sync(hpa, metrics, history, context).run();
    },
  };
}

/** One look at one autoscaler. */
class Sync {
  private readonly hpa: HorizontalPodAutoscaler;
  private readonly metrics: MetricsServer | undefined;
  private readonly history: ScaleHistory;
  private readonly context: ControllerContext;
  private readonly nowMs: number;
  private conditions: PodCondition[];

  constructor(
    hpa: HorizontalPodAutoscaler,
    metrics: MetricsServer | undefined,
    history: ScaleHistory,
    context: ControllerContext,
  ) {
    this.hpa = hpa;
    this.metrics = metrics;
    this.history = history;
    this.context = context;
    this.nowMs = context.clock.nowMs();
    this.conditions = hpa.status?.conditions ?? [];
  }

  run(): void {
    const target = this.target();
    if (target === undefined) return;
    this.set("AbleToScale", "True", {
      reason: "SucceededGetScale",
      message: "the HPA controller was able to get the target's current scale",
    });
    const { minReplicas = 1, maxReplicas } = this.hpa.spec;
    const current = target.spec.replicas ?? 1;
    this.history.begin(current, this.nowMs);
    if (current === 0 && minReplicas !== 0) {
      const message = "scaling is disabled since the replica count of the target is zero";
      this.set("ScalingActive", "False", { reason: "ScalingDisabled", message });
      this.write({ currentReplicas: current, desiredReplicas: current, currentMetrics: null });
    } else if (current > maxReplicas)
      this.rescale(target, maxReplicas, "Current number of replicas above Spec.MaxReplicas", null);
    else if (current < minReplicas)
      this.rescale(target, minReplicas, "Current number of replicas below Spec.MinReplicas", null);
    else this.byMetrics(target, current);
  }

  /** Undefined, and said so, where there is nothing to scale. */
  private target(): Workload | undefined {
    const { scaleTargetRef: ref } = this.hpa.spec;
    const { store } = this.context;
    const { apiVersion = "v1", kind, name } = ref;
    const key = store.keyOf({ apiVersion, kind });
    const resource = SCALABLE[key];
    const found = store.find({ kind: key, name, namespace: this.namespace });
    if (resource !== undefined && found !== undefined) return found as Workload;
    const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
    const why =
      resource === undefined ? `no matches for kind "${kind}" in group "${group}"` : `${resource} "${name}" not found`;
    this.tell("FailedGetScale", why);
    const message = `the HPA controller was unable to get the target's current scale: ${why}`;
    this.set("AbleToScale", "False", { reason: "FailedGetScale", message });
    this.writeConditions();
    return undefined;
  }

  private byMetrics(target: Workload, current: number): void {
    const asked = this.askMetrics(target, current);
    if (asked === undefined) return;
    const { replicas: desiredReplicas, name, statuses } = asked;
    const { minReplicas = 1, maxReplicas, behavior } = this.hpa.spec;
    // Where the memory alone moves the count, the controller gives no reason.
    const below = desiredReplicas < current ? "All metrics below target" : "";
    const why = desiredReplicas > current ? `${name} above target` : below;
    const wish = { minReplicas, maxReplicas, currentReplicas: current, desiredReplicas };
    const { replicas, ableToScale, limited } = this.history.decide(wish, behavior, this.nowMs);
    this.set("AbleToScale", "True", ableToScale);
    this.set("ScalingLimited", limited.isLimited ? "True" : "False", limited);
    if (replicas === current)
      this.write({ currentReplicas: current, desiredReplicas: current, currentMetrics: statuses });
    else this.rescale(target, replicas, why, statuses);
  }

  /** The most that one of the metrics asks for; undefined, and said so, where none does, or one that is not known could be higher. */
  private askMetrics(
    target: Workload,
    currentReplicas: number,
  ): { replicas: number; name: string; statuses: MetricStatus[] } | undefined {
    const { metrics: specs = [] } = this.hpa.spec;
    const { selector } = target.spec;
    const pods = this.podsOf(selector);
    const rivals = this.rivalsFor(pods);
    const context: MetricContext = {
      metrics: this.metrics,
      namespace: this.namespace,
      pods,
      currentReplicas,
      nowMs: this.nowMs,
    };
    if (rivals.length > 1) {
      const message = `pods by selector ${formatSelector(selector)} are controlled by multiple HPAs: [${rivals.join(" ")}]`;
      this.tell("AmbiguousSelector", message);
      this.fail({ reason: "AmbiguousSelector", message }, message, currentReplicas, []);
      return undefined;
    }
    const answers = specs.map((spec): MetricReplicas | MetricFailure => {
      try {
        return replicasForMetric(spec, context);
      } catch (error) {
        if (!(error instanceof MetricFailure)) throw error;
        this.tell(error.reason, error.told);
        return error;
      }
    });
    const known = answers.filter((answer): answer is MetricReplicas => !(answer instanceof MetricFailure));
    const failures = answers.filter((answer) => answer instanceof MetricFailure);
    const statuses = answers.map((answer) => (answer instanceof MetricFailure ? { type: "" } : answer.status));
    const [highest] = known.toSorted((one, other) => other.replicas - one.replicas);
    const [first] = failures;
    if (highest === undefined || (first !== undefined && highest.replicas < currentReplicas)) {
      const why = {
        reason: first?.reason ?? "",
        message: `the HPA was unable to compute the replica count: ${first?.told}`,
      };
      const summary = `invalid metrics (${failures.length} invalid out of ${specs.length}), first error is: ${first?.message}`;
      this.fail(why, summary, currentReplicas, statuses);
      return undefined;
    }
    const message = `the HPA was able to successfully calculate a replica count from ${highest.name}`;
    this.set("ScalingActive", "True", { reason: "ValidMetricFound", message });
    return { replicas: highest.replicas, name: highest.name, statuses };
  }

  private fail(
    why: { reason: string; message: string },
    summary: string,
    currentReplicas: number,
    currentMetrics: MetricStatus[],
  ): void {
    this.set("ScalingActive", "False", why);
    this.write({ currentReplicas, desiredReplicas: this.hpa.status?.desiredReplicas ?? 0, currentMetrics });
    this.tell("FailedComputeMetricsReplicas", summary);
  }

  private rescale(target: Workload, replicas: number, why: string, currentMetrics: MetricStatus[] | null): void {
    const { store, clock } = this.context;
    const currentReplicas = target.spec.replicas ?? 1;
    store.update<Workload>({ ...target, spec: { ...target.spec, replicas } });
    const message = `the HPA controller was able to update the target scale to ${replicas}`;
    this.set("AbleToScale", "True", { reason: "SucceededRescale", message });
    this.tell("SuccessfulRescale", `New size: ${replicas}; reason: ${why}`, "Normal");
    this.history.changed(currentReplicas, replicas, this.hpa.spec.behavior, this.nowMs);
    const lastScaleTime = apiTime(clock.nowMs());
    this.write({ currentReplicas, desiredReplicas: replicas, currentMetrics, lastScaleTime });
  }

  private podsOf(selector: LabelSelector): Pod[] {
    return this.context.store
      .list("Pod", this.namespace)
      .filter(({ metadata }) => matchesSelector(selector, metadata.labels));
  }

  /** All autoscalers whose targets have these pods, this one among them. */
  private rivalsFor(pods: readonly Pod[]): string[] {
    const { store } = this.context;
    return autoscalersIn(store, this.namespace)
      .filter(({ spec: { scaleTargetRef: ref } }) => {
        const key = store.keyOf({ apiVersion: ref.apiVersion ?? "v1", kind: ref.kind });
        const workload = store.find({ kind: key, name: ref.name, namespace: this.namespace });
        const selector = (workload as Partial<Workload> | undefined)?.spec?.selector;
        return pods.some(({ metadata }) => matchesSelector(selector, metadata.labels));
      })
      .map(({ metadata }) => `${this.namespace}/${metadata.name}`);
  }

  private get namespace(): string {
    return this.hpa.metadata.namespace ?? "";
  }

  private set(type: string, status: "True" | "False", { reason, message }: { reason: string; message: string }): void {
    this.conditions = withCondition(this.conditions, { type, status, reason, message }, apiTime(this.nowMs));
  }

  private tell(reason: string, message: string, type: "Normal" | "Warning" = "Warning"): void {
    const { store, clock } = this.context;
    const about = { kind: KIND, namespace: this.namespace, name: this.hpa.metadata.name };
    recordEvent(store, clock, about, reason, message, type);
  }

  private write(status: Omit<Status, "conditions">): void {
    const { lastScaleTime } = this.hpa.status ?? {};
    const kept = lastScaleTime === undefined ? {} : { lastScaleTime };
    this.store({ ...kept, ...status, conditions: this.conditions });
  }

  /** Where the target's scale is not known, what was known of it stays. */
  private writeConditions(): void {
    const before = this.hpa.status ?? { desiredReplicas: 0, currentMetrics: null };
    this.store({ ...before, conditions: this.conditions });
  }

  private store(status: Status): void {
    this.context.store.updateStatus<HorizontalPodAutoscaler>({ ...this.hpa, status });
  }
}

function autoscalersIn(store: ObjectStore, namespace: string): HorizontalPodAutoscaler[] {
  const all: KubeObject[] = store.all({ kind: KIND, namespace });
  return all as HorizontalPodAutoscaler[];
}
