import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import type { ControlPlane } from "../../../src/engine/control-plane.ts";
import { readyAfterMs } from "../../../src/engine/readiness-delay.ts";
import { isPodReady } from "../../../src/kube/pods.ts";
import type { Pod } from "../../../src/kube/types.ts";
import { settledControlPlane } from "./fake-runtime.ts";
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
  expect(readyAfterMs({ name: "main", image: "nginx", ...(readinessProbe && { readinessProbe }) })).toBe(
    seconds * 1000,
  );
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
