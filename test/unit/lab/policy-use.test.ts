import { describe, expect, it } from "vitest";
import { cnis } from "../../../src/cnis/registry.ts";
import { policyWarnings } from "../../../src/engine/nft/policy-enforcer.ts";
import type { AdminPolicy } from "../../../src/kube/admin-policy-types.ts";
import type { Lab } from "../../../src/lab/types.ts";
import { adminPolicyUse } from "../../../src/lab/policy-use.ts";
import { adminPolicy, asClusterPolicy } from "../policy/arbitrary-admin.ts";

const everybody = { namespaces: {} };
const kindSpan = { file: "tiers.yaml", line: 2, column: 7, length: 18, lineText: "kind: AdminNetworkPolicy" };
const plain = adminPolicy("guard", {
  priority: 1,
  subject: everybody,
  ingress: [{ action: "Deny", from: [everybody], ports: [{ portNumber: { port: 80 } }] }],
  egress: [{ action: "Deny", to: [{ networks: ["10.0.0.0/8"] }] }],
});
const egress = (rule: Partial<NonNullable<AdminPolicy["spec"]["egress"]>[number]>): AdminPolicy =>
  adminPolicy("out", { priority: 1, subject: everybody, egress: [{ action: "Deny", to: [everybody], ...rule }] });

function labWith(object: AdminPolicy): Pick<Lab, "scenario" | "tasks"> {
  const solution = [{ object, file: "tiers.yaml", line: 1, kindSpan }];
  return { scenario: [], tasks: [{ name: "t", text: "t", probes: [], solution }] };
}

describe("a lab with a cluster-wide policy", () => {
  it("is told at the policy's kind where the CNI does not enforce it", () => {
    for (const cni of [cnis.flannel, cnis.weave]) {
      expect(adminPolicyUse(labWith(plain), cni, cni.enforcesAdminPolicy)).toEqual([
        {
          code: "MANIFEST_NOT_ENFORCED",
          message: `AdminNetworkPolicy guard is stored and not enforced: ${cni.name} here has no cluster-wide policies`,
          hint: expect.stringContaining("cnilab explain counts it"),
          span: kindSpan,
        },
      ]);
    }
  });

  it("is told so with calico, too, where its release has none: on real clusters", () => {
    const codes = (isEnforced: boolean) =>
      adminPolicyUse(labWith(plain), cnis.calico, isEnforced).map(({ code }) => code);
    expect(codes(cnis.calico.install.enforcesAdminPolicy)).toEqual(["MANIFEST_NOT_ENFORCED"]);
    expect(codes(cnis.calico.enforcesAdminPolicy)).toEqual([]);
  });

  it.each<[string, AdminPolicy, string]>([
    ["a ClusterNetworkPolicy", asClusterPolicy(plain), "Calico knows it from 3.32 on"],
    ["peers by nodes", egress({ to: [{ nodes: {} }] }), "with a peer by nodes"],
    ["named ports", egress({ ports: [{ namedPort: "http" }] }), "takes a named port in it for every port"],
  ])("is told what Calico's release does otherwise: %s", (_, policy, text) => {
    const [warning, ...others] = adminPolicyUse(labWith(policy), cnis.calico, true);
    expect(warning).toMatchObject({ code: "POLICY_BEYOND_RELEASE", span: kindSpan });
    expect(warning?.message).toContain(text);
    expect(others).toEqual([]);
  });

  it("is told the same when it is applied", () => {
    const codes = (cni: "calico" | "flannel", policy: AdminPolicy) =>
      policyWarnings(cni, cnis[cni].dataplane?.policy, policy).map(({ code }) => code);
    expect(codes("flannel", plain)).toEqual(["MANIFEST_NOT_ENFORCED"]);
    expect(codes("calico", plain)).toEqual([]);
    expect(codes("calico", asClusterPolicy(plain))).toEqual(["POLICY_BEYOND_RELEASE"]);
  });
});
