import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import type { ControlPlane } from "../../../src/engine/control-plane.ts";
import { probeTimes } from "../../../src/engine/container-probes.ts";
import { isPodReady } from "../../../src/kube/pods.ts";
import type { Pod } from "../../../src/kube/types.ts";
import { settledControlPlane, type FakeRuntime } from "./fake-runtime.ts";
import { HandClock } from "./hand-clock.ts";
import { pod, service } from "./store/objects.ts";

const tcpSocket = { port: 80 };

test.each([
  ["no probe", undefined, 0],
  ["a probe without a delay", { tcpSocket }, 0],
  ["a delay within the first period", { tcpSocket, initialDelaySeconds: 5 }, 10],
  ["a delay of one period", { tcpSocket, initialDelaySeconds: 10 }, 10],
  ["a delay that the period divides", { tcpSocket, initialDelaySeconds: 6, periodSeconds: 2 }, 6],
  ["a delay that it does not", { tcpSocket, initialDelaySeconds: 7, periodSeconds: 2 }, 8],
  ["several passes in a row", { tcpSocket, periodSeconds: 3, successThreshold: 3 }, 6],
  ["both", { tcpSocket, initialDelaySeconds: 1, periodSeconds: 3, successThreshold: 2 }, 6],
])("%s: ready as the kubelet would have it", (_, readinessProbe, seconds) => {
  const container = { name: "main", image: "nginx", ...(readinessProbe && { readinessProbe }) };
  expect(probeTimes(container, {})).toEqual({ startedMs: 0, readyMs: seconds * 1000 });
});

describe("a pod whose readiness probe begins later", () => {
  let plane: ControlPlane;
  const clock = new HandClock();
  beforeEach(async () => ({ plane } = await settledControlPlane({ clock })));
  afterEach(() => plane.close());

  it("runs, and is an endpoint no sooner than the last of its probes has passed", async () => {
    const container = (name: string, initialDelaySeconds: number) => ({
      name,
      image: "nginx",
      readinessProbe: { tcpSocket, initialDelaySeconds, periodSeconds: 1 },
    });
    const spec = { containers: [container("a", 2), container("b", 6), { name: "c", image: "nginx" }] };
    plane.apply([pod("web", { labels: { app: "web" }, spec }), service("web")]);
    await plane.settle();
    const seen = () => {
      const { status } = plane.store.get("Pod", "web", "default") as Pod;
      const ready = (status?.containerStatuses ?? []).map((each) => each.ready);
      return { ready, isReady: isPodReady({ status } as Pod), phase: status?.phase, startTime: status?.startTime };
    };
    const { startTime } = seen();
    const endpoints = () => plane.store.get("Endpoints", "web", "default")?.subsets?.[0]?.addresses?.length ?? 0;
    expect(seen()).toEqual({ ready: [false, false, true], isReady: false, phase: "Running", startTime });
    clock.advance(2000);
    await plane.settle();
    expect(seen().ready).toEqual([true, false, true]);
    clock.advance(3999);
    await plane.settle();
    expect([seen().isReady, endpoints()]).toEqual([false, 0]);
    clock.advance(1);
    await plane.settle();
    expect(seen()).toEqual({ ready: [true, true, true], isReady: true, phase: "Running", startTime });
    expect(endpoints()).toBe(1);
  });
});

describe("a container that ends", () => {
  let plane: ControlPlane;
  let runtime: FakeRuntime;
  let clock: HandClock;
  beforeEach(async () => {
    clock = new HandClock();
    ({ plane, runtime } = await settledControlPlane({ clock }));
    runtime.outcome = () => ({
      podIPs: ["10.244.9.9"],
      containers: [
        { name: "main", state: { kind: "running" } },
        { name: "side", state: exited },
      ],
    });
    runtime.again = () => exited;
    runtime.restarted.length = 0;
  });
  afterEach(() => plane.close());

  const exited = { kind: "exited", exitCode: 1, message: "cannot listen on port 80/TCP: EADDRINUSE" } as const;
  const containers = ["main", "side"].map((name) => ({ name, image: "nginx" }));
  const made = async (spec: Partial<Pod["spec"]> = {}): Promise<void> => {
    plane.apply([pod("web", { spec: { nodeName: "worker1", containers, ...spec } })]);
    await plane.settle();
  };
  const after = async (seconds: number): Promise<void> => {
    clock.advance(seconds * 1000);
    await plane.settle();
  };
  const side = () => plane.store.get("Pod", "web", "default")?.status?.containerStatuses?.[1];

  it("is started again after 10 s, and then after twice as long, up to five minutes", async () => {
    await made();
    const seen: [number, number | undefined, string | undefined][] = [];
    const backOff = () => /back-off (\S+) /.exec(JSON.stringify(side()?.state))?.[1];
    for (const seconds of [10, 20, 40, 80, 160, 300, 300]) {
      seen.push([seconds, side()?.restartCount, backOff()]);
      await after(seconds - 1);
      expect(runtime.restarted).toHaveLength(seen.length - 1);
      await after(1);
      expect(runtime.restarted).toHaveLength(seen.length);
    }
    expect(seen).toEqual([
      [10, 1, "10s"],
      [20, 2, "20s"],
      [40, 3, "40s"],
      [80, 4, "1m20s"],
      [160, 5, "2m40s"],
      [300, 6, "5m0s"],
      [300, 7, "5m0s"],
    ]);
    expect(new Set(runtime.restarted)).toEqual(new Set(["side"]));
    expect(side()).toMatchObject({ ready: false, lastState: { terminated: { exitCode: 1, reason: "Error" } } });
  });

  it("and runs when it is started again makes its pod ready, with its readiness probe's time from then on", async () => {
    const readinessProbe = { tcpSocket, initialDelaySeconds: 3, periodSeconds: 1 };
    await made({ containers: containers.map((each) => (each.name === "side" ? { ...each, readinessProbe } : each)) });
    runtime.again = () => undefined;
    await after(10);
    expect(side()).toMatchObject({ ready: false, restartCount: 2, state: { running: {} } });
    expect(isPodReady(plane.store.get("Pod", "web", "default") as Pod)).toBe(false);
    await after(3);
    expect(isPodReady(plane.store.get("Pod", "web", "default") as Pod)).toBe(true);
    await after(1000);
    expect(runtime.restarted).toEqual(["side"]);
  });

  it("stays ended where its policy says so, and is not started after its pod was deleted", async () => {
    await made({ restartPolicy: "Never" });
    expect(side()).toMatchObject({ restartCount: 0, state: { terminated: { exitCode: 1 } } });
    await after(1000);
    await plane.delete([{ kind: "Pod", namespace: "default", name: "web" }]);
    await made();
    await plane.delete([{ kind: "Pod", namespace: "default", name: "web" }]);
    await after(1000);
    expect(runtime.restarted).toEqual([]);
  });

  it("is left alone while its node is dead, and started when it is back", async () => {
    await made();
    plane.setKubeletStopped("worker1", true);
    await after(1000);
    expect([runtime.restarted, side()?.restartCount]).toEqual([[], 1]);
    plane.setKubeletStopped("worker1", false);
    await plane.settle();
    expect([runtime.restarted, side()?.restartCount]).toEqual([["side"], 2]);
  });
});
