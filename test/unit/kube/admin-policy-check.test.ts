import { describe, expect, test } from "vitest";
import { parseYaml } from "../../../src/core/yaml-source.ts";
import { checkManifest } from "../../../src/kube/manifest-check.ts";

function check(text: string) {
  const { documents, problems } = parseYaml(text, "m.yaml");
  expect(problems).toEqual([]);
  return checkManifest(documents, {});
}

const errorsOf = (text: string): string[] =>
  check(text).problems.map(({ code, span, message }) => `${code} ${span?.line}:${span?.column} ${message}`);

const admin = (spec: string): string => `apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: { name: guard }
spec: ${spec}
`;
const baseline = (spec: string, name = "default"): string => `apiVersion: policy.networking.k8s.io/v1alpha1
kind: BaselineAdminNetworkPolicy
metadata: { name: ${name} }
spec: ${spec}
`;
const cluster = (spec: string): string => `apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: { name: guard }
spec: ${spec}
`;
const egress = (rule: string): string => admin(`{ priority: 1, subject: { namespaces: {} }, egress: [${rule}] }`);

describe("a cluster-wide policy that is right", () => {
  test.each([
    [
      "with every sort of peer and port",
      admin(`{ priority: 1000, subject: { pods: { namespaceSelector: {}, podSelector: { matchLabels: { app: web } } } },
  ingress: [{ name: one, action: Pass, from: [{ namespaces: {} }], ports: [{ namedPort: web }, { portNumber: { port: 80 } }] }],
  egress: [{ action: Deny, to: [{ networks: [0.0.0.0/0, "::/0"] }, { nodes: {} }], ports: [{ portRange: { protocol: UDP, start: 1, end: 2 } }] }] }`),
    ],
    [
      "as a baseline",
      baseline("{ subject: { namespaces: {} }, ingress: [{ action: Deny, from: [{ namespaces: {} }] }] }"),
    ],
    [
      "of v1alpha2",
      cluster(`{ tier: Baseline, priority: 0, subject: { pods: { podSelector: {} } }, ingress: [{ action: Pass,
  from: [{ namespaces: {} }], protocols: [{ tcp: { destinationPort: { number: 80 } } }, { destinationNamedPort: web }] }] }`),
    ],
  ])("passes: %s", (_name, text) => {
    const { objects, problems, warnings } = check(text);
    expect(problems).toEqual([]);
    expect(warnings).toEqual([]);
    expect(objects[0]?.object.metadata).not.toHaveProperty("namespace");
  });

  test("a namesake of another API is left alone", () => {
    const { objects, problems, warnings } = check(
      "apiVersion: crd.antrea.io/v1beta1\nkind: ClusterNetworkPolicy\nmetadata: { name: a }\nspec: { tier: x, own: 1 }\n",
    );
    expect(problems).toEqual([]);
    expect(warnings.map(({ code }) => code)).toEqual(["MANIFEST_NOT_INTERPRETED"]);
    expect(objects).toHaveLength(1);
  });
});

