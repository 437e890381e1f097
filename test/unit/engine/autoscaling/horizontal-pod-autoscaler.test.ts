import { afterEach, describe, expect, test } from "vitest";
import type { HorizontalPodAutoscaler, MetricSpec } from "../../../../src/kube/autoscaling.ts";
import { LoadedPlane } from "./load.ts";

const TARGET = { apiVersion: "apps/v1", kind: "Deployment", name: "web" };

function autoscaler(spec: Partial<HorizontalPodAutoscaler["spec"]> = {}, name = "web"): HorizontalPodAutoscaler {
  return {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    metadata: { name, namespace: "default" },
    spec: { scaleTargetRef: TARGET, maxReplicas: 10, metrics: [cpu(50)], ...spec },
  };
}

function cpu(averageUtilization: number): MetricSpec {
  return { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization } } };
}

let at: LoadedPlane;
afterEach(() => at.plane.close());

function status(name = "web"): HorizontalPodAutoscaler["status"] {
  const ref = { kind: "HorizontalPodAutoscaler", name, namespace: "default" };
  return (at.plane.store.find(ref) as HorizontalPodAutoscaler).status;
}

/** `TYPE=STATUS REASON` of each condition. */
function conditions(): string[] {
  return (status()?.conditions ?? []).map((one) => `${one.type}=${one.status} ${one.reason}`);
}

async function start(hpa: HorizontalPodAutoscaler[], options: Parameters<LoadedPlane["apply"]>[1] = {}): Promise<void> {
  at = await new LoadedPlane().start();
  await at.apply(hpa, options);
}

describe("under load", () => {
  test("it grows to where each pod does the target, and shrinks five minutes after the load", async () => {
    await start([autoscaler()]);
    // 30 requests of 10 ms a second: 300m, three times what one pod requests.
    at.rate = 30;
    await at.pass(14);
    expect(status()).toBeUndefined();
    await at.pass(16);
    expect(status()).toMatchObject({
      currentReplicas: 1,
      desiredReplicas: 4,
      currentMetrics: [
        { type: "Resource", resource: { name: "cpu", current: { averageUtilization: 300, averageValue: "300m" } } },
      ],
      lastScaleTime: "1970-01-01T00:00:30Z",
    });
    expect(at.replicas()).toBe(4);
    expect(conditions()).toEqual([
      "AbleToScale=True SucceededRescale",
      "ScalingActive=True ValidMetricFound",
      "ScalingLimited=True ScaleUpLimit",
    ]);
    await at.pass(60);
    expect(at.replicas()).toBe(6);
    expect(conditions()).toEqual([
      "AbleToScale=True ReadyForNewScale",
      "ScalingActive=True ValidMetricFound",
      "ScalingLimited=False DesiredWithinRange",
    ]);
    at.rate = 0;
    await at.pass(280);
    expect(at.replicas()).toBe(6);
    expect(conditions()[0]).toBe("AbleToScale=True ScaleDownStabilized");
    await at.pass(60);
    expect(at.replicas()).toBe(1);
    expect(at.events().filter((event) => event.startsWith("SuccessfulRescale"))).toEqual([
      "SuccessfulRescale New size: 4; reason: cpu resource utilization (percentage of request) above target",
      // The first wish, which was limited, is remembered; the new pods have no figures yet.
      "SuccessfulRescale New size: 6; reason: ",
      "SuccessfulRescale New size: 1; reason: All metrics below target",
    ]);
  });

  test("its own window downwards is as long as it says", async () => {
    const scaleDown = { stabilizationWindowSeconds: 0 };
    await start([autoscaler({ behavior: { scaleDown } })], { replicas: 4 });
    await at.pass(31);
    expect(at.replicas()).toBe(1);
  });

  test.each<[what: string, metric: MetricSpec, replicas: number, current: object]>([
    [
      "requests a second",
      {
        type: "Pods",
        pods: { metric: { name: "http_requests" }, target: { type: "AverageValue", averageValue: "10" } },
      },
      3,
      { type: "Pods", pods: { metric: { name: "http_requests" }, current: { averageValue: "30" } } },
    ],
    [
      "CPU by its value",
      { type: "Resource", resource: { name: "cpu", target: { type: "AverageValue", averageValue: "100m" } } },
      3,
      { type: "Resource", resource: { name: "cpu", current: { averageValue: "300m" } } },
    ],
    [
      "the CPU of one container",
      {
        type: "ContainerResource",
        containerResource: { name: "cpu", container: "main", target: { type: "Utilization", averageUtilization: 100 } },
      },
      3,
      {
        type: "ContainerResource",
        containerResource: {
          name: "cpu",
          container: "main",
          current: { averageUtilization: 300, averageValue: "300m" },
        },
      },
    ],
  ])("it scales by %s", async (_, metric, replicas, current) => {
    await start([autoscaler({ metrics: [metric] })]);
    at.rate = 30;
    await at.pass(31);
    expect(at.replicas()).toBe(replicas);
    expect(status()?.currentMetrics).toEqual([current]);
  });

  test("the metric that asks for most counts, and one that fails lets nothing shrink", async () => {
    const unknown: MetricSpec = {
      type: "External",
      external: { metric: { name: "queue" }, target: { type: "Value", value: "1" } },
    };
    await start([autoscaler({ metrics: [unknown, cpu(100), cpu(50)] })], { replicas: 2 });
    at.rate = 40;
    await at.pass(31);
    expect(at.replicas()).toBe(8 / 2);
    at.rate = 0;
    await at.pass(400);
    expect(at.replicas()).toBeGreaterThanOrEqual(4);
    expect(conditions()[1]).toBe("ScalingActive=False FailedGetExternalMetric");
    expect(status()?.currentMetrics?.map(({ type }) => type)).toEqual(["", "Resource", "Resource"]);
  });
});

