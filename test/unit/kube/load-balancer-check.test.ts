import { expect, test } from "vitest";
import { parseYaml } from "../../../src/core/yaml-source.ts";
import { checkManifest } from "../../../src/kube/manifest-check.ts";

function check(text: string): string[] {
  const { problems, warnings } = checkManifest(parseYaml(text, "m.yaml").documents);
  return [...problems, ...warnings].map(({ code, message }) => `${code} ${message}`);
}

const service = (spec: string): string => `apiVersion: v1
kind: Service
metadata: { name: web }
spec: { ports: [{ port: 80 }], ${spec} }
`;

test("a Service of type LoadBalancer passes with all that is its own", () => {
  expect(
    check(
      service(
        `type: LoadBalancer, externalTrafficPolicy: Local, healthCheckNodePort: 31000, loadBalancerIP: "",
  loadBalancerSourceRanges: [198.51.100.0/24], loadBalancerClass: example.com/x, externalIPs: [192.0.2.9]`,
      ),
    ),
  ).toEqual([]);
});

test.each([
  ["externalIPs: [192.0.2]", "MANIFEST_BAD_ADDRESS", "is no IP address"],
  ["externalIPs: [127.0.0.1]", "MANIFEST_BAD_ADDRESS", "is loopback"],
  ["type: LoadBalancer, loadBalancerIP: any", "MANIFEST_BAD_ADDRESS", "is no IP address"],
  ["type: LoadBalancer, loadBalancerSourceRanges: [192.0.2.1]", "MANIFEST_BAD_ADDRESS", "is no CIDR"],
  ["loadBalancerSourceRanges: [192.0.2.0/24]", "MANIFEST_BAD_VALUE", "for Services of type LoadBalancer alone"],
  ["type: NodePort, loadBalancerClass: example.com/x", "MANIFEST_BAD_VALUE", "loadBalancerClass is for"],
  ["type: LoadBalancer, healthCheckNodePort: 31000", "MANIFEST_BAD_VALUE", "with externalTrafficPolicy: Local alone"],
])("%s is refused", (spec, code, message) => {
  expect(check(service(spec))).toEqual([expect.stringMatching(new RegExp(`^${code} .*${message}`))]);
});

test("MetalLB's pools are read, another group's kind of that name is not", () => {
  const pool = (group: string): string => `apiVersion: ${group}
kind: IPAddressPool
metadata: { name: p, namespace: metallb-system }
spec: { addresses: [192.0.2.0/28] }
`;
  expect(check(pool("metallb.io/v1beta1"))).toEqual([]);
  expect(check(pool("example.com/v1"))).toEqual([expect.stringContaining("MANIFEST_NOT_INTERPRETED")]);
});
