import { expect, test } from "vitest";
import { formatProblem } from "../../../../src/core/format-error.ts";
import type { KubeObject } from "../../../../src/kube/types.ts";
import type { PlannedObject, PlannedProbe, PlannedStep } from "../../../../src/plan/types.ts";
import { refusals } from "../../../../src/providers/existing/refusals.ts";

function object(kind: string, name: string, namespace?: string, line = 1): PlannedObject {
  const metadata = namespace === undefined ? { name } : { name, namespace };
  const made: KubeObject = { apiVersion: kind === "Namespace" ? "v1" : "x/v1", kind, metadata };
  return { object: made, file: "manifests/all.yaml", line };
}
const step = (kind: string, options: unknown, objects: PlannedObject[] = []): PlannedStep => ({
  kind,
  options,
  objects,
  span: { file: "lab.yaml", line: 9, column: 3, length: 1, lineText: "" },
});

test("a lab that keeps to its namespaces is not refused, be they made by its solution", () => {
  const lab = {
    scenario: [
      step("apply", {}, [object("Namespace", "shop"), object("Deployment", "web", "shop"), object("Pod", "p", "late")]),
      step("delete", { targets: [{ ref: { kind: "Namespace", name: "shop" } }, { file: "x.yaml" }] }),
      step("scale", { ref: { kind: "Deployment", name: "web", namespace: "shop" }, replicas: 2 }),
    ],
    probes: [],
    tasks: [{ name: "t", text: "t", probes: [], solution: [object("Namespace", "late")] }],
  };
  expect(refusals(lab)).toEqual([]);
});

test("everything that is not the lab's is refused at once, each with its place", () => {
  const probe: PlannedProbe = {
    name: "from dns",
    kind: "tcp",
    from: { kind: "workload", namespace: "kube-system", workload: "deployment", name: "coredns" },
    options: {},
    expect: "allowed",
    span: { file: "lab.yaml", line: 20, column: 5, length: 1, lineText: "" },
  };
  const lab = {
    scenario: [
      step("apply", {}, [
        object("Namespace", "shop", undefined, 1),
        object("Namespace", "kube-system", undefined, 3),
        object("ClusterRole", "reader", "shop", 5),
        object("ConfigMap", "c", undefined, 7),
        object("Pod", "p", "default", 9),
      ]),
      step("delete", { targets: [{ ref: { kind: "Deployment", name: "coredns", namespace: "kube-system" } }] }),
    ],
    probes: [probe],
    tasks: [],
  };
  const hint = "\n  hint: the lab may create namespaces and what is in them";
  expect(refusals(lab).map((error) => formatProblem(error))).toEqual(
    [
      "manifests/all.yaml:3:1  PLAN_NOT_OURS  provider existing: namespace kube-system is not the lab's to make",
      "manifests/all.yaml:5:1  PLAN_NOT_OURS  provider existing: ClusterRole reader is of the whole cluster, and the cluster is not the lab's alone",
      "manifests/all.yaml:7:1  PLAN_NOT_OURS  provider existing: ConfigMap c names no namespace, so that it is in default or of the whole cluster, and neither is the lab's",
      "manifests/all.yaml:9:1  PLAN_NOT_OURS  provider existing: Pod default/p is in a namespace that the lab does not create",
      "lab.yaml:9:3  PLAN_NOT_OURS  provider existing: a step delete changes Deployment kube-system/coredns, which is not the lab's",
      'lab.yaml:20:5  PLAN_NOT_OURS  provider existing: probe "from dns" starts in namespace kube-system, which is not the lab\'s',
    ].map((text) => text + hint),
  );
});
