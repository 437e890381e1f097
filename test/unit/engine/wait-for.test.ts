import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ControlPlane } from "../../../src/engine/control-plane.ts";
import { type FakeRuntime, settledControlPlane } from "./fake-runtime.ts";
import { deployment, pod, service } from "./store/objects.ts";

let plane: ControlPlane;
let runtime: FakeRuntime;

beforeEach(async () => {
  ({ plane, runtime } = await settledControlPlane());
});

afterEach(() => plane.close());

const web = { kind: "Deployment", namespace: "default", name: "web" };

describe("waiting for a condition", () => {
  it.each(["available", "Available", "condition=available", "Available=True"])("understands %s", async (condition) => {
    const waited = plane.wait({ kind: "condition", ref: web, condition }, { timeoutMs: 5000 });
    plane.apply([deployment("web", { replicas: 3 })]);
    await waited;
    expect(plane.store.get("Deployment", "web", "default")?.status?.availableReplicas).toBe(3);
  });

  it("does not take a status of an older generation for the answer", async () => {
    plane.apply([deployment("web")]);
    await plane.settle();
    plane.scale(web, 4);
    await plane.wait({ kind: "condition", ref: web, condition: "available" }, { timeoutMs: 5000 });
    expect(plane.store.get("Deployment", "web", "default")?.status?.availableReplicas).toBe(4);
  });

  it("of a rollout looks at every pod, and a restart is one more rollout", async () => {
    plane.apply([deployment("web", { replicas: 2 })]);
    await plane.settle();
    const names = (): string[] => plane.store.list("Pod", "default").map(({ metadata }) => metadata.name);
    const before = names();
    plane.rolloutRestart(web, "2026-01-02T03:04:05.678Z");
    await plane.wait({ kind: "rollout", ref: web }, { timeoutMs: 5000 });
    await plane.settle();
    expect(names()).toHaveLength(2);
    expect(names().filter((name) => before.includes(name))).toEqual([]);
    expect(plane.store.get("Deployment", "web", "default")?.spec.template.metadata?.annotations).toEqual({
      "kubectl.kubernetes.io/restartedAt": "2026-01-02T03:04:05.678Z",
    });
    const none = { ...web, name: "none" };
    expect(() => plane.rolloutRestart(none, "now")).toThrow(expect.objectContaining({ code: "OBJECT_NOT_FOUND" }));
  });

  it("of a rollout that is stuck says what is missing", async () => {
    plane.apply([deployment("web", { replicas: 2 })]);
    await plane.settle();
    const state = { kind: "waiting" as const, reason: "ErrImagePull", message: "not found" };
    runtime.outcome = () => ({ podIPs: [runtime.address()], containers: [{ name: "main", state }] });
    plane.rolloutRestart(web, "2026-01-02T03:04:05.678Z");
    await expect(plane.wait({ kind: "rollout", ref: web }, { timeoutMs: 200 })).rejects.toMatchObject({
      code: "WAIT_TIMEOUT",
      message: expect.stringMatching(
        /^Deployment default\/web was not rolled out within 0\.2 s: 1 of 2 pods updated; pod web-/,
      ) as string,
    });
  });

  it("says after the time how many replicas are there and why the others are not", async () => {
    runtime.outcome = ({ metadata }) =>
      metadata.name === runtime.started.find((name) => name.startsWith("web"))
        ? undefined
        : {
            podIPs: [runtime.address()],
            containers: [
              {
                name: "main",
                state: { kind: "waiting", reason: "InvalidImageName", message: "invalid reference format" },
              },
            ],
          };
    plane.apply([deployment("web", { replicas: 3 })]);
    await plane.settle();
    await expect(
      plane.wait({ kind: "condition", ref: web, condition: "available" }, { timeoutMs: 10 }),
    ).rejects.toMatchObject({
      code: "WAIT_TIMEOUT",
      message: expect.stringMatching(
        /^Deployment default\/web was not available within 0\.01 s: 1 of 3 replicas available; pod web-\S+: InvalidImageName: container main: invalid reference format; pod web-/,
      ) as string,
    });
  });

  it.each([["a missing object", "Deployment default/web does not exist"]])(
    "says that %s is missing",
    async (_what, message) => {
      await expect(
        plane.wait({ kind: "condition", ref: web, condition: "available" }, { timeoutMs: 5 }),
      ).rejects.toThrow(message);
    },
  );

  it("names the condition that another kind lacks", async () => {
    const node = { kind: "Node", name: "worker1" };
    await plane.wait({ kind: "condition", ref: node, condition: "ready" }, { timeoutMs: 5 });
    await expect(plane.wait({ kind: "condition", ref: node, condition: "Tired" }, { timeoutMs: 5 })).rejects.toThrow(
      "it has no condition Tired",
    );
  });

  it("ends with the signal's reason", async () => {
    const abort = new AbortController();
    const waited = plane.wait(
      { kind: "condition", ref: web, condition: "available" },
      { timeoutMs: 60_000, signal: abort.signal },
    );
    abort.abort(new Error("stopped by hand"));
    await expect(waited).rejects.toThrow("stopped by hand");
  });
});

describe("waiting for a deletion", () => {
  const ref = { kind: "Pod", namespace: "default", name: "web" };

  it("resolves at once for what is not there, and for an old object that a new one replaced", async () => {
    await plane.wait({ kind: "deleted", ref }, { timeoutMs: 5 });
    plane.apply([pod("web")]);
    await plane.settle();
    const waited = plane.wait({ kind: "deleted", ref }, { timeoutMs: 5000 });
    plane.store.delete(ref, { gracePeriodSeconds: 0 });
    plane.apply([pod("web")]);
    await waited;
    expect(plane.store.find(ref)).toBeDefined();
  });

  it("says when nobody has deleted it", async () => {
    plane.apply([pod("web")]);
    await expect(plane.wait({ kind: "deleted", ref }, { timeoutMs: 5 })).rejects.toThrow(
      "Pod default/web has not been deleted",
    );
  });
});

describe("waiting for endpoints", () => {
  it("counts ready addresses", async () => {
    const ref = { kind: "Service", namespace: "default", name: "web" };
    plane.apply([service("web"), deployment("web", { replicas: 2 })]);
    await plane.wait({ kind: "endpoints", ref, count: 2 }, { timeoutMs: 5000 });
    await expect(plane.wait({ kind: "endpoints", ref, count: 3 }, { timeoutMs: 5 })).rejects.toThrow(
      "Service default/web was not 3 endpoints within 0.005 s: 2 of 3 ready endpoints",
    );
  });
});
