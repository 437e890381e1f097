import { describe, expect, test } from "vitest";
import { checkDefinition } from "../../../../src/kube/custom-resource/definition-check.ts";

interface Version {
  name: string;
  served: boolean;
  storage: boolean;
  schema?: { openAPIV3Schema: Record<string, unknown> };
}

function definition(change: (spec: Record<string, unknown>, version: Version) => void = () => undefined): {
  metadata: { name: string };
  spec: Record<string, unknown>;
} {
  const properties = { spec: { type: "object", properties: {} as Record<string, unknown> } };
  const version: Version = {
    name: "v1",
    served: true,
    storage: true,
    schema: { openAPIV3Schema: { type: "object", properties } },
  };
  const names = { plural: "routes", kind: "Route" };
  const spec: Record<string, unknown> = { group: "example.org", scope: "Namespaced", names, versions: [version] };
  change(spec, version);
  return { metadata: { name: "routes.example.org" }, spec };
}

const told = (object: Parameters<typeof checkDefinition>[0]): string[] =>
  checkDefinition(object).map(({ field, message }) => `${field}: ${message}`);

const withField = (field: unknown): ReturnType<typeof definition> =>
  definition((_, version) => {
    version.schema = {
      openAPIV3Schema: { type: "object", properties: { spec: { type: "object", properties: { x: field } } } },
    };
  });

describe("a definition is refused in the words of an API server of 1.34", () => {
  test("one that is right is not", () => {
    expect(told(definition())).toEqual([]);
    expect(told(withField({ "x-kubernetes-int-or-string": true }))).toEqual([]);
    expect(told(withField({ "x-kubernetes-preserve-unknown-fields": true }))).toEqual([]);
  });

  const x = "spec.validation.openAPIV3Schema.properties[spec].properties[x]";
  test.each([
    [
      "a name that is not the plural and the group",
      { ...definition(), metadata: { name: "wrong" } },
      'metadata.name: Invalid value: "wrong": must be spec.names.plural+"."+spec.group',
    ],
    [
      "a version without a schema",
      definition((_, version) => delete version.schema),
      "spec.versions[0].schema.openAPIV3Schema: Required value",
    ],
    ["no scope", definition((spec) => delete spec["scope"]), "spec.scope: Required value"],
    [
      "another scope",
      definition((spec) => (spec["scope"] = "Foo")),
      'spec.scope: Unsupported value: "Foo": supported values: "Cluster", "Namespaced"',
    ],
    [
      "a schema without a type",
      definition((_, version) => (version.schema = { openAPIV3Schema: {} })),
      "spec.validation.openAPIV3Schema.type: Required value: must not be empty at the root",
    ],
    [
      "a field without a type",
      withField({}),
      `${x}.type: Required value: must not be empty for specified object fields`,
    ],
    [
      "items without a type",
      withField({ type: "array", items: {} }),
      `${x}.items.type: Required value: must not be empty for specified array items`,
    ],
    [
      "a type that is none",
      withField({ type: "text" }),
      `${x}.type: Unsupported value: "text": supported values: "array", "boolean", "integer", "number", "object", "string"`,
    ],
    ["a list that is none", withField({ type: "string", enum: 5 }), `${x}.enum: Invalid value: 5: is of another type`],
  ])("%s", (_, object, message) => {
    expect(told(object)).toEqual([message]);
  });

  test("one storage version, no more and no less", () => {
    const none = definition((_, version) => (version.storage = false));
    expect(told(none)).toEqual([
      expect.stringMatching(/^spec\.versions: .*must have exactly one version marked as storage/),
    ]);
  });
});
