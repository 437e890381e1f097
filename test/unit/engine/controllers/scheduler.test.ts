import { describe, expect, it } from "vitest";
import { useControlPlane } from "../use-control-plane.ts";
import { deployment, pod } from "../store/objects.ts";

const at = useControlPlane();

describe("the scheduler", () => {
  it("leaves a pod Pending with the reason, and binds it when a node changes", async () => {
    await at.applied(pod("picky", { spec: { nodeSelector: { disk: "ssd" } } }));
    expect(at.plane.store.get("Pod", "picky", "default")?.status?.conditions).toMatchObject([
      {
        type: "PodScheduled",
        status: "False",
        reason: "Unschedulable",
        message:
          "0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 node(s) didn't match Pod's node affinity/selector.",
      },
    ]);
    const node = at.plane.store.get("Node", "worker2");
    at.plane.store.update({
      ...node,
      metadata: { ...node?.metadata, labels: { ...node?.metadata.labels, disk: "ssd" } },
    } as never);
    await at.plane.settle();
    expect(at.plane.store.get("Pod", "picky", "default")).toMatchObject({
      spec: { nodeName: "worker2" },
      status: { phase: "Running" },
    });
  });

  it("honours tolerations, affinity, cordons and a node that is named", async () => {
    const toControlPlane = {
      nodeSelector: { "node-role.kubernetes.io/control-plane": "" },
      tolerations: [{ key: "node-role.kubernetes.io/control-plane", operator: "Exists" }],
    };
    const term = { matchExpressions: [{ key: "kubernetes.io/hostname", operator: "NotIn", values: ["worker1"] }] };
    const affinity = {
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] } },
    };
    await at.applied(
      pod("tolerant", { spec: toControlPlane }),
      pod("averse", { spec: { affinity } }),
      pod("named", { spec: { nodeName: "control-plane" } }),
    );
    expect(at.pods().map(({ spec }) => spec.nodeName)).toEqual(["control-plane", "worker2", "control-plane"]);
    // A label that no node has, though every object has such a property.
    const nowhere = { matchExpressions: [{ key: "constructor", operator: "Exists" }] };
    await at.applied(
      pod("nowhere", {
        spec: {
          affinity: {
            nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [nowhere] } },
          },
        },
      }),
    );
    expect(at.pods().find(({ metadata }) => metadata.name === "nowhere")?.spec.nodeName).toBeUndefined();
    const node = at.plane.store.get("Node", "worker2");
    at.plane.store.update({ ...node, spec: { ...node?.spec, unschedulable: true } } as never);
    await at.applied(deployment("web", { replicas: 4 }));
    expect(
      new Set(
        at
          .pods()
          .filter(({ metadata }) => metadata.name.startsWith("web"))
          .map(({ spec }) => spec.nodeName),
      ),
    ).toEqual(new Set(["worker1"]));
  });
});
