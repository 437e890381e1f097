import { expect, test } from "vitest";
import type { CustomSchema } from "../../../../src/kube/custom-resource/custom-schema.ts";
import { fillCustomDefaults } from "../../../../src/kube/custom-resource/fill-defaults.ts";
import { pruneUnknown } from "../../../../src/kube/custom-resource/prune-unknown.ts";

const schema: CustomSchema = {
  type: "object",
  properties: {
    spec: {
      type: "object",
      properties: {
        free: {
          type: "object",
          "x-kubernetes-preserve-unknown-fields": true,
          properties: { a: { type: "object", properties: { b: { type: "string" } } } },
        },
        list: { type: "array", items: { type: "object", properties: { size: { type: "integer", default: 7 } } } },
        labels: { type: "object", additionalProperties: { type: "string" } },
        nested: { type: "object", default: {}, properties: { deep: { type: "string", default: "d" } } },
        pod: { type: "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true },
        gone: { type: "string" },
        nothing: { type: "string", nullable: true },
      },
    },
  },
};

test("fields that are not specified go, and their paths are told in order", () => {
  const object = {
    apiVersion: "v",
    kind: "K",
    metadata: { name: "x", bogus: 1, labels: { any: "one" } },
    top: 1,
    spec: {
      zz: 1,
      free: { x: { y: 1 }, a: { b: "1", c: 2 } },
      list: [{ size: 1 }, { colour: "red" }],
      labels: { any: "one" },
      pod: { apiVersion: "v1", kind: "Pod", metadata: { name: "y", odd: 1 }, spec: {} },
    },
  };
  expect(pruneUnknown(object, schema)).toEqual([
    "metadata.bogus",
    "spec.free.a.c",
    "spec.list[1].colour",
    "spec.pod.metadata.odd",
    "spec.zz",
    "top",
  ]);
  expect(object).toEqual({
    apiVersion: "v",
    kind: "K",
    metadata: { name: "x", labels: { any: "one" } },
    spec: {
      free: { x: { y: 1 }, a: { b: "1" } },
      list: [{ size: 1 }, {}],
      labels: { any: "one" },
      pod: { apiVersion: "v1", kind: "Pod", metadata: { name: "y" }, spec: {} },
    },
  });
});

test("defaults go to any depth, and a null is no value unless it may be one", () => {
  const object = { spec: { list: [{}], gone: null, nothing: null, nested: null, labels: { a: null } } };
  fillCustomDefaults(object, schema);
  expect(object).toEqual({ spec: { list: [{ size: 7 }], nothing: null, nested: { deep: "d" }, labels: {} } });
});

test("a field called __proto__ is a field", () => {
  const object = JSON.parse('{"spec":{"labels":{"__proto__":"x"},"__proto__":{"a":1}}}') as Record<string, unknown>;
  expect(pruneUnknown(object, schema)).toEqual(["spec.__proto__"]);
  fillCustomDefaults(object, schema);
  expect(JSON.stringify(object)).toBe('{"spec":{"labels":{"__proto__":"x"},"nested":{"deep":"d"}}}');
});
