import { describe, expect, test } from "vitest";
import type { KubeObject } from "../../../src/kube/types.ts";
import type { ClusterChanges } from "../../../src/providers/changes.ts";
import { hasImpact, WatchedObjects } from "../../../src/run/watched-objects.ts";

const object = (
  kind: string,
  rest: Record<string, unknown> = {},
  metadata: Record<string, unknown> = {},
): KubeObject => ({
  apiVersion: kind === "NetworkPolicy" ? "networking.k8s.io/v1" : "v1",
  kind,
  metadata: { name: "x", namespace: "shop", uid: kind, ...metadata },
  ...rest,
});
const pod = (status: object, labels = {}): KubeObject =>
  object("Pod", { spec: { containers: [] }, status }, { labels });
const changes = (rest: Partial<ClusterChanges>): ClusterChanges => ({
  point: 1,
  isWhole: false,
  objects: [],
  deleted: [],
  byHand: [],
  ongoing: [],
  ...rest,
});

function after(...before: KubeObject[]): WatchedObjects {
  const watched = new WatchedObjects();
  watched.take(changes({ isWhole: true, objects: before }));
  return watched;
}

describe("what changed objects may change", () => {
  test("an address makes the pod another, labels only what policies say of it", () => {
    const watched = after(pod({ podIP: "10.0.0.1" }));
    const moved = watched.take(changes({ objects: [pod({ podIP: "10.0.0.2" })] }));
    expect([[...moved.pods], moved.hasPolicies]).toEqual([["shop/x"], false]);
    const labelled = watched.take(changes({ objects: [pod({ podIP: "10.0.0.2" }, { app: "x" })] }));
    expect([[...labelled.pods], labelled.hasPolicies]).toEqual([[], true]);
  });

  test("what is written and says nothing new has no impact", () => {
    const policy = object("NetworkPolicy", { spec: { podSelector: {} } });
    const stamped = object("NetworkPolicy", { spec: { podSelector: {} } }, { resourceVersion: "9" });
    expect(hasImpact(after(policy).take(changes({ objects: [stamped] })))).toBe(false);
    expect(hasImpact(after().take(changes({ objects: [object("Lease")] })))).toBe(false);
  });

  test("a policy that is deleted is told by its name", () => {
    const { hasPolicies, what } = after(object("NetworkPolicy", { spec: {} })).take(
      changes({ deleted: ["NetworkPolicy"] }),
    );
    expect([hasPolicies, what]).toEqual([true, ["NetworkPolicy shop/x deleted"]]);
  });

  test("what nobody can weigh makes everything doubtful, and so does what was done by hand", () => {
    expect(after().take(changes({ objects: [object("ConfigMap")] })).whole).toEqual(["ConfigMap shop/x created"]);
    expect(after().take(changes({ byHand: ["a command in shop/x"] })).whole).toEqual(["a command in shop/x"]);
  });

  test("a list of everything instead of changes makes everything doubtful, but for the first", () => {
    const all = changes({ isWhole: true, objects: [object("Service")] });
    const watched = new WatchedObjects();
    expect(watched.take(all).whole).toEqual([]);
    expect(watched.take(all).whole).toEqual(["changes came faster than they were read"]);
  });
});
