import { expect, test } from "vitest";
import { parseYaml } from "../../../../src/core/yaml-source.ts";
import { checkManifest } from "../../../../src/kube/manifest-check.ts";

function check(kind: string, spec: string): string[] {
  const group = kind === "VirtualService" || kind === "DestinationRule" ? "networking" : "security";
  const text = `apiVersion: ${group}.istio.io/v1
kind: ${kind}
metadata: { name: web, namespace: shop }
spec: ${spec}
`;
  const { problems, warnings } = checkManifest(parseYaml(text, "m.yaml").documents);
  return [...problems, ...warnings].map(({ code, message, span }) => `${code}:${span?.line} ${message}`);
}

const route = "route: [{ destination: { host: web } }]";

test.each([
  ["VirtualService", `{ hosts: [web], http: [{ match: [{ uri: { prefix: / } }], ${route}, timeout: 1s }] }`],
  [
    "DestinationRule",
    "{ host: web, subsets: [{ name: v1, labels: { version: v1 } }], trafficPolicy: { tls: { mode: DISABLE } } }",
  ],
  ["PeerAuthentication", "{ selector: { matchLabels: { app: web } }, portLevelMtls: { 8080: { mode: STRICT } } }"],
  [
    "AuthorizationPolicy",
    "{ rules: [{ from: [{ source: { principals: [a] } }], when: [{ key: source.ip, values: [10.0.0.0/8] }] }] }",
  ],
  ["AuthorizationPolicy", "{}"],
])("%s %s passes", (kind, spec) => expect(check(kind, spec)).toEqual([]));

test.each([
  ["VirtualService", `{ hosts: [web], http: [{ ${route}, timout: 1s }] }`, "MANIFEST_UNKNOWN_FIELD"],
  ["VirtualService", `{ hosts: [web], http: [{ ${route}, timeout: 5 }] }`, "MANIFEST_WRONG_TYPE"],
  ["VirtualService", `{ hosts: [web], http: [{ ${route}, timeout: "5" }] }`, "MANIFEST_BAD_VALUE"],
  ["VirtualService", `{ hosts: [web], http: [{ ${route}, redirect: { uri: /x } }] }`, "MANIFEST_BAD_VALUE"],
  [
    "VirtualService",
    `{ hosts: [web], http: [{ match: [{ uri: { exact: a, prefix: b } }], ${route} }] }`,
    "MANIFEST_BAD_VALUE",
  ],
  ["VirtualService", `{ hosts: [web], http: [{ match: [{ uri: { regex: "(" } }], ${route} }] }`, "MANIFEST_BAD_VALUE"],
  [
    "VirtualService",
    "{ hosts: [web], http: [{ route: [{ destination: { host: a } }, { destination: { host: b } }] }] }",
    "MANIFEST_BAD_VALUE",
  ],
  ["VirtualService", `{ hosts: [web], http: [{ delegate: { name: x }, ${route} }] }`, "MESH_NOT_MODELLED"],
  ["VirtualService", `{ hosts: [web], http: [{ mirror: { host: x }, ${route} }] }`, "MANIFEST_NOT_MODELLED"],
  ["DestinationRule", "{ host: web, trafficPolicy: { tls: { mode: SIMPLE } } }", "MESH_NOT_MODELLED"],
  ["DestinationRule", "{ host: web, trafficPolicy: { tls: { mode: MUTAL } } }", "MANIFEST_BAD_VALUE"],
  [
    "DestinationRule",
    "{ host: web, trafficPolicy: { loadBalancer: { consistentHash: { useSourceIp: true } } } }",
    "MESH_NOT_MODELLED",
  ],
  ["DestinationRule", "{ host: web, trafficPolicy: { outlierDetection: {} } }", "MANIFEST_NOT_MODELLED"],
  ["DestinationRule", "{ host: web, subsets: [{ name: v1 }, { name: v1 }] }", "MANIFEST_DUPLICATE_NAME"],
  ["PeerAuthentication", "{ mtls: { mode: STRIKT } }", "MANIFEST_BAD_VALUE"],
  ["PeerAuthentication", "{ portLevelMtls: { 8080: { mode: STRICT } } }", "MANIFEST_BAD_VALUE"],
  ["AuthorizationPolicy", "{ action: CUSTOM }", "MESH_NOT_MODELLED"],
  ["AuthorizationPolicy", "{ action: AUDIT }", "MESH_NOT_MODELLED"],
  ["AuthorizationPolicy", "{ action: DENY }", "MANIFEST_BAD_VALUE"],
  ["AuthorizationPolicy", "{ rules: [{ when: [{ key: request.auth.principal, values: [a] }] }] }", "MESH_NOT_MODELLED"],
  ["AuthorizationPolicy", "{ rules: [{ when: [{ key: source.port, values: [a] }] }] }", "MANIFEST_BAD_VALUE"],
  ["AuthorizationPolicy", '{ rules: [{ to: [{ operation: { paths: ["/{*}/x"] } }] }] }', "MESH_NOT_MODELLED"],
  ["AuthorizationPolicy", "{ rules: [{ from: [{ source: { ipBlocks: [10.0.0] } }] }] }", "MANIFEST_BAD_VALUE"],
  ["AuthorizationPolicy", "{ rules: [{ from: [{ source: { requestPrincipals: [a] } }] }] }", "MESH_NOT_MODELLED"],
])("%s %s is told of, at its line", (kind, spec, code) => {
  expect(check(kind, spec)).toEqual([expect.stringMatching(new RegExp(`^${code}:4 `))]);
});

test("another project's kind of the same name is not Istio's, and an older version is to be the present one", () => {
  const of = (apiVersion: string): string[] => {
    const text = `apiVersion: ${apiVersion}\nkind: AuthorizationPolicy\nmetadata: { name: a, namespace: shop }\nspec: { x: 1 }\n`;
    const { problems, warnings } = checkManifest(parseYaml(text, "m.yaml").documents);
    return [...problems, ...warnings].map(({ code }) => code);
  };
  expect(of("policy.linkerd.io/v1alpha1")).toEqual(["MANIFEST_NOT_INTERPRETED"]);
  expect(of("security.istio.io/v1beta1")).toContain("MANIFEST_BAD_API_VERSION");
});
