import { describe, expect, it } from "vitest";
import type { DaemonSet } from "../../../../src/kube/set-types.ts";
import type { NodeObject } from "../../../../src/kube/types.ts";
import { useControlPlane } from "../use-control-plane.ts";
import { daemonSet } from "../store/objects.ts";

const at = useControlPlane();

const placed = (): string[] =>
  at
    .pods()
    .map(({ spec }) => `${spec.nodeName} ${spec.containers[0]?.image}`)
    .toSorted();
const status = (): DaemonSet["status"] => at.plane.store.get("DaemonSet", "agent", "default")?.status;

function changeNode(name: string, change: (node: NodeObject) => Partial<NodeObject["spec"]>): void {
  const node = at.plane.store.get("Node", name);
  if (node === undefined) throw new Error(`no node ${name}`);
  at.plane.store.update({ ...node, spec: { ...node.spec, ...change(node) } });
}

describe("a DaemonSet", () => {
  it("has a pod on every node whose taints its pods tolerate", async () => {
    await at.applied(daemonSet("agent"));
    expect(placed()).toEqual(["worker1 nginx", "worker2 nginx"]);
    const tolerations = [{ key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" }];
    await at.applied(daemonSet("agent", { pod: { tolerations } }));
    expect(placed()).toEqual(["control-plane nginx", "worker1 nginx", "worker2 nginx"]);
    expect(status()).toMatchObject({
      desiredNumberScheduled: 3,
      currentNumberScheduled: 3,
      updatedNumberScheduled: 3,
      numberReady: 3,
      numberAvailable: 3,
      numberMisscheduled: 0,
    });
    expect(at.names(at.pods())[0]).toMatch(/^agent-[a-z0-9]{5}$/);
  });

  it("keeps to the nodes of its nodeSelector, and follows labels as they change", async () => {
    await at.applied(daemonSet("agent", { pod: { nodeSelector: { disk: "ssd" } } }));
    expect(placed()).toEqual([]);
    const node = at.plane.store.get("Node", "worker2");
    if (node === undefined) throw new Error("no worker2");
    at.plane.store.update({
      ...node,
      metadata: { ...node.metadata, labels: { ...node.metadata.labels, disk: "ssd" } },
    });
    await at.plane.settle();
    expect(placed()).toEqual(["worker2 nginx"]);
    const { resourceVersion: _read, ...metadata } = node.metadata;
    at.plane.store.update({ ...node, metadata });
    await at.plane.settle();
    expect(placed()).toEqual([]);
  });

  it("stays on a cordoned node, and leaves one with a NoExecute taint that it does not tolerate", async () => {
    await at.applied(daemonSet("agent"));
    changeNode("worker1", () => ({ unschedulable: true }) as Partial<NodeObject["spec"]>);
    await at.plane.settle();
    expect(placed()).toEqual(["worker1 nginx", "worker2 nginx"]);
    const [first] = at.pods().filter(({ spec }) => spec.nodeName === "worker1");
    await at.plane.delete([{ kind: "Pod", namespace: "default", name: first?.metadata.name ?? "" }]);
    await at.plane.settle();
    expect(placed()).toEqual(["worker1 nginx", "worker2 nginx"]);
    changeNode("worker2", () => ({ taints: [{ key: "gone", effect: "NoExecute" }] }));
    await at.plane.settle();
    expect(placed()).toEqual(["worker1 nginx"]);
    expect(status()).toMatchObject({ desiredNumberScheduled: 1, numberMisscheduled: 0 });
  });

  it("updates one node after another, and stops while the new pod is not ready", async () => {
    await at.applied(daemonSet("agent"));
    at.runtime.outcome = ({ spec }) =>
      spec.containers[0]?.image === "bad"
        ? { podIPs: [at.runtime.address()], containers: [{ name: "main", state: { kind: "running" }, notReady: "no" }] }
        : undefined;
    await at.applied(daemonSet("agent", { image: "bad" }));
    expect(placed()).toEqual(["worker1 bad", "worker2 nginx"]);
    expect(status()).toMatchObject({ updatedNumberScheduled: 1, numberAvailable: 1, numberUnavailable: 1 });
    await at.applied(daemonSet("agent", { image: "nginx:2" }));
    expect(placed()).toEqual(["worker1 nginx:2", "worker2 nginx:2"]);
  });

  it("makes the new pod first where maxSurge says so", async () => {
    const spec = { updateStrategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } };
    await at.applied(daemonSet("agent", { spec }));
    at.runtime.outcome = ({ spec: { containers } }) =>
      containers[0]?.image === "bad"
        ? { podIPs: [at.runtime.address()], containers: [{ name: "main", state: { kind: "running" }, notReady: "no" }] }
        : undefined;
    await at.applied(daemonSet("agent", { image: "bad", spec }));
    expect(placed()).toEqual(["worker1 bad", "worker1 nginx", "worker2 nginx"]);
    expect(at.runtime.stopped).toEqual([]);
    await at.applied(daemonSet("agent", { image: "nginx:2", spec }));
    expect(placed()).toEqual(["worker1 nginx:2", "worker2 nginx:2"]);
  });
});
