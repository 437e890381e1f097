import { expect, it, test } from "vitest";
import { parseYaml } from "../../../src/core/yaml-source.ts";
import { checkDefinition } from "../../../src/kube/custom-resource/definition-check.ts";
import { checkManifest } from "../../../src/kube/manifest-check.ts";
import { traefikDefinitions, TRAEFIK_RESOURCES } from "../../../src/kube/traefik-kinds/traefik-kinds.ts";

function told(spec: string, apiVersion = "traefik.io/v1alpha1"): string[] {
  const text = `apiVersion: ${apiVersion}\nkind: Middleware\nmetadata: { name: x }\nspec: ${spec}\n`;
  const { documents } = parseYaml(text, "m.yaml");
  const { problems, warnings } = checkManifest(documents);
  return [...problems, ...warnings].map(
    ({ code, message, span }) => `${span?.line}:${span?.column} ${code} ${message}`,
  );
}

test("the definitions are sound, and one is there for each kind that Traefik waits for", () => {
  const definitions = traefikDefinitions();
  expect(definitions.map(({ metadata }) => metadata.name.split(".")[0])).toEqual(TRAEFIK_RESOURCES);
  expect(definitions).toHaveLength(10);
  expect(definitions.flatMap((definition) => checkDefinition(definition))).toEqual([]);
});

it.each<[spec: string, expected: string[]]>([
  ["{ stripPrefix: { prefixes: [/api], forceSlash: false } }", []],
  ["{ chain: { middlewares: [{ name: a }] } }", []],
  ["{ headers: { customRequestHeaders: { X-A: b } } }", []],
  ["{ stripPrefx: {} }", ['4:9 MANIFEST_UNKNOWN_FIELD unknown field "stripPrefx" in spec']],
  ["{ redirectScheme: { port: 443 } }", ["4:33 MANIFEST_WRONG_TYPE spec.redirectScheme.port must be a text, not 443"]],
  ["{ chain: { middlewares: [{}] } }", ["4:32 MANIFEST_MISSING_FIELD spec.chain.middlewares[0] needs name"]],
  ["{ rateLimit: { average: 1 } }", ["4:9 MANIFEST_NOT_MODELLED rateLimit is not modelled"]],
  [
    "{ headers: { frameDeny: true }, ipAllowList: { ipStrategy: { depth: 1 } } }",
    [
      "4:20 MANIFEST_NOT_MODELLED headers.frameDeny is not modelled",
      "4:54 MANIFEST_NOT_MODELLED ipAllowList.ipStrategy is not modelled",
    ],
  ],
])("%s", (spec, expected) => {
  expect(told(spec)).toEqual(expected);
});

it("a namesake of another group is nobody's", () => {
  expect(told("{ whatever: 1 }", "example.com/v1")).toEqual([
    "2:7 MANIFEST_NOT_INTERPRETED kind Middleware is stored but does nothing here",
  ]);
});
