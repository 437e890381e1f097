import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import type { ControlPlane } from "../../../src/engine/control-plane.ts";
import type { ContainerRun } from "../../../src/engine/container-runs.ts";
import type { ContainerStop } from "../../../src/engine/pod-runtime.ts";
import { comingEnds } from "../../../src/engine/pod-termination.ts";
import type { Pod } from "../../../src/kube/types.ts";
import { settledControlPlane, type FakeRuntime } from "./fake-runtime.ts";
import { HandClock } from "./hand-clock.ts";
import { deployment, pod, service } from "./store/objects.ts";

const AT_ONCE: ContainerStop = { afterMs: 0, exitCode: 0 };
const NEVER: ContainerStop = { afterMs: Infinity, exitCode: 143 };

const run = (name: string, stop: ContainerStop): ContainerRun => ({
  name,
  state: { kind: "running" },
  sinceMs: 0,
  restartCount: 0,
  failuresTold: 0,
  stop,
});

test.each<[what: string, stop: ContainerStop, graceS: number, atMs: number, exitCode: number]>([
  ["ends at once", AT_ONCE, 30, 0, 0],
  ["takes its time", { afterMs: 5000, exitCode: 0 }, 30, 5000, 0],
  ["takes longer than it has", { afterMs: 60_000, exitCode: 0 }, 30, 30_000, 137],
  ["does not hear SIGTERM", NEVER, 30, 30_000, 137],
  ["has two seconds however little it is given", NEVER, 1, 2000, 137],
  ["is told after its hook", { ...AT_ONCE, preStop: { takesMs: 7000 } }, 30, 7000, 0],
  ["has what its hook has left", { ...NEVER, preStop: { takesMs: 7000 } }, 30, 30_000, 137],
  ["has a hook that is cut off", { ...AT_ONCE, preStop: { takesMs: 40_000 } }, 30, 30_000, 0],
  ["has two seconds after such a hook", { ...NEVER, preStop: { takesMs: 40_000 } }, 30, 32_000, 137],
  ["is ended by its hook", { ...NEVER, preStop: { takesMs: 3000, exitCode: 0 } }, 30, 3000, 0],
  [
    "has a hook that is cut off before its last command",
    { ...NEVER, preStop: { takesMs: 3000, exitCode: 0 } },
    2,
    4000,
    137,
  ],
])("a container that %s", (_, stop, graceS, atMs, exitCode) => {
  expect(comingEnds(pod("web"), [run("main", stop)], graceS * 1000)).toEqual([{ name: "main", atMs, exitCode }]);
});

test("sidecars are told when all containers have ended, the last one first", () => {
  const container = (name: string) => ({ name, image: "nginx" });
  const two = pod("web", {
    spec: { containers: [container("main")], initContainers: [container("first"), container("second")] },
  });
  const slow = (afterMs: number): ContainerStop => ({ afterMs, exitCode: 0 });
  const ends = (graceMs: number) =>
    comingEnds(two, [run("first", slow(1000)), run("second", slow(2000)), run("main", slow(4000))], graceMs).map(
      ({ name, atMs, exitCode }) => [name, atMs, exitCode],
    );
  expect(ends(30_000)).toEqual([
    ["main", 4000, 0],
    ["second", 6000, 0],
    ["first", 7000, 0],
  ]);
  expect(ends(3000)).toEqual([
    ["main", 3000, 137],
    ["second", 5000, 0],
    ["first", 4000, 0],
  ]);
});

