import { describe, expect, test } from "vitest";
import type { LabError } from "../../../../src/core/errors.ts";
import type { KubeObject, NodeObject } from "../../../../src/kube/types.ts";
import type { PlannedNode } from "../../../../src/plan/types.ts";
import { standInsFor, type StandIns } from "../../../../src/providers/existing/nodes.ts";
import { placed, shown } from "../../../../src/providers/existing/placement.ts";

const CONTROL_PLANE = "node-role.kubernetes.io/control-plane";

function real(name: string, change: { spec?: object; labels?: object; ready?: string } = {}): NodeObject {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: { "kubernetes.io/hostname": `${name}.example`, ...change.labels } },
    spec: { podCIDRs: ["10.1.0.0/24"], ...change.spec },
    status: {
      addresses: [
        { type: "InternalIP", address: `10.0.0.${name.length}` },
        { type: "ExternalIP", address: "192.0.2.1" },
      ],
      conditions: [{ type: "Ready", status: change.ready ?? "True" }],
    },
  } as unknown as NodeObject;
}

function planned(name: string, change: Partial<PlannedNode> = {}): PlannedNode {
  return { name, role: "worker", labels: {}, taints: [], interfaces: [], ...change };
}

const controlPlane = planned("control-plane", {
  role: "control-plane",
  taints: [{ key: CONTROL_PLANE, effect: "NoSchedule" }],
});
const lab = [controlPlane, planned("worker1", { labels: { disk: "ssd" } }), planned("worker2")];
const realControlPlane = real("cp", {
  labels: { [CONTROL_PLANE]: "" },
  spec: { taints: [{ key: CONTROL_PLANE, effect: "NoSchedule" }] },
});

const names = (nodes: StandIns): Record<string, string> =>
  Object.fromEntries([...nodes].map(([name, node]) => [name, node.name]));

describe("nodes that stand for a lab's", () => {
  test("are Ready and schedulable ones in the order of their names, and a control plane for the control plane", () => {
    const nodes = standInsFor(lab, [
      real("d"),
      real("b", { spec: { unschedulable: true } }),
      realControlPlane,
      real("a", { ready: "False" }),
      real("c", { spec: { taints: [{ key: "soft", effect: "PreferNoSchedule" }] } }),
    ]);
    expect(names(nodes)).toEqual({ "control-plane": "cp", worker1: "c", worker2: "d" });
    expect(nodes.get("worker1")).toMatchObject({ addresses: ["10.0.0.1"], podCidrs: ["10.1.0.0/24"] });
  });

  test("leave the control plane out where the cluster shows none", () => {
    expect(names(standInsFor(lab, [real("a"), real("b")]))).toEqual({ worker1: "a", worker2: "b" });
  });

  test("take a control plane that takes pods for a node like others", () => {
    const open = [planned("control-plane", { role: "control-plane" })];
    expect(names(standInsFor(open, [realControlPlane, real("x")]))).toEqual({ "control-plane": "x" });
  });

  test("are refused with the count, and why others do not count", () => {
    const refusal = (): unknown =>
      standInsFor(lab, [real("a"), real("b", { spec: { unschedulable: true } }), realControlPlane]);
    expect(refusal).toThrow("the lab needs 2 nodes that take pods, and the cluster has 1");
    try {
      refusal();
    } catch (error) {
      expect((error as LabError).hint).toBe(
        "not counted: b is cordoned, cp has the taint node-role.kubernetes.io/control-plane:NoSchedule",
      );
    }
  });
});

