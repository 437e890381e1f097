import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { managedFieldsOf } from "../../../../src/kube/patch/managed-fields.ts";
import type { JsonObject } from "../../../../src/kube/patch/json-value.ts";
import { type Apply, applyServerSide } from "../../../../src/kube/patch/server-side-apply.ts";
import { trackUpdate } from "../../../../src/kube/patch/track-update.ts";

const gvk = { group: "apps", version: "v1", kind: "Deployment" };

/** Parts of a Deployment that are owned apart from each other. */
interface Parts {
  labels?: Record<string, string>;
  replicas?: number;
  containers?: { name: string; image: string; env?: { name: string; value: string }[] }[];
}

function deployment({ labels, ...spec }: Parts): JsonObject {
  const template = spec.containers && { template: { spec: { containers: spec.containers } } };
  const metadata = { name: "x", ...(labels && { labels }) };
  const replicas = spec.replicas === undefined ? {} : { replicas: spec.replicas };
  // An empty spec would be a field too.
  const specified = { ...replicas, ...template };
  const object = { apiVersion: "apps/v1", kind: "Deployment", metadata };
  return Object.keys(specified).length === 0 ? object : { ...object, spec: specified };
}

function apply(options: Omit<Apply, "gvk" | "time" | "force"> & Partial<Apply>): JsonObject {
  const result = applyServerSide({ gvk, time: "2002-02-02T00:00:00Z", force: false, ...options });
  if ("conflicts" in result) throw new Error(result.message);
  return result.object;
}

const text = fc.constantFrom("1", "2", "3");
/** Labels, containers and variables with names from these alone; none is empty, which the API server would not keep. */
const partsOf = (names: readonly string[]): fc.Arbitrary<Parts> =>
  fc.record(
    {
      labels: fc.dictionary(fc.constantFrom(...names), text, { noNullPrototype: true, minKeys: 1 }),
      containers: fc.uniqueArray(
        fc.record(
          {
            name: fc.constantFrom(...names),
            image: text,
            env: fc.uniqueArray(fc.record({ name: fc.constantFrom("A", "B"), value: text }), {
              selector: ({ name }) => name,
              minLength: 1,
            }),
          },
          { requiredKeys: ["name", "image"] },
        ),
        { selector: ({ name }) => name, minLength: 1 },
      ),
    },
    { requiredKeys: [] },
  );
const anyParts = partsOf(["a", "b", "c"]);

describe("applyServerSide", () => {
  test("the same apply again changes nothing, not even a time", () => {
    fc.assert(
      fc.property(anyParts, anyParts, (first, second) => {
        const base = apply({ applied: deployment(first), manager: "one" });
        const once = apply({ live: base, applied: deployment(second), manager: "two", force: true });
        const later = "2003-03-03T00:00:00Z";
        expect(apply({ live: once, applied: deployment(second), manager: "two", time: later })).toEqual(once);
      }),
    );
  });

  test("appliers of different fields never conflict, and each one's are there", () => {
    fc.assert(
      fc.property(partsOf(["a", "b"]), partsOf(["c", "d"]), (mine, others) => {
        const base = apply({ applied: deployment(mine), manager: "one" });
        const both = apply({ live: base, applied: deployment(others), manager: "two" });
        const { labels } = both["metadata"] as { labels?: object };
        expect(labels ?? {}).toEqual({ ...mine.labels, ...others.labels });
        const again = apply({ live: both, applied: deployment(mine), manager: "one" });
        expect(again).toEqual(both);
      }),
    );
  });

  test("what its only owner applies no more is gone, whatever order others came in", () => {
    fc.assert(
      fc.property(partsOf(["a", "b"]), partsOf(["c", "d"]), (mine, others) => {
        // An object that nobody owns anything of is one from before the first apply.
        const alone = apply({ applied: deployment({ ...others, replicas: 1 }), manager: "two" });
        const both = apply({ live: alone, applied: deployment(mine), manager: "one" });
        const left = apply({ live: both, applied: deployment({}), manager: "one" });
        expect(managedFieldsOf(left)).toEqual(managedFieldsOf(alone));
        expect((left["metadata"] as JsonObject)["labels"] ?? {}).toEqual(others.labels ?? {});
      }),
    );
  });

  test("nothing given is changed", () => {
    fc.assert(
      fc.property(anyParts, anyParts, (first, second) => {
        const live = apply({ applied: deployment(first), manager: "one" });
        const applied = deployment(second);
        const given = structuredClone([live, applied]);
        apply({ live, applied, manager: "two", force: true });
        trackUpdate({ before: live, after: applied, gvk, manager: "three", time: "2002-02-02T00:00:00Z" });
        expect([live, applied]).toEqual(given);
      }),
    );
  });

  test("a conflict names the field and who has it, and force takes it", () => {
    const live = apply({ applied: deployment({ replicas: 1 }), manager: "one" });
    const wish = { live, applied: deployment({ replicas: 2 }), gvk, manager: "two", time: "2002-02-02T00:00:00Z" };
    expect(applyServerSide({ ...wish, force: false })).toEqual({
      conflicts: [{ reason: "FieldManagerConflict", message: 'conflict with "one"', field: ".spec.replicas" }],
      message: 'Apply failed with 1 conflict: conflict with "one": .spec.replicas',
    });
    const taken = apply({ ...wish, force: true });
    expect(managedFieldsOf(taken)).toMatchObject([{ manager: "two", fieldsV1: { "f:spec": { "f:replicas": {} } } }]);
  });

  test("a custom resource is typed by its schema, and without one by its values", () => {
    const custom = { group: "example.org", version: "v1", kind: "Route" };
    const route = (hops: JsonObject[]): JsonObject => ({
      apiVersion: "example.org/v1",
      kind: "Route",
      metadata: { name: "x" },
      spec: { hops },
    });
    const hop = { type: "object", properties: { to: { type: "string" }, cost: { type: "integer" } } };
    const hops = { type: "array", items: hop, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["to"] };
    const schema = { properties: { spec: { type: "object", properties: { hops } } } } as NonNullable<Apply["schema"]>;
    const first = { applied: route([{ to: "a", cost: 1 }]), gvk: custom, manager: "one" };
    const second = {
      live: apply({ ...first, schema }),
      applied: route([{ to: "b", cost: 2 }]),
      gvk: custom,
      manager: "two",
    };
    expect(apply({ ...second, schema })["spec"]).toEqual({
      hops: [
        { to: "a", cost: 1 },
        { to: "b", cost: 2 },
      ],
    });
    expect(
      applyServerSide({ ...second, live: apply(first), force: false, time: "2002-02-02T00:00:00Z" }),
    ).toMatchObject({
      conflicts: [{ field: ".spec.hops" }],
    });
    const wrong = { ...second, applied: route([{ to: "b", kost: 2 }]), schema };
    expect(() => apply(wrong)).toThrow(expect.objectContaining({ status: 500, path: '.spec.hops[to="b"].kost' }));
  });
});
