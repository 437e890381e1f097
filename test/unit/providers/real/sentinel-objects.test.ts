import { expect, test } from "vitest";
import {
  OWN_CLUSTER,
  policyObjects,
  policyPorts,
  serviceObjects,
} from "../../../../src/providers/real/sentinel-objects.ts";

interface Rule {
  from?: { namespaceSelector?: object; podSelector?: object }[];
  ports: { port: number }[];
}

test("labels of namespaces and of pods open a port each: no rule needs both", () => {
  const values = { generation: "g1", port: 12_345 };
  const policies = policyObjects(values, OWN_CLUSTER).filter(({ kind }) => kind === "NetworkPolicy");
  const [{ ingress }] = policies.map(({ spec }) => spec) as [{ ingress: Rule[] }];
  const matchLabels = { "cnilab.dev/generation": "g1" };
  const { byNamespace, byPod } = policyPorts(values);
  expect(byNamespace).not.toBe(byPod);
  expect(ingress.slice(1)).toEqual([
    { from: [{ namespaceSelector: { matchLabels } }], ports: [{ protocol: "TCP", port: byNamespace }] },
    { from: [{ podSelector: { matchLabels } }], ports: [{ protocol: "TCP", port: byPod }] },
  ]);
});

test("Services have endpoints of each family that sentinels have, and both families only where there are two", () => {
  const values = { generation: "g1", port: 12_345 };
  const ipv4 = { node: "one", address: "10.0.0.1" };
  const one = serviceObjects(values, [ipv4], OWN_CLUSTER);
  expect(one.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
    "Service sentinel",
    "Service names",
    "EndpointSlice sentinel",
    "EndpointSlice names",
  ]);
  expect(JSON.stringify(one)).not.toContain("ipFamilyPolicy");
  const two = serviceObjects(values, [ipv4, { node: "one", address: "fd00::1" }], OWN_CLUSTER);
  expect(two[0]?.["spec"]).toMatchObject({ ipFamilyPolicy: "PreferDualStack" });
  const slices = two.filter(({ kind }) => kind === "EndpointSlice");
  expect(slices.map(({ metadata, addressType }) => `${metadata.name} ${String(addressType)}`)).toEqual([
    "sentinel IPv4",
    "sentinel-ipv6 IPv6",
    "names IPv4",
    "names-ipv6 IPv6",
  ]);
  expect(slices[1]?.metadata.labels).toMatchObject({ "kubernetes.io/service-name": "sentinel" });
});