describe("where pods may run", () => {
  const nodes = standInsFor(lab, [real("a"), real("b"), realControlPlane]);
  const pod = (spec: object): KubeObject => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "p", namespace: "shop" },
    spec: { containers: [{ name: "c", image: "i" }], ...spec },
  });
  const term = (name: string): object => ({
    matchFields: [{ key: "metadata.name", operator: "In", values: [name] }],
  });
  const required = (terms: object[]): object => ({
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } },
  });
  const termsOf = (object: KubeObject): unknown =>
    (object["spec"] as { affinity: { nodeAffinity: Record<string, { nodeSelectorTerms: unknown }> } }).affinity
      .nodeAffinity["requiredDuringSchedulingIgnoredDuringExecution"]?.nodeSelectorTerms;

  test("nodeName is the stand-in's", () => {
    expect(placed(pod({ nodeName: "worker2" }), nodes)["spec"]).toMatchObject({ nodeName: "b" });
  });

  test("a node that nothing stands for is an error", () => {
    const few = standInsFor(lab, [real("a"), real("b")]);
    expect(() => placed(pod({ nodeName: "control-plane" }), few)).toThrow(
      "Pod shop/p is for node control-plane, and no node of the cluster stands for it",
    );
  });

  test.each([
    ["no wish", {}, ["cp", "a", "b"]],
    ["a hostname", { nodeSelector: { "kubernetes.io/hostname": "worker2" } }, ["b"]],
    ["a label that the lab gives a node", { nodeSelector: { disk: "ssd" } }, ["a"]],
    ["a role", { nodeSelector: { [CONTROL_PLANE]: "" } }, ["cp"]],
    [
      "an affinity",
      {
        affinity: required([
          { matchExpressions: [{ key: "kubernetes.io/hostname", operator: "NotIn", values: ["worker1"] }] },
        ]),
      },
      ["cp", "b"],
    ],
    ["a label that no node has", { nodeSelector: { disk: "none" } }, ["cnilab.no-node-of-the-lab-matches"]],
  ])("%s becomes names of the cluster's nodes", (_, spec, expected) => {
    const once = placed(pod(spec), nodes);
    expect(termsOf(once)).toEqual(expected.map(term));
    expect(once["spec"]).not.toHaveProperty("nodeSelector");
    // The same object may be applied again as the cluster gave it back.
    expect(placed(once, nodes)).toEqual(once);
  });

  test("a preference becomes one a node, and other affinities stay", () => {
    const preference = { matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: ["worker1"] }] };
    const affinity = {
      podAntiAffinity: { of: "pods" },
      nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 7, preference }] },
    };
    expect(placed(pod({ affinity }), nodes)["spec"]).toMatchObject({
      affinity: {
        podAntiAffinity: { of: "pods" },
        nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 7, preference: term("a") }] },
      },
    });
  });

  test("templates of workloads and CronJobs are placed, and nothing else is changed", () => {
    const spec = { containers: [], nodeSelector: { disk: "ssd" } };
    const deployment = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "d" },
      spec: { replicas: 2, template: { spec } },
    };
    const { spec: placedSpec } = placed(deployment, nodes) as unknown as {
      spec: { replicas: number; template: KubeObject };
    };
    expect(placedSpec.replicas).toBe(2);
    expect(termsOf(placedSpec.template)).toEqual([term("a")]);
    const cronJob = {
      apiVersion: "batch/v1",
      kind: "CronJob",
      metadata: { name: "c" },
      spec: { jobTemplate: { spec: { template: { spec } } } },
    };
    const inner = placed(cronJob, nodes) as unknown as { spec: { jobTemplate: { spec: { template: KubeObject } } } };
    expect(termsOf(inner.spec.jobTemplate.spec.template)).toEqual([term("a")]);
    const config = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "c" }, data: { template: "x" } };
    expect(placed(config, nodes)).toEqual(config);
  });

  test("what the cluster has is shown by the lab's names", () => {
    expect(shown(real("b"), nodes)?.metadata).toMatchObject({
      name: "worker2",
      labels: { "kubernetes.io/hostname": "worker2" },
    });
    expect(shown(real("stranger"), nodes)).toBeUndefined();
    expect(shown(pod({ nodeName: "a" }), nodes)).toEqual(pod({ nodeName: "worker1" }));
    const slice = {
      apiVersion: "v1",
      kind: "EndpointSlice",
      metadata: { name: "s" },
      endpoints: [{ nodeName: "a" }, {}],
    };
    expect(shown(slice, nodes)).toMatchObject({ endpoints: [{ nodeName: "worker1" }, {}] });
  });
});
