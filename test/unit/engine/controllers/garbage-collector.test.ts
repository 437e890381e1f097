import { describe, expect, test } from "vitest";
import type { KubeObject } from "../../../../src/kube/types.ts";
import { configMap, deployment } from "../store/objects.ts";
import { useControlPlane } from "../use-control-plane.ts";

const web = { kind: "Deployment", namespace: "default", name: "web" };

describe("what an object owns", () => {
  const at = useControlPlane();

  test("goes before it, from the pods up, where its deletion is in the foreground", async () => {
    await at.applied(deployment("web", { replicas: 2 }));
    const gone: string[] = [];
    at.plane.store.watch({ kinds: ["Deployment", "ReplicaSet", "Pod"] }, (events) => {
      for (const { type, key } of events) if (type === "DELETED") gone.push(key);
    });
    at.plane.store.delete(web, { propagation: "Foreground" });
    expect(at.plane.store.find(web)?.metadata).toMatchObject({
      deletionTimestamp: expect.any(String) as string,
      finalizers: ["foregroundDeletion"],
    });
    await at.plane.settle();
    expect(gone).toEqual(["Pod", "Pod", "ReplicaSet", "Deployment"]);
  });

  test("stays without it, where it is left an orphan by a finalizer of its own", async () => {
    const owner = at.plane.store.create<KubeObject>({
      ...configMap("owner"),
      metadata: { name: "owner", namespace: "default", finalizers: ["orphan"] },
    });
    const { uid = "" } = owner.metadata;
    const owned = configMap("owned");
    owned.metadata.ownerReferences = [{ apiVersion: "v1", kind: "ConfigMap", name: "owner", uid }];
    at.plane.store.create(owned);
    at.plane.store.delete({ kind: "ConfigMap", namespace: "default", name: "owner" });
    await at.plane.settle();
    const left = at.plane.store.all({ kind: "ConfigMap", namespace: "default" });
    expect(left.map(({ metadata }) => [metadata.name, metadata.ownerReferences])).toContainEqual(["owned", undefined]);
    expect(left.map(({ metadata }) => metadata.name)).not.toContain("owner");
  });

  test("stays where somebody else owns it, too, and holds nothing up that it does not block", async () => {
    const [first, second] = ["first", "second"].map((name) => at.plane.store.create(configMap(name)).metadata);
    const owner = (metadata: typeof first, blockOwnerDeletion: boolean) => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      name: metadata?.name ?? "",
      uid: metadata?.uid ?? "",
      blockOwnerDeletion,
    });
    const shared = configMap("shared");
    shared.metadata.ownerReferences = [owner(first, true), owner(second, true)];
    const held = configMap("held");
    held.metadata.ownerReferences = [owner(first, false)];
    held.metadata.finalizers = ["example.org/hold"];
    at.plane.store.create(shared);
    at.plane.store.create(held);
    const ref = { kind: "ConfigMap", namespace: "default", name: "first" };
    at.plane.store.delete(ref, { propagation: "Foreground" });
    await at.plane.settle();
    expect(at.plane.store.find(ref)).toBeUndefined();
    expect(at.plane.store.find({ ...ref, name: "shared" })?.metadata.ownerReferences).toMatchObject([
      { name: "second" },
    ]);
    expect(at.plane.store.find({ ...ref, name: "held" })?.metadata.deletionTimestamp).toBeDefined();
  });

  test("no longer holds up an owner that is then deleted in the background", () => {
    const owner = configMap("owner");
    owner.metadata.finalizers = ["foregroundDeletion", "example.org/hold"];
    at.plane.store.create(owner);
    const ref = { kind: "ConfigMap", namespace: "default", name: "owner" };
    at.plane.store.delete(ref, { propagation: "Background" });
    expect(at.plane.store.find(ref)?.metadata.finalizers).toEqual(["example.org/hold"]);
  });
});
