import { afterEach, describe, expect, test } from "vitest";
import { cpuCostNs, cpuCostWarnings } from "../../../../src/engine/metrics/cpu-cost.ts";
import type { PodUsage } from "../../../../src/engine/metrics/metrics-server.ts";
import type { NodeObject, Pod } from "../../../../src/kube/types.ts";
import { LoadedPlane } from "../autoscaling/load.ts";
import { deployment, pod } from "../store/objects.ts";

const COST = "cnilab.dev/cpu-per-request";

describe("the cost of a request", () => {
  test.each([
    ["5ms", 5_000_000],
    ["0.5ms", 500_000],
    ["250us", 250_000],
    ["2s", 2_000_000_000],
  ])("%s", (text, ns) => {
    expect(cpuCostNs({ [COST]: text })).toBe(ns);
    expect(cpuCostWarnings(pod("web"))).toEqual([]);
  });

  test("1 ms where none is said, or none that is a time, which is told of pods and of templates", () => {
    expect(cpuCostNs(undefined)).toBe(1_000_000);
    expect(cpuCostNs({ [COST]: "5m" })).toBe(1_000_000);
    const wrong = pod("web");
    wrong.metadata.annotations = { [COST]: "5m" };
    const message = `Pod default/web: ${COST} "5m" is no CPU time such as 5ms: 1ms counts`;
    expect(cpuCostWarnings(wrong)).toEqual([{ code: "CPU_COST_INVALID", message }]);
    const web = deployment("web");
    web.spec.template.metadata = { ...web.spec.template.metadata, annotations: { [COST]: "-1ms" } };
    expect(cpuCostWarnings(web).map(({ code }) => code)).toEqual(["CPU_COST_INVALID"]);
  });
});

describe("figures", () => {
  let at: LoadedPlane;
  afterEach(() => at.plane.close());

  function usage(): PodUsage | undefined {
    const [first] = at.plane.store.list("Pod", "default") as [Pod];
    return at.plane.metrics?.usageOf(first);
  }

  test("take two readings ten seconds apart, and are what was asked between them", async () => {
    at = await new LoadedPlane().start();
    await at.apply([]);
    at.rate = 4;
    await at.pass(19);
    expect(usage()).toBeUndefined();
    await at.pass(1);
    const containers = [{ name: "main", nanocores: 40_000_000 }];
    expect(usage()).toEqual({ atMs: 20_000, windowMs: 10_000, requestRate: 4, containers });
    at.rate = 0;
    await at.pass(10);
    expect(usage()).toMatchObject({ atMs: 30_000, requestRate: 0 });
  });

  test("there are none of nodes that are not ready, nor of their pods", async () => {
    at = await new LoadedPlane().start();
    await at.apply([]);
    await at.pass(20);
    const { nodeName = "" } = (at.plane.store.list("Pod", "default") as [Pod])[0].spec;
    expect(at.plane.metrics?.windowOf(nodeName)).toEqual({ atMs: 20_000, windowMs: 10_000 });
    const node = at.plane.store.get("Node", nodeName) as NodeObject;
    const conditions = [{ type: "Ready", status: "Unknown" as const }];
    at.plane.store.updateStatus<NodeObject>({ ...node, status: { ...node.status, conditions } });
    expect(usage()).toBeUndefined();
    expect(at.plane.metrics?.windowOf(nodeName)).toBeUndefined();
    expect(at.plane.metrics?.windowOf("control-plane")).toBeDefined();
  });
});