describe("a pod that is deleted", () => {
  const clock = new HandClock();
  let plane: ControlPlane;
  let runtime: FakeRuntime;
  /** How its containers end, by name; others at once. */
  let stops: Record<string, ContainerStop>;
  beforeEach(async () => {
    stops = {};
    ({ plane, runtime } = await settledControlPlane({ clock }));
    runtime.outcome = ({ spec }) => ({
      podIPs: [runtime.address()],
      containers: spec.containers.map(({ name }) => ({
        name,
        state: { kind: "running" },
        ...(stops[name] && { stop: stops[name] }),
      })),
    });
  });
  afterEach(() => plane.close());

  const ref = { kind: "Pod", namespace: "default", name: "web" };
  const web = (): Pod | undefined => plane.store.get("Pod", "web", "default");
  const conditions = () =>
    plane.store
      .indexed("EndpointSlice", "default/web")
      .flatMap(({ endpoints }) => endpoints.map((each) => each.conditions));
  const containers = (...names: string[]) => ({ containers: names.map((name) => ({ name, image: "nginx" })) });

  async function applied(spec: object = {}): Promise<void> {
    plane.apply([pod("web", { labels: { app: "web" }, spec }), service("web")]);
    await plane.settle();
  }

  it("serves until its time is over, as an endpoint that is terminating", async () => {
    stops["main"] = NEVER;
    await applied({ terminationGracePeriodSeconds: 10 });
    const nowMs = clock.nowMs();
    plane.store.delete(ref);
    await plane.settle();
    expect(web()?.metadata).toMatchObject({
      deletionGracePeriodSeconds: 10,
      deletionTimestamp: `${new Date(nowMs + 10_000).toISOString().slice(0, 19)}Z`,
    });
    expect(conditions()).toEqual([{ ready: false, serving: true, terminating: true }]);
    clock.advance(9999);
    await plane.settle();
    expect([web()?.status?.phase, runtime.stopped]).toEqual(["Running", []]);
    clock.advance(1);
    await plane.settle();
    expect([web(), runtime.stopped, conditions()]).toEqual([undefined, ["web"], []]);
  });

  it("is no longer serving when one of its containers has ended", async () => {
    stops["slow"] = { afterMs: 6000, exitCode: 0 };
    await applied(containers("main", "slow"));
    plane.store.delete(ref);
    await plane.settle();
    expect(runtime.killed).toEqual(["main"]);
    expect(web()?.status?.containerStatuses).toMatchObject([
      { ready: false, state: { terminated: { exitCode: 0 } } },
      { ready: true },
    ]);
    expect(conditions()).toEqual([{ ready: false, serving: false, terminating: true }]);
    clock.advance(6000);
    await plane.settle();
    expect([web(), runtime.killed]).toEqual([undefined, ["main"]]);
  });

  it("is neither restarted nor killed for a probe on its way out", async () => {
    stops["main"] = NEVER;
    const livenessProbe = { tcpSocket: { port: 1 }, periodSeconds: 1, failureThreshold: 1 };
    runtime.outcome = () => ({
      podIPs: ["10.244.9.9"],
      containers: [{ name: "main", state: { kind: "running" }, unhealthy: { liveness: "refused" }, stop: NEVER }],
    });
    await applied({
      containers: [{ name: "main", image: "nginx", livenessProbe: { ...livenessProbe, initialDelaySeconds: 5 } }],
    });
    plane.store.delete(ref);
    await plane.settle();
    clock.advance(20_000);
    await plane.settle();
    expect([web()?.status?.containerStatuses?.[0]?.restartCount, runtime.killed]).toEqual([0, []]);
  });

  it("is given less time by a second deletion, and no more", async () => {
    stops["main"] = NEVER;
    await applied();
    plane.store.delete(ref);
    await plane.settle();
    clock.advance(1000);
    plane.store.delete(ref, { gracePeriodSeconds: 60 });
    await plane.settle();
    expect(web()?.metadata.deletionGracePeriodSeconds).toBe(30);
    plane.store.delete(ref, { gracePeriodSeconds: 3 });
    await plane.settle();
    clock.advance(2999);
    await plane.settle();
    expect(web()?.metadata.deletionGracePeriodSeconds).toBe(3);
    clock.advance(1);
    await plane.settle();
    expect(web()).toBeUndefined();
  });

  it("by force is gone at once, with its processes", async () => {
    stops["main"] = NEVER;
    await applied();
    plane.store.delete(ref, { gracePeriodSeconds: 0 });
    await plane.settle();
    expect([web(), runtime.stopped, conditions()]).toEqual([undefined, ["web"], []]);
  });

  it("tells of a hook that failed", async () => {
    stops["main"] = { ...AT_ONCE, preStop: { takesMs: 0, fault: "connection refused" } };
    await applied();
    plane.store.delete(ref);
    await plane.settle();
    expect(plane.store.all({ kind: "Event", namespace: "default" })).toMatchObject([
      { reason: "FailedPreStopHook", message: "PreStopHook failed: connection refused" },
    ]);
  });

  it("on a node whose kubelet stops meanwhile stays until it is back", async () => {
    stops["main"] = NEVER;
    await applied({ nodeName: "worker1", terminationGracePeriodSeconds: 5 });
    plane.store.delete(ref);
    await plane.settle();
    plane.setKubeletStopped("worker1", true);
    clock.advance(60_000);
    await plane.settle();
    expect(web()).toBeDefined();
    plane.setKubeletStopped("worker1", false);
    await plane.settle();
    expect([web(), runtime.stopped]).toEqual([undefined, ["web"]]);
  });

  it("while a container of it is being started again is ended with it", async () => {
    let restarted = (): void => undefined;
    const restarting = new Promise<void>((resolve) => (restarted = resolve));
    runtime.outcome = () => ({
      podIPs: ["10.244.9.9"],
      containers: [{ name: "main", state: { kind: "exited", exitCode: 1, message: "" } }],
    });
    runtime.restart = async () => {
      await restarting;
      return [{ name: "main", state: { kind: "running" }, stop: { afterMs: 4000, exitCode: 0 } }];
    };
    await applied();
    clock.advance(10_000);
    plane.store.delete(ref);
    await new Promise((resolve) => setImmediate(resolve));
    restarted();
    await plane.settle();
    expect(web()).toBeDefined();
    clock.advance(4000);
    await plane.settle();
    expect(web()).toBeUndefined();
  });

  it("by a lab has a second, and what it is told to delete is gone with what it owns", async () => {
    stops["main"] = NEVER;
    plane.apply([deployment("web", { replicas: 2 })]);
    await plane.settle();
    const deleted = plane.delete([{ kind: "Deployment", namespace: "default", name: "web" }]);
    await plane.settle();
    expect(plane.store.list("Pod", "default").map(({ metadata }) => metadata.deletionGracePeriodSeconds)).toEqual([
      1, 1,
    ]);
    clock.advance(2000);
    await deleted;
    expect(plane.store.list("Pod", "default")).toEqual([]);
  });
});
