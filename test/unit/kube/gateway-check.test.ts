import { describe, expect, it, test } from "vitest";
import { parseYaml } from "../../../src/core/yaml-source.ts";
import { fillGatewayDefaults } from "../../../src/kube/gateway/check-gateway.ts";
import { gatewayObjects } from "../../../src/kube/gateway/gateway-kinds.ts";
import { checkDefinition } from "../../../src/kube/custom-resource/definition-check.ts";
import { checkManifest } from "../../../src/kube/manifest-check.ts";

function told(kind: string, spec: string, version = "v1"): string[] {
  const text = `apiVersion: gateway.networking.k8s.io/${version}\nkind: ${kind}\nmetadata: { name: x }\nspec: ${spec}\n`;
  const { documents } = parseYaml(text, "m.yaml");
  return checkManifest(documents).problems.map(({ code, message }) => `${code} ${message}`);
}

const rule = (text: string): string => `{ rules: [{ ${text} }] }`;

test("the definitions are sound", () => {
  const definitions = gatewayObjects().filter(({ kind }) => kind === "CustomResourceDefinition");
  expect(definitions.map(({ metadata }) => metadata.name.split(".")[0])).toEqual([
    "gatewayclasses",
    "gateways",
    "httproutes",
    "grpcroutes",
    "referencegrants",
  ]);
  expect(definitions.flatMap((definition) => checkDefinition(definition))).toEqual([]);
});

describe("what is right passes", () => {
  it.each([
    [
      "HTTPRoute",
      "{ parentRefs: [{ name: a, sectionName: x }, { name: a, sectionName: y }], hostnames: ['*.a.example'] }",
    ],
    ["HTTPRoute", rule("backendRefs: [{ name: a, port: 80, weight: 0 }], matches: [{ method: GET }]")],
    ["HTTPRoute", rule("filters: [{ type: RequestRedirect, requestRedirect: { scheme: https } }]")],
    ["HTTPRoute", rule("matches: [{ path: { type: RegularExpression, value: 'a//b' } }]")],
    ["Gateway", "{ gatewayClassName: a, listeners: [{ name: a, port: 1, protocol: HTTP }] }"],
    ["GatewayClass", "{ controllerName: example.com/a }"],
  ])("%s %s", (kind, spec) => {
    expect(told(kind, spec)).toEqual([]);
  });
});

describe("what the API refuses is told", () => {
  it.each<[kind: string, spec: string, what: RegExp]>([
    ["HTTPRoute", "{ hostname: [a] }", /UNKNOWN_FIELD .*hostname/],
    ["HTTPRoute", "{ hostnames: [UPPER.example] }", /BAD_VALUE spec\.hostnames\[0\] in body should match/],
    ["HTTPRoute", rule("matches: [{ path: { type: Prefix } }]"), /BAD_VALUE .*path\.type: Unsupported value: "Prefix"/],
    ["HTTPRoute", rule("matches: [{ path: { value: api } }]"), /path: a path of type Exact or PathPrefix begins with/],
    ["HTTPRoute", rule("matches: [{ path: { value: /a/../b } }]"), /has no \/\//],
    ["HTTPRoute", rule("backendRefs: [{ name: a }]"), /backendRefs\[0\]: a reference to a Service needs a port/],
    ["HTTPRoute", rule("backendRefs: [{ port: 80 }]"), /MISSING_FIELD/],
    ["HTTPRoute", rule("filters: [{ type: URLRewrite }]"), /urlRewrite belongs to filters of type URLRewrite/],
    [
      "HTTPRoute",
      rule("filters: [{ type: RequestRedirect, requestRedirect: {} }], backendRefs: [{ name: a, port: 80 }]"),
      /a rule that redirects has no backendRefs/,
    ],
    [
      "HTTPRoute",
      rule(
        "matches: [{ path: { type: Exact, value: /a } }], filters: [{ type: URLRewrite, urlRewrite: { path: { type: ReplacePrefixMatch, replacePrefixMatch: / } } }]",
      ),
      /ReplacePrefixMatch needs exactly one match/,
    ],
    ["HTTPRoute", "{ parentRefs: [{ name: a }, { name: a }] }", /two references to one parent/],
    ["HTTPRoute", "{ parentRefs: [{ name: a }, { name: a, sectionName: b }] }", /each needs a sectionName/],
    ["Gateway", "{ gatewayClassName: a, listeners: [] }", /at least 1 items/],
    [
      "Gateway",
      "{ gatewayClassName: a, listeners: [{ name: a, port: 1, protocol: HTTP, tls: { certificateRefs: [{ name: a }] } }] }",
      /have no tls/,
    ],
    [
      "Gateway",
      "{ gatewayClassName: a, listeners: [{ name: a, port: 1, protocol: HTTP }, { name: b, port: 1, protocol: HTTP }] }",
      /no two listeners/,
    ],
    [
      "Gateway",
      "{ gatewayClassName: a, listeners: [{ name: a, port: 1, protocol: HTTPS, tls: {} }] }",
      /needs certificateRefs/,
    ],
    ["GatewayClass", "{ controllerName: traefik }", /should match/],
  ])("%s %s", (kind, spec, what) => {
    expect(told(kind, spec)).toEqual([expect.stringMatching(what)]);
  });

  it("the API version of a grant is v1beta1", () => {
    const spec = "{ from: [{ group: a, kind: B, namespace: c }], to: [{ group: '', kind: Service }] }";
    expect(told("ReferenceGrant", spec, "v1beta1")).toEqual([]);
    expect(told("ReferenceGrant", spec)).toEqual([expect.stringMatching("MANIFEST_BAD_API_VERSION")]);
  });
});

test("defaults are the API's", () => {
  const route = {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "HTTPRoute",
    metadata: { name: "x" },
    spec: { parentRefs: [{ name: "a" }], rules: [{ backendRefs: [{ name: "b", port: 80 }] }] },
  };
  fillGatewayDefaults(route);
  expect(route.spec).toEqual({
    parentRefs: [{ name: "a", group: "gateway.networking.k8s.io", kind: "Gateway" }],
    rules: [
      {
        matches: [{ path: { type: "PathPrefix", value: "/" } }],
        backendRefs: [{ name: "b", port: 80, group: "", kind: "Service", weight: 1 }],
      },
    ],
  });
  const gateway = {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "Gateway",
    metadata: { name: "x" },
    spec: { gatewayClassName: "a", listeners: [{ name: "a", port: 1, protocol: "HTTP" }] },
  };
  fillGatewayDefaults(gateway);
  expect(gateway).toMatchObject({
    spec: { listeners: [{ allowedRoutes: { namespaces: { from: "Same" } } }] },
    status: {
      conditions: [
        { type: "Accepted", reason: "Pending" },
        { type: "Programmed", reason: "Pending" },
      ],
    },
  });
});
