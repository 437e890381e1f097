import { describe, expect, it } from "vitest";
import type { Pod } from "../../../src/kube/types.ts";
import { useControlPlane } from "./use-control-plane.ts";
import { pod } from "./store/objects.ts";

const at = useControlPlane();

describe("a pod that does not start well", () => {
  it("crash-loops with the reason when a server cannot listen", async () => {
    at.runtime.outcome = () => ({
      podIPs: ["10.244.9.9"],
      containers: [
        { name: "main", state: { kind: "running" } },
        {
          name: "side",
          state: {
            kind: "exited",
            exitCode: 1,
            message: "cannot listen on port 80/TCP: EADDRINUSE",
          },
        },
      ],
    });
    await at.applied(
      pod("web", {
        spec: {
          containers: [
            { name: "main", image: "nginx" },
            { name: "side", image: "nginx" },
          ],
        },
      }),
    );
    const { status: now } = at.plane.store.get("Pod", "web", "default") as Pod;
    expect(now?.phase).toBe("Running");
    expect(now?.containerStatuses?.[1]).toMatchObject({
      ready: false,
      restartCount: 1,
      state: {
        waiting: {
          reason: "CrashLoopBackOff",
          message: "back-off 10s restarting failed container: cannot listen on port 80/TCP: EADDRINUSE",
        },
      },
    });
    expect(at.plane.store.all({ kind: "Event", namespace: "default" })).toMatchObject([
      { reason: "FailedStart", involvedObject: { kind: "Pod", name: "web" } },
    ]);
  });

  it("ends as its restart policy says", async () => {
    at.runtime.outcome = ({ metadata }) => ({
      podIPs: ["10.244.9.9"],
      containers: [{ name: "main", state: { kind: "exited", exitCode: metadata.name === "bad" ? 1 : 0, message: "" } }],
    });
    await at.applied(
      pod("good", { spec: { restartPolicy: "Never" } }),
      pod("bad", { spec: { restartPolicy: "Never" } }),
      pod("again", { spec: { restartPolicy: "OnFailure" } }),
    );
    expect(at.pods().map(({ status: { phase } = {} }) => phase)).toEqual(["Succeeded", "Failed", "Succeeded"]);
  });

  it("is tried again after the network refused it, and tells why meanwhile", async () => {
    let tries = 0;
    at.runtime.outcome = ({ metadata }) =>
      metadata.name === "web" && (tries += 1) < 3 ? { error: new Error("no address left") } : undefined;
    await at.applied(pod("web"));
    expect(at.plane.store.get("Pod", "web", "default")?.status?.containerStatuses?.[0]?.state).toEqual({
      waiting: { reason: "ContainerCreating", message: "no address left" },
    });
    await at.plane.wait(
      { kind: "condition", ref: { kind: "Pod", namespace: "default", name: "web" }, condition: "Ready" },
      { timeoutMs: 5000 },
    );
    expect(tries).toBe(3);
  });

  it("that is deleted while it starts is stopped once it has", async () => {
    at.plane.apply([pod("web", { spec: { nodeName: "worker1" } })]);
    await new Promise((resolve) => setImmediate(resolve));
    await at.plane.delete([{ kind: "Pod", name: "web" }]);
    await at.plane.settle();
    expect([at.plane.store.get("Pod", "web", "default"), at.runtime.stopped]).toEqual([undefined, ["web"]]);
  });
});
