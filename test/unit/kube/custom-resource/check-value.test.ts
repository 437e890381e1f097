import { describe, expect, test } from "vitest";
import { checkValue } from "../../../../src/kube/custom-resource/check-value.ts";
import type { CustomSchema } from "../../../../src/kube/custom-resource/custom-schema.ts";
import { fillCustomDefaults } from "../../../../src/kube/custom-resource/fill-defaults.ts";
import answers from "../../../fixtures/custom-resources/refused.json" with { type: "json" };

const schema = answers.schema as unknown as CustomSchema;

/** What an API server of 1.34 said of each (test/rig/custom-resources.test.ts asks one again). */
describe("a value is refused in the words of an API server", () => {
  test.each(answers.cases.map(({ spec, told }) => [JSON.stringify(spec), spec, told] as const))(
    "%s",
    (_, spec, told) => {
      const object = { spec: structuredClone(spec) };
      fillCustomDefaults(object, schema);
      const ours = checkValue(object, schema).map(({ field, message }) => `${field}: ${message}`);
      expect(ours.toSorted()).toEqual(told);
    },
  );

  test("of a status the words begin below it", () => {
    const status: CustomSchema = { type: "object", properties: { phase: { type: "string" } } };
    expect(checkValue({ phase: 4 }, status, "status", "status.")).toEqual([
      {
        reason: "FieldValueTypeInvalid",
        message: 'Invalid value: "integer": phase in body must be of type string: "integer"',
        field: "status.phase",
      },
    ]);
  });

  test("rules of CEL that were not checked are told of only where there are some", () => {
    const plain: CustomSchema = { type: "object", required: ["a"] };
    expect(checkValue({}, plain)).toEqual([{ reason: "FieldValueRequired", message: "Required value", field: "a" }]);
    expect(checkValue({}, { ...plain, "x-kubernetes-validations": [{ rule: "true" }] })).toHaveLength(2);
  });
});

describe("formats", () => {
  test.each([
    ["ipv4", "10.0.0.1", "::1"],
    ["ipv6", "::1", "10.0.0.1"],
    ["cidr", "10.0.0.0/8", "10.0.0.0/33"],
    ["date", "2026-02-28", "2026-02-30"],
    ["date-time", "2026-02-28T10:00:00Z", "2026-02-28 10:00:00"],
    ["duration", "1h30m", "soon"],
    ["byte", "aGk=", "a"],
    ["uuid", "6f1f5a3c-4c52-4a52-a3c5-0123456789ab", "6f1f"],
    ["uuid4", "6f1f5a3c-4c52-4a52-a3c5-0123456789ab", "6f1f5a3c-4c52-1a52-a3c5-0123456789ab"],
    ["uri", "https://example.org", "example"],
    ["hostname", "web.shop", "-web"],
    ["mac", "aa:bb:cc:dd:ee:ff", "aa:bb"],
    ["email", "a@example.org", "a"],
  ])("%s: %s is one and %s is none", (format, right, wrong) => {
    expect(checkValue(right, { type: "string", format })).toEqual([]);
    expect(checkValue(wrong, { type: "string", format })).toHaveLength(1);
  });

  test("one that nobody checks refuses nothing", () => {
    expect(checkValue("!", { type: "string", format: "colour" })).toEqual([]);
  });
});
