import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ControlPlane } from "../../../../src/engine/control-plane.ts";
import type { NodeObject, Pod } from "../../../../src/kube/types.ts";
import { settledControlPlane } from "../fake-runtime.ts";
import { HandClock } from "../hand-clock.ts";
import { daemonSet, deployment, pod } from "../store/objects.ts";

let plane: ControlPlane;
let clock: HandClock;

beforeEach(async () => {
  clock = new HandClock();
  ({ plane } = await settledControlPlane({ clock }));
});
afterEach(() => plane.close());

function tell(name: string, status: "True" | "False" | "Unknown"): Promise<void> {
  const node = plane.store.get("Node", name) as NodeObject;
  plane.store.updateStatus<NodeObject>({
    ...node,
    status: { ...node.status, conditions: [{ type: "Ready", status }] },
  });
  return plane.settle();
}

async function after(seconds: number): Promise<void> {
  clock.advance(seconds * 1000);
  await plane.settle();
}

async function applied(...objects: Parameters<ControlPlane["apply"]>[0]): Promise<void> {
  plane.apply(objects);
  await plane.settle();
}

const taints = (name: string) =>
  plane.store.get("Node", name)?.spec.taints?.map(({ key, effect }) => `${key}:${effect}`);
const web = (): Pod[] => plane.store.list("Pod", "default").filter(({ metadata }) => metadata.name.startsWith("web"));
const places = (): string[] => web().map(({ spec }) => spec.nodeName ?? "");
const going = (): boolean[] => web().map(({ metadata }) => metadata.deletionTimestamp !== undefined);
const on = (node: string): Partial<Pod["spec"]> => ({ nodeName: node });

describe("a node that is not ready", () => {
  it("has the taints of its condition, which go with it; others stay", async () => {
    const node = plane.store.get("Node", "worker1") as NodeObject;
    plane.store.update({ ...node, spec: { ...node.spec, taints: [{ key: "mine", effect: "NoSchedule" }] } });
    await tell("worker1", "Unknown");
    const unreachable = "node.kubernetes.io/unreachable";
    expect(taints("worker1")).toEqual(["mine:NoSchedule", `${unreachable}:NoSchedule`, `${unreachable}:NoExecute`]);
    await tell("worker1", "False");
    const notReady = "node.kubernetes.io/not-ready";
    expect(taints("worker1")).toEqual(["mine:NoSchedule", `${notReady}:NoSchedule`, `${notReady}:NoExecute`]);
    await tell("worker1", "True");
    expect(taints("worker1")).toEqual(["mine:NoSchedule"]);
    expect(taints("worker2")).toBeUndefined();
  });

  it("loses its pods after five minutes where they say nothing, and their owner makes others elsewhere", async () => {
    await applied(deployment("web", { replicas: 2 }));
    expect(places().toSorted()).toEqual(["worker1", "worker2"]);
    await tell("worker1", "Unknown");
    await after(299);
    expect(places().toSorted()).toEqual(["worker1", "worker2"]);
    await after(1);
    expect(places()).toEqual(["worker2", "worker2"]);
    expect(plane.store.all({ kind: "Event", namespace: "default" })).toMatchObject([
      { reason: "TaintManagerEviction" },
    ]);
  });

  it("keeps a pod for the shortest time that its tolerations say, and one without a time for ever", async () => {
    const exists = (key: string, more: object = {}) => ({ key, operator: "Exists", ...more });
    const soon = exists("node.kubernetes.io/unreachable", { effect: "NoExecute", tolerationSeconds: 5 });
    const never = exists("node.kubernetes.io/unreachable", { effect: "NoExecute", tolerationSeconds: 0 });
    await applied(
      pod("web-soon", { spec: { ...on("worker1"), tolerations: [soon] } }),
      pod("web-at-once", { spec: { ...on("worker1"), tolerations: [never] } }),
      pod("web-always", { spec: { ...on("worker1"), tolerations: [{ operator: "Exists" }] } }),
      daemonSet("web-daemon"),
    );
    await tell("worker1", "Unknown");
    const names = (): string[] =>
      web().flatMap(({ metadata: { name }, spec }) => (spec.nodeName === "worker1" ? [name.slice(4, 10)] : []));
    expect(names()).toEqual(["soon", "always", "daemon"]);
    await after(4);
    expect(names()).toEqual(["soon", "always", "daemon"]);
    await after(1);
    expect(names()).toEqual(["always", "daemon"]);
    await after(100_000);
    expect(names()).toEqual(["always", "daemon"]);
  });

  it("keeps its pods when it is ready again in time, and the time counts anew", async () => {
    await applied(pod("web", { spec: on("worker1") }));
    await tell("worker1", "False");
    await after(200);
    await tell("worker1", "True");
    await after(200);
    await tell("worker1", "False");
    await after(299);
    expect(places()).toEqual(["worker1"]);
    await after(1);
    expect(places()).toEqual([]);
  });

  it("that is dead keeps deleted pods Terminating and starts none until it is back", async () => {
    await applied(deployment("web", { replicas: 2 }));
    plane.setKubeletStopped("worker1", true);
    await tell("worker1", "Unknown");
    await after(300);
    expect(going().filter(Boolean)).toEqual([true]);
    expect(places().toSorted()).toEqual(["worker1", "worker2", "worker2"]);
    await applied(pod("web-new", { spec: { ...on("worker1"), tolerations: [{ operator: "Exists" }] } }));
    const phase = (): string | undefined => plane.store.get("Pod", "web-new", "default")?.status?.phase;
    expect(phase()).toBe("Pending");
    plane.setKubeletStopped("worker1", false);
    await tell("worker1", "True");
    expect(going()).toEqual([false, false, false]);
    expect(phase()).toBe("Running");
  });
});

describe("a pod's tolerations", () => {
  it("get five minutes for what they do not name, when the pod is made and not before", async () => {
    const own = { key: "node.kubernetes.io/not-ready", effect: "NoExecute", tolerationSeconds: 9 };
    await applied(pod("web", { spec: { tolerations: [own] } }), deployment("web-2"));
    const added = {
      key: "node.kubernetes.io/unreachable",
      operator: "Exists",
      effect: "NoExecute",
      tolerationSeconds: 300,
    };
    expect(web()[0]?.spec.tolerations).toEqual([own, added]);
    expect(plane.store.get("Deployment", "web-2", "default")?.spec.template.spec.tolerations).toBeUndefined();
  });
});
