import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import type { ControlPlane } from "../../../src/engine/control-plane.ts";
import { probeTimes } from "../../../src/engine/container-probes.ts";
import { isPodReady } from "../../../src/kube/pods.ts";
import type { Container, Pod } from "../../../src/kube/types.ts";
import { settledControlPlane, type FakeRuntime } from "./fake-runtime.ts";
import { HandClock } from "./hand-clock.ts";
import { pod, service } from "./store/objects.ts";

const tcpSocket = { port: 80 };

describe("when probes decide", () => {
  const times = (
    probes: Partial<Record<"startupProbe" | "livenessProbe" | "readinessProbe", object>>,
    faults: Parameters<typeof probeTimes>[1] = {},
  ) => {
    const container: Container = { name: "main", image: "nginx", ...probes };
    const { startedMs, readyMs, failing } = probeTimes(container, faults);
    return [startedMs, readyMs, failing?.probe, failing?.triesMs];
  };
  const dead = { unhealthy: { liveness: "down" } };

  test.each([
    [
      "liveness with what the API fills in",
      { livenessProbe: { tcpSocket } },
      dead,
      [0, 0, "liveness", [0, 10e3, 20e3]],
    ],
    [
      "liveness with a delay",
      { livenessProbe: { tcpSocket, initialDelaySeconds: 7, periodSeconds: 2, failureThreshold: 2 } },
      dead,
      [0, 0, "liveness", [8e3, 10e3]],
    ],
    [
      "liveness behind a startup probe that passes",
      { startupProbe: { tcpSocket, initialDelaySeconds: 15 }, livenessProbe: { tcpSocket, periodSeconds: 3 } },
      dead,
      [20e3, 20e3, "liveness", [21e3, 24e3, 27e3]],
    ],
    [
      "readiness in the moment in which the startup probe passes",
      { startupProbe: { tcpSocket, initialDelaySeconds: 3, periodSeconds: 1 }, readinessProbe: { tcpSocket } },
      {},
      [3e3, 3e3, undefined, undefined],
    ],
    [
      "and at its own times after that, or where its delay is longer",
      {
        startupProbe: { tcpSocket, initialDelaySeconds: 3, periodSeconds: 1 },
        readinessProbe: { tcpSocket, initialDelaySeconds: 4, periodSeconds: 5, successThreshold: 2 },
      },
      {},
      [3e3, 10e3, undefined, undefined],
    ],
    [
      "several passes from there on",
      {
        startupProbe: { tcpSocket, initialDelaySeconds: 3, periodSeconds: 1 },
        readinessProbe: { tcpSocket, periodSeconds: 5, successThreshold: 3 },
      },
      {},
      [3e3, 10e3, undefined, undefined],
    ],
    [
      "a startup probe that fails keeps the others from being tried",
      {
        startupProbe: { tcpSocket, periodSeconds: 5, failureThreshold: 4 },
        livenessProbe: { tcpSocket, periodSeconds: 1, failureThreshold: 1 },
      },
      { unhealthy: { startup: "not yet", liveness: "down" } },
      [undefined, undefined, "startup", [0, 5e3, 10e3, 15e3]],
    ],
    [
      "readiness that fails ends nothing",
      { readinessProbe: { tcpSocket } },
      { notReady: "not yet" },
      [0, undefined, undefined, undefined],
    ],
  ])("%s", (_, probes, faults, expected) => {
    expect(times(probes, faults)).toEqual(expected);
  });
});