describe("what is wrong with a cluster-wide policy has its place", () => {
  test.each([
    [admin("{ priorty: 1, subject: { namespaces: {} } }"), ["MANIFEST_UNKNOWN_FIELD 4:9"]],
    [admin("{ subject: { namespaces: {} } }"), ["MANIFEST_MISSING_FIELD 4:1 spec needs priority"]],
    [admin("{ priority: 1001, subject: { namespaces: {} } }"), ["MANIFEST_BAD_VALUE 4:19 priority 1001"]],
    [
      admin("{ priority: 1, subject: {} }"),
      ["MANIFEST_EMPTY_PEER 4:31 spec.subject needs exactly one of namespaces, pods"],
    ],
    [
      admin("{ priority: 1, subject: { namespaces: {}, pods: { namespaceSelector: {}, podSelector: {} } } }"),
      ["MANIFEST_MIXED_PEER 4:49 pods cannot stand beside namespaces"],
    ],
    [
      admin("{ priority: 1, subject: { pods: { podSelector: {} } } }"),
      ["MANIFEST_MISSING_FIELD 4:33 spec.subject.pods needs namespaceSelector"],
    ],
    [egress("{ action: Alow, to: [{ namespaces: {} }] }"), ["MANIFEST_BAD_VALUE 4:70 spec.egress[0].action"]],
    [
      egress("{ action: Accept, to: [{ namespaces: {} }] }"),
      ["MANIFEST_BAD_VALUE 4:70 spec.egress[0].action cannot be"],
    ],
    [egress("{ action: Deny, to: [] }"), ["MANIFEST_BAD_VALUE 4:76 spec.egress[0].to needs an item"]],
    [egress("{ action: Deny }"), ["MANIFEST_MISSING_FIELD 4:62 spec.egress[0] needs to"]],
    [
      egress("{ action: Deny, from: [{ namespaces: {} }], to: [{ namespaces: {} }] }"),
      ["MANIFEST_UNKNOWN_FIELD 4:76 unknown field"],
    ],
    [egress("{ action: Deny, to: [{ networks: [10.0.0.0] }] }"), ["MANIFEST_BAD_CIDR 4:94"]],
    [egress("{ action: Deny, to: [{ namespaces: { namespaceSelector: {} } }] }"), ["MANIFEST_UNKNOWN_FIELD 4:97"]],
    [
      egress("{ action: Allow, to: [{ domainNames: [example.com] }] }"),
      ["POLICY_DOMAIN_NAMES 4:84 domainNames is not modelled"],
    ],
    [
      egress("{ action: Deny, to: [{ nodes: {} }], ports: [{ namedPort: web }] }"),
      ["MANIFEST_BAD_PORT 4:107 networks and nodes have no named ports"],
    ],
    [
      egress("{ action: Deny, to: [{ namespaces: {} }], ports: [{ portRange: { start: 90, end: 80 } }] }"),
      ["MANIFEST_BAD_PORT 4:141 end 80 is not above start 90"],
    ],
    [
      egress("{ action: Deny, to: [{ namespaces: {} }], ports: [{}] }"),
      ["MANIFEST_BAD_PORT 4:110 spec.egress[0].ports[0] needs exactly one of"],
    ],
    [
      admin("{ priority: 1, subject: { namespaces: {} }, ingress: [{ action: Deny, from: [{ nodes: {} }] }] }"),
      ["MANIFEST_UNKNOWN_FIELD 4:86"],
    ],
    [
      baseline("{ subject: { namespaces: {} }, ingress: [{ action: Pass, from: [{ namespaces: {} }] }] }"),
      ["MANIFEST_BAD_VALUE 4:58"],
    ],
    [baseline("{ priority: 1, subject: { namespaces: {} } }"), ["MANIFEST_UNKNOWN_FIELD 4:9"]],
    [baseline("{ subject: { namespaces: {} } }", "other"), ["MANIFEST_BAD_NAME 3:19 the one Baseline"]],
    [cluster("{ tier: Platform, priority: 1, subject: { namespaces: {} } }"), ["MANIFEST_BAD_VALUE 4:15"]],
    [
      cluster(
        "{ tier: Admin, priority: 1, subject: { namespaces: {} }, ingress: [{ action: Deny, from: [{ namespaces: {} }], protocols: [{ tcp: {} }] }] }",
      ),
      ["MANIFEST_BAD_PORT 4:137 spec.ingress[0].protocols[0].tcp needs destinationPort"],
    ],
    [admin("{}").replace("v1alpha1", "v1"), ["MANIFEST_BAD_API_VERSION 1:13"]],
  ])("%#", (text, expected) => {
    const found = errorsOf(text).slice(0, expected.length);
    expect(found).toEqual(expected.map((start) => expect.stringContaining(start)));
  });
});
