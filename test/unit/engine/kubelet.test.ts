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

describe("many pods at once", () => {
  it("are started in groups, and one that is refused holds up no other", async () => {
    const groups: number[] = [];
    const start = at.runtime.start.bind(at.runtime);
    at.runtime.start = (pods) => {
      groups.push(pods.length);
      return groups.length === 3 ? Promise.reject(new Error("the kernel refused it")) : start(pods);
    };
    await at.applied(...Array.from({ length: 450 }, (_, index) => pod(`p${index}`)));
    expect(groups).toEqual([200, 200, 50]);
    expect(at.pods().filter(({ status }) => status?.phase === "Running")).toHaveLength(400);
    const ref = { kind: "Pod", namespace: "default", name: "p449" };
    await at.plane.wait({ kind: "condition", ref, condition: "Ready" }, { timeoutMs: 5000 });
    expect(new Set(at.pods().map(({ status }) => status?.podIP)).size).toBe(450);
  });
});

describe("a container whose process ends by itself", () => {
  it("is told of with its exit code, and started again as its pod says", async () => {
    await at.applied(pod("once", { spec: { restartPolicy: "Never" } }), pod("again"));
    const read = (name: string): Pod => at.plane.store.get("Pod", name, "default") as Pod;
    for (const name of ["once", "again"])
      at.plane.containerExited(read(name), read(name).spec.containers[0]?.name ?? "", 3);
    await at.plane.settle();
    expect(read("once").status).toMatchObject({
      phase: "Failed",
      containerStatuses: [{ ready: false, state: { terminated: { exitCode: 3, reason: "Error" } } }],
    });
    expect(read("again").status).toMatchObject({
      phase: "Running",
      containerStatuses: [{ ready: true, restartCount: 1, lastState: { terminated: { exitCode: 3 } } }],
    });
    expect(at.runtime.killed).toHaveLength(2);
  });
});