describe("a container whose probe fails", () => {
  let plane: ControlPlane;
  let runtime: FakeRuntime;
  let clock: HandClock;
  const livenessProbe = { tcpSocket: { port: 81 }, periodSeconds: 5, failureThreshold: 2 };
  const liveness = "Liveness probe failed: dial tcp port 81: connection refused";
  const startup = "Startup probe failed: dial tcp port 82: connection refused";

  beforeEach(async () => {
    clock = new HandClock();
    ({ plane, runtime } = await settledControlPlane({ clock }));
    runtime.restarted.length = 0;
  });
  afterEach(() => plane.close());

  /** Two containers, of which `side` has the probes and `unhealthy` says which of them fail, each time it is started. */
  const made = async (
    probes: Partial<Container>,
    unhealthy: { startup?: string; liveness?: string },
    spec: Partial<Pod["spec"]> = {},
  ): Promise<void> => {
    runtime.outcome = () => ({
      podIPs: ["10.244.9.9"],
      containers: [
        { name: "main", state: { kind: "running" } },
        { name: "side", state: { kind: "running" }, unhealthy },
      ],
    });
    runtime.restart = (_, names) => {
      runtime.restarted.push(...names);
      return Promise.resolve(names.map((name) => ({ name, state: { kind: "running" }, unhealthy })));
    };
    const containers = [
      { name: "main", image: "nginx" },
      { name: "side", image: "nginx", ...probes },
    ];
    plane.apply([
      pod("web", { labels: { app: "web" }, spec: { nodeName: "worker1", containers, ...spec } }),
      service("web"),
    ]);
    await plane.settle();
  };
  const after = async (seconds: number): Promise<void> => {
    clock.advance(seconds * 1000);
    await plane.settle();
  };
  const now = (): Pod => plane.store.get("Pod", "web", "default") as Pod;
  const side = () => now().status?.containerStatuses?.[1];
  const events = (): string[] =>
    plane.store
      .all({ kind: "Event", namespace: "default" })
      .map(({ type, reason, message, count }) => [type, reason, `${String(count)}:`, message].join(" "));
  const endpoints = (): number => plane.store.get("Endpoints", "web", "default")?.subsets?.[0]?.addresses?.length ?? 0;

  it("is ended after as many failures as it takes, at its period, and started again at once", async () => {
    await made({ livenessProbe }, { liveness });
    expect(side()).toMatchObject({ ready: true, started: true, restartCount: 0 });
    expect(events()).toEqual([`Warning Unhealthy 1: ${liveness}`]);
    await after(4.999);
    expect([runtime.killed, isPodReady(now()), endpoints()]).toEqual([[], true, 1]);
    await after(0.001);
    expect([runtime.killed, runtime.restarted]).toEqual([["side"], ["side"]]);
    expect(side()).toMatchObject({
      ready: true,
      restartCount: 1,
      state: { running: { startedAt: "1970-01-01T00:00:05Z" } },
      lastState: {
        terminated: {
          exitCode: 143,
          reason: "Error",
          message: "Container side failed liveness probe",
          startedAt: "1970-01-01T00:00:00Z",
          finishedAt: "1970-01-01T00:00:05Z",
        },
      },
    });
    expect(events()).toEqual([
      // The first of the run that began just now is the third.
      `Warning Unhealthy 3: ${liveness}`,
      "Normal Killing 1: Container side failed liveness probe, will be restarted",
    ]);
    expect(now().status?.containerStatuses?.[0]).toMatchObject({ ready: true, restartCount: 0 });
  });

  it("waits longer before each further start, and is no endpoint meanwhile", async () => {
    await made({ livenessProbe }, { liveness });
    await after(5);
    const seen: unknown[] = [];
    for (const seconds of [10, 20, 40, 80, 160, 300, 300]) {
      await after(5);
      const { waiting } = (side()?.state ?? {}) as { waiting?: { reason: string; message: string } };
      seen.push([waiting?.reason, waiting?.message.split(" restarting")[0], side()?.restartCount]);
      expect([isPodReady(now()), endpoints()]).toEqual([false, 0]);
      const before = runtime.restarted.length;
      await after(seconds - 1);
      expect(runtime.restarted).toHaveLength(before);
      await after(1);
      expect(runtime.restarted).toHaveLength(before + 1);
      expect([isPodReady(now()), endpoints()]).toEqual([true, 1]);
    }
    expect(seen).toEqual(
      ["10s", "20s", "40s", "1m20s", "2m40s", "5m0s", "5m0s"].map((wait, index) => [
        "CrashLoopBackOff",
        `back-off ${wait}`,
        index + 1,
      ]),
    );
  });

  it("that ran for more than ten minutes is started again as if it were the first time", async () => {
    const slow = { tcpSocket, initialDelaySeconds: 605, periodSeconds: 5, failureThreshold: 1 };
    await made({ livenessProbe: slow }, { liveness });
    for (const times of [1, 2, 3]) {
      await after(605);
      expect(side()).toMatchObject({ restartCount: times, state: { running: {} } });
    }
  });

  it("stays ended where its pod's policy says so", async () => {
    await made({ livenessProbe }, { liveness }, { restartPolicy: "Never" });
    await after(5);
    await after(1000);
    expect([runtime.killed, runtime.restarted]).toEqual([["side"], []]);
    expect(side()).toMatchObject({ ready: false, restartCount: 0, state: { terminated: { exitCode: 143 } } });
    expect(events()).toContain("Normal Killing 1: Container side failed liveness probe");
  });

  it("of startup is not ready before, and is ended with liveness never tried", async () => {
    const startupProbe = { tcpSocket: { port: 82 }, periodSeconds: 5, failureThreshold: 3 };
    await made({ startupProbe, livenessProbe }, { startup, liveness });
    expect(side()).toMatchObject({ ready: false, started: false, state: { running: {} } });
    await after(5);
    expect(events()).toEqual([`Warning Unhealthy 2: ${startup}`]);
    await after(5);
    expect(side()).toMatchObject({ ready: false, started: false, restartCount: 1 });
    expect(events()).toContain("Normal Killing 1: Container side failed startup probe, will be restarted");
    expect(events().filter((event) => event.includes("Liveness"))).toEqual([]);
  });

  it("of startup that passes later makes it ready then, and lets liveness begin", async () => {
    await made({ startupProbe: { tcpSocket, initialDelaySeconds: 6, periodSeconds: 2 }, livenessProbe }, { liveness });
    expect(side()).toMatchObject({ ready: false, started: false });
    await after(6);
    expect(side()).toMatchObject({ ready: true, started: true, restartCount: 0 });
    expect(events()).toEqual([]);
    await after(4);
    expect(events()).toEqual([`Warning Unhealthy 1: ${liveness}`]);
    await after(5);
    expect(runtime.killed).toEqual(["side"]);
  });

  it("is tried again where it cannot be ended, and goes on running until it is", async () => {
    await made({ livenessProbe }, { liveness });
    runtime.killFault = () => new Error("the thread is gone");
    await after(5);
    expect(side()).toMatchObject({ restartCount: 0, state: { running: {} } });
    expect(events()).toContain("Warning FailedKillPod 1: the thread is gone");
    runtime.killFault = () => undefined;
    await after(1);
    expect(side()).toMatchObject({ restartCount: 1 });
    expect(events()[0]).toBe(`Warning Unhealthy 3: ${liveness}`);
  });

  it("is left alone when its pod is deleted, and while its node is dead", async () => {
    await made({ livenessProbe }, { liveness });
    plane.setKubeletStopped("worker1", true);
    await after(100);
    expect([runtime.killed, events()]).toEqual([[], [`Warning Unhealthy 1: ${liveness}`]]);
    plane.setKubeletStopped("worker1", false);
    await plane.settle();
    expect(runtime.killed).toEqual(["side"]);
    await plane.delete([{ kind: "Pod", namespace: "default", name: "web" }]);
    await after(1000);
    expect(runtime.killed).toEqual(["side"]);
  });
});
