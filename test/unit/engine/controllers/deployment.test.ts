import { describe, expect, it } from "vitest";
import type { Pod } from "../../../../src/kube/types.ts";
import { useControlPlane } from "../use-control-plane.ts";
import { settledControlPlane } from "../fake-runtime.ts";
import { deployment, pod } from "../store/objects.ts";

const at = useControlPlane();

describe("a Deployment", () => {
  it("gets its pods running, ready and spread over the workers", async () => {
    await at.applied(deployment("web", { replicas: 4 }));
    expect(
      at
        .pods()
        .map(({ spec }) => spec.nodeName)
        .toSorted((left = "", right = "") => left.localeCompare(right)),
    ).toEqual(["worker1", "worker1", "worker2", "worker2"]);
    expect(at.pods()[0]?.status).toMatchObject({
      phase: "Running",
      hostIP: expect.stringMatching(/^172\.18\.0\./) as string,
      podIPs: [{ ip: expect.any(String) as string }],
    });
    expect(at.pods()[0]?.status?.conditions?.map(({ type, status: value }) => `${type}=${value}`)).toEqual([
      "PodScheduled=True",
      "Initialized=True",
      "ContainersReady=True",
      "Ready=True",
    ]);
    expect(at.status()).toMatchObject({
      observedGeneration: 1,
      replicas: 4,
      updatedReplicas: 4,
      readyReplicas: 4,
      availableReplicas: 4,
    });
    expect(at.status()?.conditions?.map(({ type, reason }) => `${type} ${reason}`)).toEqual([
      "Available MinimumReplicasAvailable",
      "Progressing NewReplicaSetAvailable",
    ]);
  });

  it("names pods after itself and its template, the same in every run", async () => {
    await at.applied(deployment("web"));
    const [name] = at.names(at.pods());
    expect(name).toMatch(/^web-[bcdfghjklmnpqrstvwxz2456789]+-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
    const other = (await settledControlPlane()).plane;
    other.apply([deployment("web")]);
    await other.settle();
    expect(at.names(other.store.list("Pod", "default"))).toEqual([name]);
    other.close();
  });

  it("tells its newest set the cause of the change, and times its conditions", async () => {
    const web = deployment("web");
    const annotations = {
      "kubernetes.io/change-cause": "colour",
      "kubectl.kubernetes.io/last-applied-configuration": "{}",
    };
    await at.applied({ ...web, metadata: { ...web.metadata, annotations } });
    const [set] = at.plane.store.list("ReplicaSet", "default");
    expect(set?.metadata.annotations).toEqual({
      "kubernetes.io/change-cause": "colour",
      "deployment.kubernetes.io/revision": "1",
    });
    expect(at.status()?.conditions?.map(({ lastUpdateTime }) => typeof lastUpdateTime)).toEqual(["string", "string"]);
  });

  it("starts all new pods in one batch", async () => {
    const before = at.runtime.batches;
    await at.applied(deployment("web", { replicas: 50 }));
    expect(at.runtime.batches - before).toBe(1);
    expect(at.status()?.availableReplicas).toBe(50);
  });

  it("follows a scale up and down, and loses what is not ready first", async () => {
    at.runtime.outcome = ({ metadata }) =>
      metadata.name === at.runtime.started.filter((name) => name.startsWith("web")).at(1)
        ? { podIPs: [at.runtime.address()], containers: [{ name: "main", state: { kind: "running" }, notReady: "no" }] }
        : undefined;
    await at.applied(deployment("web", { replicas: 3 }));
    const unready = at
      .pods()
      .find(({ status: { conditions } = {} }) =>
        conditions?.some(({ type, status: value }) => type === "Ready" && value === "False"),
      );
    at.plane.scale({ kind: "Deployment", namespace: "default", name: "web" }, 2);
    await at.plane.settle();
    expect(at.names(at.pods())).not.toContain(unready?.metadata.name);
    expect(at.runtime.stopped).toEqual([unready?.metadata.name]);
    expect(at.status()).toMatchObject({ replicas: 2, availableReplicas: 2 });
  });

  it("replaces a pod that is deleted", async () => {
    await at.applied(deployment("web", { replicas: 2 }));
    const [first = ""] = at.names(at.pods());
    await at.plane.delete([{ kind: "Pod", name: first }]);
    await at.plane.settle();
    expect(at.pods()).toHaveLength(2);
    expect(at.names(at.pods())).not.toContain(first);
  });

  it("rolls a new template out without ever having too few available or too many pods", async () => {
    await at.applied(deployment("web", { replicas: 4 }));
    let fewest = 4;
    let most = 4;
    at.plane.store.watch({ kinds: ["Pod"] }, () => {
      const all = at.pods().filter(({ metadata }) => metadata.deletionTimestamp === undefined);
      most = Math.max(most, all.length);
      fewest = Math.min(fewest, all.filter(({ status: { phase } = {} }) => phase === "Running").length);
    });
    await at.applied(deployment("web", { replicas: 4, image: "nginx:2" }));
    expect({ fewest, most }).toEqual({ fewest: 3, most: 5 });
    expect(at.pods().map(({ spec }) => spec.containers[0]?.image)).toEqual(Array.from({ length: 4 }, () => "nginx:2"));
    expect(at.plane.store.list("ReplicaSet", "default").map(({ spec }) => spec.replicas)).toEqual([0, 4]);
    expect(at.status()).toMatchObject({ replicas: 4, updatedReplicas: 4, availableReplicas: 4 });
  });

  it("has the revision of its newest set, also when a template comes back, and counts none for a scale", async () => {
    const seen: [string | undefined, (string | undefined)[]][] = [];
    const revision = "deployment.kubernetes.io/revision";
    for (const wanted of [{}, { image: "nginx:2" }, { image: "nginx:2", replicas: 2 }, {}]) {
      await at.applied(deployment("web", wanted));
      seen.push([
        at.plane.store.get("Deployment", "web", "default")?.metadata.annotations?.[revision],
        at.plane.store.list("ReplicaSet", "default").map(({ metadata }) => metadata.annotations?.[revision]),
      ]);
    }
    expect(seen).toEqual([
      ["1", ["1"]],
      ["2", ["1", "2"]],
      ["2", ["1", "2"]],
      ["3", ["3", "2"]],
    ]);
  });

  it("keeps the old pods while the new ones do not become ready", async () => {
    await at.applied(deployment("web", { replicas: 4 }));
    at.runtime.outcome = () => ({
      podIPs: [at.runtime.address()],
      containers: [{ name: "main", state: { kind: "exited", exitCode: 1, message: "broken" } }],
    });
    await at.applied(deployment("web", { replicas: 4, image: "nginx:broken" }));
    expect(at.status()?.availableReplicas).toBe(3);
    await at.applied(deployment("web", { replicas: 4 }));
    expect(at.pods().map(({ spec }) => spec.containers[0]?.image)).toEqual(
      expect.arrayContaining(["nginx"]) as string[],
    );
  });

  it("with Recreate stops all old pods before the first new one", async () => {
    await at.applied(deployment("web", { replicas: 2, spec: { strategy: { type: "Recreate" } } }));
    const old = at.names(at.pods());
    let overlap = false;
    at.plane.store.watch(
      { kinds: ["Pod"] },
      () =>
        (overlap ||=
          at.names(at.pods()).some((name) => old.includes(name)) &&
          at.names(at.pods()).some((name) => !old.includes(name))),
    );
    await at.applied(deployment("web", { replicas: 2, image: "nginx:2", spec: { strategy: { type: "Recreate" } } }));
    expect(overlap).toBe(false);
    expect(at.pods().map(({ spec }) => spec.containers[0]?.image)).toEqual(["nginx:2", "nginx:2"]);
  });

  it("goes with its ReplicaSets and pods", async () => {
    await at.applied(deployment("web", { replicas: 3 }));
    await at.plane.delete([{ kind: "Deployment", name: "web" }]);
    await at.plane.settle();
    expect(at.pods()).toEqual([]);
    expect(at.plane.store.list("ReplicaSet", "default")).toEqual([]);
    expect(at.runtime.stopped).toHaveLength(3);
  });
});

describe("a ReplicaSet", () => {
  it("adopts pods its selector matches and lets go of one whose labels change", async () => {
    await at.applied(pod("stray", { labels: { app: "web" } }));
    const { spec } = deployment("web", { replicas: 2 });
    await at.applied({
      apiVersion: "apps/v1",
      kind: "ReplicaSet",
      metadata: { name: "web", namespace: "default" },
      spec,
    });
    expect(at.pods()).toHaveLength(2);
    expect(at.plane.store.get("Pod", "stray", "default")?.metadata.ownerReferences?.[0]).toMatchObject({
      kind: "ReplicaSet",
      name: "web",
      controller: true,
    });
    const stray = at.plane.store.get("Pod", "stray", "default");
    at.plane.store.update({ ...stray, metadata: { ...stray?.metadata, labels: { app: "other" } } } as Pod);
    await at.plane.settle();
    expect(at.plane.store.get("Pod", "stray", "default")?.metadata.ownerReferences).toEqual([]);
    expect(at.pods()).toHaveLength(3);
  });
});
