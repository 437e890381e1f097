import { beforeEach, describe, expect, it } from "vitest";
import type { StoreEvent } from "../../../../src/engine/store/history.ts";
import { ObjectStore } from "../../../../src/engine/store/store.ts";
import type { KubeObject } from "../../../../src/kube/types.ts";
import { configMap, deployment, namespace, pod, service } from "./objects.ts";

const ref = { kind: "ConfigMap", namespace: "default", name: "a" };
let store: ObjectStore;

beforeEach(() => {
  store = new ObjectStore();
  store.create(namespace("default"));
});

async function told(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe("writing", () => {
  it("gives a new object its uid, version, generation and time", () => {
    const { metadata } = store.create(configMap("a"));
    expect(metadata.uid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(metadata).toMatchObject({ resourceVersion: "2" });
    expect(metadata).not.toHaveProperty("generation");
    expect(metadata.creationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  });

  it("freezes what it stores and keeps no tie to what it was given", () => {
    const given = configMap("a", { key: "1" });
    const stored = store.create(given);
    (given["data"] as Record<string, string>)["key"] = "2";
    expect(stored["data"]).toEqual({ key: "1" });
    expect(() => Object.assign(stored["data"] as object, { key: "3" })).toThrow(TypeError);
  });

  it("refuses a second object of the same name", () => {
    store.create(configMap("a"));
    expect(() => store.create(configMap("a"))).toThrow(expect.objectContaining({ code: "OBJECT_EXISTS" }));
  });

  it("makes a name from generateName, the same for the same seed", () => {
    const generated = (): string => {
      const other = new ObjectStore();
      other.create(namespace("default"));
      const metadata = { namespace: "default", generateName: "job-" } as KubeObject["metadata"];
      return other.create<KubeObject>({ ...configMap("x"), metadata }).metadata.name;
    };
    expect(generated()).toMatch(/^job-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
    expect(generated()).toBe(generated());
  });

  it.each(["../escape", "UPPER", "", "a/b", ".", "a..b", "x".repeat(254)])("refuses the name %j", (name) => {
    expect(() => store.create(configMap(name))).toThrow(expect.objectContaining({ code: "OBJECT_INVALID" }));
  });

  it("refuses an object whose namespace is missing or going", () => {
    expect(() => store.create(configMap("a", {}, "shop"))).toThrow(
      expect.objectContaining({
        code: "NAMESPACE_NOT_FOUND",
        message: expect.stringContaining("does not exist") as string,
      }),
    );
    store.create({ ...namespace("shop"), spec: { finalizers: ["kubernetes"] } });
    store.delete({ kind: "Namespace", name: "shop" });
    expect(() => store.create(configMap("a", {}, "shop"))).toThrow(
      expect.objectContaining({
        code: "NAMESPACE_NOT_FOUND",
        message: expect.stringContaining("being deleted") as string,
      }),
    );
  });

  it("bumps the generation when what is wanted changes, not for labels, nor for status", () => {
    const created = store.create(deployment("web"));
    const labelled = store.update({ ...created, metadata: { ...created.metadata, labels: { a: "b" } } });
    expect(labelled.metadata.generation).toBe(1);
    const withStatus = store.updateStatus({ ...labelled, status: { replicas: 1 } });
    expect(withStatus.metadata.generation).toBe(1);
    expect(store.update({ ...withStatus, spec: { ...withStatus.spec, replicas: 2 } }).metadata.generation).toBe(2);
  });

  it("keeps the status on an update, and the rest on an update of the status", () => {
    const created = store.create(service("web"));
    store.updateStatus({ ...created, spec: { type: "ExternalName" }, status: { seen: true } });
    const updated = store.update({
      ...store.find({ kind: "Service", name: "web" }),
      status: { seen: false },
      spec: { type: "NodePort" },
    } as never);
    expect(updated).toMatchObject({ status: { seen: true }, spec: { type: "NodePort" } });
  });

  it("makes no new version for a write that changes nothing", () => {
    const created = store.create(configMap("a", { key: "1" }));
    expect(store.update(created).metadata.resourceVersion).toBe(created.metadata.resourceVersion);
    expect(store.version).toBe(2);
  });

  it("refuses a write from a version that is no longer the newest", () => {
    const created = store.create(configMap("a"));
    store.update({ ...created, data: { key: "1" } });
    expect(() => store.update({ ...created, data: { key: "2" } })).toThrow(
      expect.objectContaining({ code: "STORE_CONFLICT" }),
    );
    expect(() => store.update({ ...configMap("a", { key: "3" }) })).not.toThrow();
  });

  it("refuses to update or delete what does not exist", () => {
    expect(() => store.update(configMap("a"))).toThrow(expect.objectContaining({ code: "OBJECT_NOT_FOUND" }));
    expect(() => store.delete(ref)).toThrow(expect.objectContaining({ code: "OBJECT_NOT_FOUND" }));
  });
});

describe("kinds", () => {
  it("keeps objects of unknown kinds apart from built-in ones of the same name", () => {
    store.create({ ...service("web"), apiVersion: "serving.knative.dev/v1" });
    expect(store.list("Service")).toEqual([]);
    expect(store.all({ kind: "Service" })).toEqual([]);
    expect(store.all({ kind: "Service.serving.knative.dev" })).toHaveLength(1);
  });

  it("finds an unknown kind by its name alone, and takes it for cluster-wide where it names no namespace", () => {
    store.create({ apiVersion: "example.com/v1", kind: "Widget", metadata: { name: "a" } });
    expect(store.find({ kind: "Widget", name: "a" })?.metadata.namespace).toBeUndefined();
  });

  it("follows a CustomResourceDefinition's scope", () => {
    const spec = { group: "example.com", names: { kind: "Widget" }, scope: "Namespaced" };
    store.create({
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: { name: "widgets.example.com" },
      spec,
    });
    expect(
      store.create<KubeObject>({ apiVersion: "example.com/v1", kind: "Widget", metadata: { name: "a" } }).metadata
        .namespace,
    ).toBe("default");
  });

  it("lists in order of creation", () => {
    for (const name of ["c", "a", "b"]) store.create(configMap(name));
    store.update(configMap("c", { changed: "yes" }));
    expect(store.all({ kind: "ConfigMap" }).map(({ metadata }) => metadata.name)).toEqual(["c", "a", "b"]);
  });
});

describe("deleting", () => {
  it("waits for finalizers, and removes the object with the last of them", () => {
    const created = store.create({
      ...configMap("a"),
      metadata: { ...configMap("a").metadata, finalizers: ["example.com/hold"] },
    });
    store.delete(ref);
    expect(store.find(ref)?.metadata.deletionTimestamp).toBeDefined();
    store.update({ ...configMap("a"), metadata: { ...configMap("a").metadata, finalizers: [] } });
    expect(store.find(ref)).toBeUndefined();
    expect(created.metadata.deletionTimestamp).toBeUndefined();
  });

  it("leaves a pod on a node to its kubelet, and removes one that has none", () => {
    store.create(pod("bound", { spec: { nodeName: "worker" } }));
    store.create(pod("loose"));
    store.delete({ kind: "Pod", name: "bound" });
    store.delete({ kind: "Pod", name: "loose" });
    expect(store.list("Pod").map(({ metadata }) => metadata.name)).toEqual(["bound"]);
    store.updateStatus({ ...store.get("Pod", "bound", "default"), status: { phase: "Running" } } as never);
    expect(store.get("Pod", "bound", "default")).toBeDefined();
    store.delete({ kind: "Pod", name: "bound" }, { gracePeriodSeconds: 0 });
    expect(store.list("Pod")).toEqual([]);
  });

  it.each([
    ["its own", { terminationGracePeriodSeconds: 7 }, undefined, 7],
    ["what is asked for", { terminationGracePeriodSeconds: 7 }, 90, 90],
    ["30 s where it says nothing", {}, undefined, 30],
    ["1 s for less than none", { terminationGracePeriodSeconds: -1 }, undefined, 1],
  ])("gives a pod %s to end", (_, spec, gracePeriodSeconds, seconds) => {
    store.create(pod("bound", { spec: { nodeName: "worker", ...spec } }));
    store.delete({ kind: "Pod", name: "bound" }, gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds });
    expect(store.get("Pod", "bound", "default")?.metadata.deletionGracePeriodSeconds).toBe(seconds);
  });

  it("removes a pod at once that has no time to end", () => {
    store.create(pod("bound", { spec: { nodeName: "worker", terminationGracePeriodSeconds: 0 } }));
    store.delete({ kind: "Pod", name: "bound" });
    expect(store.list("Pod")).toEqual([]);
  });

  it("strips the owner from dependents that are to be orphaned", () => {
    const owner = store.create(configMap("a"));
    store.create({
      ...configMap("b"),
      metadata: {
        ...configMap("b").metadata,
        ownerReferences: [{ apiVersion: "v1", kind: "ConfigMap", name: "a", uid: owner.metadata.uid ?? "" }],
      },
    });
    expect(store.dependents(owner.metadata.uid ?? "")).toHaveLength(1);
    store.delete(ref, { propagation: "Orphan" });
    expect(store.find({ ...ref, name: "b" })?.metadata).not.toHaveProperty("ownerReferences");
  });
});

describe("what kinds are indexed by", () => {
  const web = (clusterIP: string): KubeObject => {
    const one = service("web");
    return { ...one, spec: { ...one.spec, clusterIP, clusterIPs: [clusterIP] } };
  };
  const holders = (address: string): string[] =>
    store.indexed("Service", address).map(({ metadata: { name } }) => name);

  it("follows what is created, changed and deleted", () => {
    store.create(web("10.96.0.1"));
    expect(holders("10.96.0.1")).toEqual(["web"]);
    store.update(web("10.96.0.2"));
    expect([holders("10.96.0.1"), holders("10.96.0.2")]).toEqual([[], ["web"]]);
    store.delete({ kind: "Service", namespace: "default", name: "web" });
    expect(holders("10.96.0.2")).toEqual([]);
  });

  it("is as before where a transaction is taken back", () => {
    store.create(web("10.96.0.1"));
    const change = (): void =>
      store.transaction(() => {
        store.update(web("10.96.0.2"));
        store.delete({ kind: "Service", namespace: "default", name: "web" });
        throw new Error("no");
      });
    expect(change).toThrow("no");
    expect([holders("10.96.0.1"), holders("10.96.0.2")]).toEqual([["web"], []]);
  });

  it("finds the slices of one Service, in order of creation", () => {
    const slice = (name: string, of: string, where = "default"): KubeObject => ({
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name, namespace: where, labels: { "kubernetes.io/service-name": of } },
      addressType: "IPv4",
      endpoints: [],
    });
    store.create(namespace("other"));
    for (const each of [slice("b", "web"), slice("a", "web"), slice("c", "db"), slice("d", "web", "other")])
      store.create(each);
    expect(store.indexed("EndpointSlice", "default/web").map(({ metadata }) => metadata.name)).toEqual(["b", "a"]);
  });
});

describe("transactions", () => {
  it("take back every write when one fails, and tell no watcher", async () => {
    store.create(configMap("a", { key: "old" }));
    const before = { version: store.version, objects: store.all() };
    const seen: StoreEvent[] = [];
    store.watch({}, (events) => seen.push(...events));
    const attempt = (): unknown =>
      store.transaction(() => {
        store.update(configMap("a", { key: "new" }));
        store.create(configMap("b"));
        store.delete(ref);
        throw new Error("refused");
      });
    expect(attempt).toThrow("refused");
    expect({ version: store.version, objects: store.all() }).toEqual(before);
    await told();
    expect(seen).toEqual([]);
    store.create(configMap("c"));
    await told();
    expect(seen.map(({ version }) => version)).toEqual([before.version + 1]);
  });
});