describe("nothing is scaled", () => {
  const external: MetricSpec = {
    type: "External",
    external: { metric: { name: "queue" }, target: { type: "Value", value: "1" } },
  };
  const object: MetricSpec = {
    type: "Object",
    object: {
      metric: { name: "hits" },
      describedObject: { kind: "Service", name: "web" },
      target: { type: "Value", value: "1" },
    },
  };
  const requests = (name: string): MetricSpec => ({
    type: "Pods",
    pods: { metric: { name }, target: { type: "AverageValue", averageValue: "10" } },
  });
  const memory: MetricSpec = {
    type: "Resource",
    resource: { name: "memory", target: { type: "AverageValue", averageValue: "1Gi" } },
  };

  test.each<[what: string, metric: MetricSpec, cpu: string | undefined, reason: string, message: string]>([
    [
      "pods that request no CPU",
      cpu(50),
      undefined,
      "FailedGetResourceMetric",
      "failed to get cpu utilization: missing request for cpu in container main of Pod POD",
    ],
    [
      "memory, which is not modelled",
      memory,
      "100m",
      "FailedGetResourceMetric",
      "failed to get memory utilization: did not receive metrics for any ready pods",
    ],
    [
      "a metric of pods that nobody gives",
      requests("sessions"),
      "100m",
      "FailedGetPodsMetric",
      "unable to get metric sessions: unable to fetch metrics from custom metrics API: the server could not find the metric sessions for pods",
    ],
    [
      "a metric of another object",
      object,
      "100m",
      "FailedGetObjectMetric",
      "unable to get metric hits: Service on default web/unable to fetch metrics from custom metrics API: the server could not find the metric hits for services",
    ],
    [
      "an external metric",
      external,
      "100m",
      "FailedGetExternalMetric",
      "unable to get external metric default/queue/nil: unable to fetch metrics from external metrics API: the server could not find the requested resource (get queue.external.metrics.k8s.io)",
    ],
  ])("for %s", async (_, metric, request, reason, message) => {
    await start([autoscaler({ metrics: [metric] })], { cpu: request });
    at.rate = 100;
    await at.pass(31);
    const pod = at.plane.store.list("Pod", "default")[0]?.metadata.name ?? "";
    const words = message.replace("POD", pod);
    expect(at.replicas()).toBe(1);
    expect(status()?.conditions?.[1]).toMatchObject({
      type: "ScalingActive",
      status: "False",
      reason,
      message: `the HPA was unable to compute the replica count: ${words}`,
    });
    expect(at.events()).toContain(`${reason} ${words}`);
    expect(at.events().at(-1)).toMatch(
      /^FailedComputeMetricsReplicas invalid metrics \(1 invalid out of 1\), first error is: /,
    );
  });

  test.each([
    [cpu(50), "FailedGetResourceMetric", "(get pods.metrics.k8s.io)"],
    [requests("http_requests"), "FailedGetPodsMetric", "no custom metrics API (custom.metrics.k8s.io) registered"],
    [object, "FailedGetObjectMetric", "no custom metrics API (custom.metrics.k8s.io) registered"],
  ])("without metrics-server", async (metric, reason, end) => {
    at = await new LoadedPlane().start({ hasMetrics: false });
    await at.apply([autoscaler({ metrics: [metric] })]);
    await at.pass(16);
    expect(conditions()).toEqual(["AbleToScale=True SucceededGetScale", `ScalingActive=False ${reason}`]);
    expect(at.events()[0]).toContain(reason);
    expect(at.events()[0]?.endsWith(end), at.events()[0]).toBe(true);
  });

  test("for a target that is not there, nor for a kind without a scale", async () => {
    await start([
      autoscaler({ scaleTargetRef: { ...TARGET, name: "shop" } }),
      autoscaler({ scaleTargetRef: { ...TARGET, kind: "DaemonSet" } }, "set"),
    ]);
    await at.pass(16);
    expect(conditions()).toEqual(["AbleToScale=False FailedGetScale"]);
    expect(at.events()).toEqual([
      'FailedGetScale deployments.apps "shop" not found',
      'FailedGetScale no matches for kind "DaemonSet" in group "apps"',
    ]);
  });

  test("of a workload that is scaled to zero, or has two autoscalers", async () => {
    await start([autoscaler()], { replicas: 0 });
    await at.pass(16);
    expect(conditions()[1]).toBe("ScalingActive=False ScalingDisabled");
    at.plane.close();
    await start([autoscaler(), autoscaler({}, "other")]);
    await at.pass(31);
    expect(conditions()[1]).toBe("ScalingActive=False AmbiguousSelector");
    expect(at.events()).toContain(
      "AmbiguousSelector pods by selector app=web are controlled by multiple HPAs: [default/web default/other]",
    );
  });
});

test("the bounds count without any metric", async () => {
  await start([autoscaler({ minReplicas: 3 })], { cpu: undefined });
  await at.pass(16);
  expect(at.replicas()).toBe(3);
  expect(at.events()).toEqual([
    "SuccessfulRescale New size: 3; reason: Current number of replicas below Spec.MinReplicas",
  ]);
  at.plane.scale({ kind: "Deployment", namespace: "default", name: "web" }, 12);
  await at.pass(15);
  expect(at.replicas()).toBe(10);
});

test("one that is deleted scales nothing any more", async () => {
  await start([autoscaler({ minReplicas: 3 })]);
  await at.plane.delete([{ kind: "HorizontalPodAutoscaler", namespace: "default", name: "web" }]);
  await at.pass(31);
  expect(at.replicas()).toBe(1);
  expect(at.events()).toEqual([]);
});
