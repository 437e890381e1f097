import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../../src/kube/patch/json-value.ts";
import { applyStrategicMergePatch } from "../../../../src/kube/patch/strategic-merge-patch.ts";

const gvk = { group: "apps", version: "v1", kind: "Deployment" };

/** A patch of a pod template's spec, on one with these fields. */
function patched(before: JsonObject, patch: JsonObject): unknown {
  const given = structuredClone([before, patch]);
  const wrap = (spec: JsonObject): JsonObject => ({ spec: { template: { spec } } });
  const { spec } = applyStrategicMergePatch(wrap(before), wrap(patch), gvk) as {
    spec: { template: { spec: unknown } };
  };
  expect([before, patch]).toEqual(given);
  return spec.template.spec;
}

const nginx = { name: "patch-demo-ctr", image: "nginx" };
const redis = { name: "patch-demo-ctr-2", image: "redis" };

describe("applyStrategicMergePatch", () => {
  // The examples of kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch.
  test("containers are merged by name", () => {
    expect(patched({ containers: [nginx] }, { containers: [redis] })).toEqual({ containers: [redis, nginx] });
  });

  test("tolerations, which have no merge key, are replaced", () => {
    const before = { tolerations: [{ effect: "NoSchedule", key: "dedicated", value: "test-team" }] };
    const patch = { tolerations: [{ effect: "NoSchedule", key: "disktype", value: "ssd" }] };
    expect(patched(before, patch)).toEqual(patch);
  });

  test("$retainKeys clears what it does not name", () => {
    const before = { spec: { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "30%" } } } };
    const patch = { spec: { strategy: { $retainKeys: ["type"], type: "Recreate" } } };
    expect(applyStrategicMergePatch(before, patch, gvk)).toEqual({ spec: { strategy: { type: "Recreate" } } });
  });

  // The examples of the design of directives (design-proposals-archive, cli/preserve-order-in-strategic-merge-patch).
  test("$patch: delete takes an item, $patch: replace the list", () => {
    const before = { containers: [nginx, redis] };
    expect(patched(before, { containers: [{ name: nginx.name, $patch: "delete" }] })).toEqual({ containers: [redis] });
    const replace = { containers: [{ $patch: "replace" }, { name: "only", image: "busybox" }] };
    expect(patched(before, replace)).toEqual({ containers: [{ name: "only", image: "busybox" }] });
  });

  test("$setElementOrder orders what it names, and others stay where they were between them", () => {
    const names = (list: readonly string[]): JsonObject[] => list.map((name) => ({ name }));
    const before = { containers: names(["a", "server", "b", "c"]) };
    const order = { "$setElementOrder/containers": names(["c", "b", "new", "a"]), containers: names(["new"]) };
    expect(patched(before, order)).toEqual({ containers: names(["server", "c", "b", "new", "a"]) });
    expect(patched(before, { "$setElementOrder/containers": names(["b", "a"]) })).toEqual({
      containers: names(["server", "b", "a", "c"]),
    });
  });

  test("sets of texts are joined, and $deleteFromPrimitiveList takes from them", () => {
    const before = { metadata: { finalizers: ["a", "b"] } };
    const add = { metadata: { finalizers: ["c", "a"] } };
    expect(applyStrategicMergePatch(before, add, gvk)).toEqual({ metadata: { finalizers: ["c", "a", "b"] } });
    const take = { metadata: { "$deleteFromPrimitiveList/finalizers": ["a", "z"] } };
    expect(applyStrategicMergePatch(before, take, gvk)).toEqual({ metadata: { finalizers: ["b"] } });
  });

  test("null removes a field; directives and nulls are never stored", () => {
    const before = { nodeSelector: { a: "b" }, hostNetwork: true };
    const patch = {
      hostNetwork: null,
      securityContext: { runAsUser: null, runAsGroup: 1 },
      affinity: { $patch: "delete" },
    };
    expect(patched(before, patch)).toEqual({ nodeSelector: { a: "b" }, securityContext: { runAsGroup: 1 } });
  });

  test.each([
    [{ containers: [{ image: "x" }] }, 500, "map: map[image:x] does not contain declared merge key: name"],
    [{ containers: [{ name: "x", $patch: "what" }] }, 500, "unknown patch type: what in map: map[$patch:what name:x]"],
    [{ "$setElementOrder/containers": [{ name: "a" }], containers: [{ name: "b" }] }, 500, "The order in patch list"],
    [{ $deleteFromPrimitiveList: ["a"] }, 400, "invalid patch format of primitive list"],
    [{ $retainKeys: ["a"], hostNetwork: true }, 400, "invalid patch format of retainKeys"],
    [{ containers: [["a"]] }, 422, "lists of lists are not supported"],
  ])("refuses %j", (patch, status, message) => {
    const refused = (): unknown => patched({ containers: [nginx] }, patch);
    expect(refused).toThrow(expect.objectContaining({ status }));
    expect(refused).toThrow(message);
  });

  test("there are none for custom resources", () => {
    expect(() => applyStrategicMergePatch({}, {}, { ...gvk, group: "example.org" })).toThrow(
      expect.objectContaining({ status: 400 }),
    );
  });
});
