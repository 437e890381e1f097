import { describe, expect, it } from "vitest";
import type { StatefulSet } from "../../../../src/kube/set-types.ts";
import type { Pod } from "../../../../src/kube/types.ts";
import { useControlPlane } from "../use-control-plane.ts";
import { service, statefulSet } from "../store/objects.ts";

const at = useControlPlane();

const images = (): string[] => at.pods().map(({ metadata, spec }) => `${metadata.name} ${spec.containers[0]?.image}`);
const started = (): string[] => at.runtime.started.filter((name) => /-\d$/.test(name));
const stopped = (): string[] => at.runtime.stopped;
const status = (): StatefulSet["status"] => at.plane.store.get("StatefulSet", "web", "default")?.status;

/** Pods of these names run and never get ready. */
function neverReady(isStuck: (pod: Pod) => boolean): void {
  at.runtime.outcome = (pod) =>
    isStuck(pod)
      ? { podIPs: [at.runtime.address()], containers: [{ name: "main", state: { kind: "running" }, notReady: "no" }] }
      : undefined;
}

describe("a StatefulSet", () => {
  it("makes its pods in order, one after the other, with names, labels and DNS names that stay", async () => {
    const before = at.runtime.batches;
    await at.applied(service("web", { clusterIP: "None" }), statefulSet("web", { spec: { replicas: 3 } }));
    expect(started()).toEqual(["web-0", "web-1", "web-2"]);
    expect(at.runtime.batches - before).toBe(3);
    const [first] = at.pods();
    expect(first?.spec).toMatchObject({ hostname: "web-0", subdomain: "web" });
    expect(first?.metadata.labels).toEqual({
      app: "web",
      "statefulset.kubernetes.io/pod-name": "web-0",
      "apps.kubernetes.io/pod-index": "0",
      "controller-revision-hash": expect.stringMatching(/^web-[a-z0-9]+$/) as string,
    });
    expect(at.slices()[0]?.endpoints.map(({ hostname }) => hostname)).toEqual(["web-0", "web-1", "web-2"]);
    expect(status()).toMatchObject({ replicas: 3, readyReplicas: 3, availableReplicas: 3, currentReplicas: 3 });
    expect(status()?.currentRevision).toBe(status()?.updateRevision);
  });

  it("waits with the next pod until the one before is ready", async () => {
    neverReady(({ metadata }) => metadata.name === "web-1");
    await at.applied(statefulSet("web", { spec: { replicas: 3 } }));
    expect(started()).toEqual(["web-0", "web-1"]);
    expect(status()).toMatchObject({ replicas: 2, readyReplicas: 1 });
  });

  it("makes all pods at once where podManagementPolicy is Parallel", async () => {
    neverReady(() => true);
    const before = at.runtime.batches;
    await at.applied(statefulSet("web", { spec: { replicas: 3, podManagementPolicy: "Parallel" } }));
    expect(started()).toEqual(["web-0", "web-1", "web-2"]);
    expect(at.runtime.batches - before).toBe(1);
  });

  it("replaces a deleted pod under its name, with another uid", async () => {
    await at.applied(statefulSet("web", { spec: { replicas: 2 } }));
    const before = at.pods()[0]?.metadata.uid;
    await at.plane.delete([{ kind: "Pod", namespace: "default", name: "web-0" }]);
    await at.plane.settle();
    expect(at.names(at.pods()).toSorted()).toEqual(["web-0", "web-1"]);
    expect(at.plane.store.get("Pod", "web-0", "default")?.metadata.uid).not.toBe(before);
  });

  it("scales down from the highest number, one by one", async () => {
    await at.applied(statefulSet("web", { spec: { replicas: 4 } }));
    at.plane.scale({ kind: "StatefulSet", namespace: "default", name: "web" }, 1);
    await at.plane.settle();
    expect(stopped()).toEqual(["web-3", "web-2", "web-1"]);
    expect(at.names(at.pods())).toEqual(["web-0"]);
  });

  it("updates from the highest number down, and stops at the first that does not get ready", async () => {
    await at.applied(statefulSet("web", { spec: { replicas: 3 } }));
    neverReady(({ metadata, spec }) => metadata.name === "web-1" && spec.containers[0]?.image === "nginx:2");
    await at.applied(statefulSet("web", { image: "nginx:2", spec: { replicas: 3 } }));
    expect(stopped()).toEqual(["web-2", "web-1"]);
    expect(images().toSorted()).toEqual(["web-0 nginx", "web-1 nginx:2", "web-2 nginx:2"]);
    expect(status()).toMatchObject({ replicas: 3, readyReplicas: 2, updatedReplicas: 2, currentReplicas: 1 });
    expect(status()?.currentRevision).not.toBe(status()?.updateRevision);
  });

  it("leaves pods below the partition at the old template, also when they are made anew", async () => {
    const spec = { replicas: 3, updateStrategy: { rollingUpdate: { partition: 2 } } };
    await at.applied(statefulSet("web", { spec }));
    await at.applied(statefulSet("web", { image: "nginx:2", spec }));
    expect(images().toSorted()).toEqual(["web-0 nginx", "web-1 nginx", "web-2 nginx:2"]);
    await at.plane.delete([{ kind: "Pod", namespace: "default", name: "web-0" }]);
    await at.plane.settle();
    expect(images().toSorted()).toEqual(["web-0 nginx", "web-1 nginx", "web-2 nginx:2"]);
    const rest = { replicas: 3, updateStrategy: { rollingUpdate: { partition: 0 } } };
    await at.applied(statefulSet("web", { image: "nginx:2", spec: rest }));
    expect(images().toSorted()).toEqual(["web-0 nginx:2", "web-1 nginx:2", "web-2 nginx:2"]);
    expect(status()?.currentRevision).toBe(status()?.updateRevision);
  });

  it("updates nothing by itself with OnDelete, and numbers from ordinals.start", async () => {
    const spec = { replicas: 2, updateStrategy: { type: "OnDelete" as const }, ordinals: { start: 5 } };
    await at.applied(statefulSet("web", { spec }));
    await at.applied(statefulSet("web", { image: "nginx:2", spec }));
    expect(images()).toEqual(["web-5 nginx", "web-6 nginx"]);
    await at.plane.delete([{ kind: "Pod", namespace: "default", name: "web-5" }]);
    await at.plane.settle();
    expect(images().toSorted()).toEqual(["web-5 nginx:2", "web-6 nginx"]);
  });

  it("keeps the revisions that revisionHistoryLimit says beside those in use", async () => {
    const spec = { revisionHistoryLimit: 1 };
    for (const image of ["a", "b", "c", "d"]) await at.applied(statefulSet("web", { image, spec }));
    expect(at.plane.store.list("ControllerRevision", "default").map(({ revision }) => revision)).toEqual([3, 4]);
    await at.applied(statefulSet("web", { image: "c", spec }));
    expect(at.plane.store.list("ControllerRevision", "default").map(({ revision }) => revision)).toEqual([5, 4]);
  });

  it("refuses changes of what is fixed, and is waited for as kubectl rollout status does", async () => {
    await at.applied(statefulSet("web"));
    expect(() => at.plane.apply([statefulSet("web", { spec: { serviceName: "other" } })])).toThrow(
      /StatefulSet default\/web: spec.serviceName cannot change/,
    );
    const ref = { kind: "StatefulSet", namespace: "default", name: "web" };
    await at.plane.wait({ kind: "condition", ref, condition: "Ready" }, { timeoutMs: 100 });
    neverReady(({ metadata }) => metadata.name === "web-1");
    at.plane.scale(ref, 3);
    await expect(at.plane.wait({ kind: "condition", ref, condition: "Ready" }, { timeoutMs: 50 })).rejects.toThrow(
      /StatefulSet default\/web was not Ready within 0.05 s: 1 of 3 pods ready; pod web-1: containers with unready/,
    );
  });
});
