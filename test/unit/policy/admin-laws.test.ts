import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AdminPolicy, AdminRule } from "../../../src/kube/admin-policy-types.ts";
import type { Protocol } from "../../../src/kube/types.ts";
import type { ClassEnd } from "../../../src/policy/classes.ts";
import { createPolicyMatrix } from "../../../src/policy/matrix.ts";
import { createOracle } from "../../../src/policy/oracle.ts";
import type { OracleEnd, OracleFlow, OracleWorld } from "../../../src/policy/types.ts";
import { naiveAllowsWithAdmin } from "../../naive-admin-policy.ts";
import type { NaiveEnd } from "../../naive-policy.ts";
import { propertyRuns } from "../../property-runs.ts";
import { adminPolicy, adminWorld, asClusterPolicy, ingressRules } from "./arbitrary-admin.ts";
import { flowsOf, OUTSIDE_ADDRESS } from "./arbitrary-world.ts";

type AdminWorld = OracleWorld & { adminPolicies: { policy: AdminPolicy }[] };

/** Every verdict of the flows of a world, by two ways that share no judging. */
function cells(of: OracleWorld): boolean[] {
  const verdicts = byOracle(of);
  expect(byClasses(of)).toEqual(verdicts);
  return verdicts;
}

function byOracle(of: OracleWorld): boolean[] {
  const oracle = createOracle(of);
  return flowsOf(of).map((flow) => oracle.verdict({ ...flow, family: 4 }).allowed);
}

function byClasses(of: OracleWorld): boolean[] {
  const ends: ClassEnd[] = [
    ...of.pods.map((pod): ClassEnd => ({ pod })),
    ...addressesOf(of).map((address): ClassEnd => ({ address })),
  ];
  const matrix = createPolicyMatrix(of, ends);
  const numbers = new Map(ends.map((end, at) => [nameOf(end), at]));
  const numberOf = (end: OracleEnd): number => numbers.get(nameOfEnd(end)) ?? -1;
  return flowsOf(of).map(({ from, to, port = 0, protocol }) =>
    matrix.on(port, protocol as Protocol).allows(numberOf(from), numberOf(to)),
  );
}

function nameOf(end: ClassEnd): string {
  return "pod" in end ? `${end.pod.namespace}/${end.pod.name}` : end.address;
}

function nameOfEnd(end: OracleEnd): string {
  if (end.kind === "pod") return `${end.namespace}/${end.name}`;
  return end.kind === "address" ? end.address : end.name;
}

function addressesOf({ nodes = [] }: OracleWorld): string[] {
  return [OUTSIDE_ADDRESS, ...nodes.flatMap(({ addresses }) => addresses)];
}

function naively(of: AdminWorld): boolean[] {
  const naive = {
    namespaces: Object.fromEntries(of.namespaces.map(({ name, labels }) => [name, { ...labels }])),
    policies: of.policies.map(({ policy }) => policy),
    adminPolicies: of.adminPolicies.map(({ policy }) => policy),
    nodes: (of.nodes ?? []).map(({ addresses, labels }) => ({ address: addresses[0] ?? "", labels: { ...labels } })),
  };
  const endOf = (end: OracleEnd): NaiveEnd => {
    const pod = of.pods.find((each) => `${each.namespace}/${each.name}` === nameOfEnd(end));
    const [address = ""] = pod?.addresses ?? [];
    return pod === undefined ? { address: nameOfEnd(end) } : { pod: { ...pod, address } as never, address };
  };
  const ask = ({ from, to, port = 0, protocol }: OracleFlow): boolean =>
    naiveAllowsWithAdmin(naive, { from: endOf(from), to: endOf(to), port, protocol });
  return flowsOf(of).map(ask);
}

function withAdmin<World extends OracleWorld>(of: World, policies: AdminPolicy[]): World & AdminWorld {
  return { ...of, adminPolicies: policies.map((policy) => ({ policy })) };
}

function adminOf(of: AdminWorld): AdminPolicy[] {
  return of.adminPolicies.map(({ policy }) => policy);
}

function mapRules(policy: AdminPolicy, change: (rules: AdminRule[]) => AdminRule[]): AdminPolicy {
  const { ingress = [], egress = [] } = policy.spec;
  return { ...policy, spec: { ...policy.spec, ingress: change(ingress), egress: change(egress) } };
}

/** The Admin tier with rules more at the end of the policy that counts last. */
function withLastRules(of: AdminWorld, rules: AdminRule[]): AdminWorld {
  const admin = adminOf(of).filter(({ kind }) => kind === "AdminNetworkPolicy");
  const [last] = admin.toSorted(
    (a, b) => (b.spec.priority ?? 0) - (a.spec.priority ?? 0) || (a.metadata.name < b.metadata.name ? 1 : -1),
  );
  return withAdmin(
    of,
    adminOf(of).map((policy) =>
      policy === last
        ? { ...policy, spec: { ...policy.spec, ingress: [...(policy.spec.ingress ?? []), ...rules] } }
        : policy,
    ),
  );
}

describe("cluster-wide policies", () => {
  it("are judged alike by the oracle, by classes and by a naive reading", () => {
    fc.assert(
      fc.property(adminWorld, (of) => {
        expect(cells(of)).toEqual(naively(of));
      }),
      { numRuns: propertyRuns(200) },
    );
  });

  it("count the same whatever order they and NetworkPolicies are listed in", () => {
    fc.assert(
      fc.property(adminWorld, (of) => {
        const reversed = { ...of, policies: of.policies.toReversed(), adminPolicies: of.adminPolicies.toReversed() };
        expect(cells(reversed)).toEqual(cells(of));
      }),
    );
  });

  it("decide nothing where every rule of the Admin tier is Pass", () => {
    fc.assert(
      fc.property(adminWorld, (of) => {
        const passing = adminOf(of).map((policy) =>
          policy.kind === "AdminNetworkPolicy"
            ? mapRules(policy, (rules) => rules.map((rule) => ({ ...rule, action: "Pass" })))
            : policy,
        );
        const without = adminOf(of).filter(({ kind }) => kind !== "AdminNetworkPolicy");
        expect(cells(withAdmin(of, passing))).toEqual(cells(withAdmin(of, without)));
      }),
    );
  });

  it("say the same with a Pass behind the last rule of the Admin tier, and never more with a Deny there", () => {
    fc.assert(
      fc.property(adminWorld, ingressRules, (of, rules) => {
        const before = cells(of);
        const more = (action: "Pass" | "Deny"): boolean[] =>
          cells(
            withLastRules(
              of,
              rules.map((rule) => ({ ...rule, action })),
            ),
          );
        expect(more("Pass")).toEqual(before);
        expect(more("Deny").every((allowed, at) => !allowed || before[at])).toBe(true);
      }),
    );
  });

  it("let no NetworkPolicy open what the Admin tier denies, nor close what it allows", () => {
    fc.assert(
      fc.property(adminWorld, fc.constantFrom("Allow" as const, "Deny" as const), (of, action) => {
        const all = { namespaces: {} };
        const first = adminPolicy("0", {
          priority: 0,
          subject: all,
          ingress: [{ action, from: [all] }],
          egress: [{ action, to: [all, { networks: ["0.0.0.0/0"] }] }],
        });
        const isPod = ({ kind }: OracleEnd): boolean => kind === "pod";
        const verdicts = cells(withAdmin(of, [first, ...adminOf(of)]));
        for (const [at, { from, to }] of flowsOf(of).entries()) {
          if (isPod(from) && isPod(to)) expect(verdicts[at]).toBe(action === "Allow");
        }
      }),
    );
  });

  it("have no baseline where NetworkPolicies isolate every pod", () => {
    fc.assert(
      fc.property(adminWorld, (of) => {
        const isolated = {
          ...of,
          policies: [
            ...of.policies,
            ...of.namespaces.map(({ name: namespace }) => ({
              policy: {
                apiVersion: "networking.k8s.io/v1",
                kind: "NetworkPolicy" as const,
                metadata: { namespace, name: "deny" },
                spec: { podSelector: {}, policyTypes: ["Ingress" as const, "Egress" as const] },
              },
            })),
          ],
        };
        const admin = adminOf(of).filter(({ kind }) => kind === "AdminNetworkPolicy");
        expect(cells(isolated)).toEqual(cells(withAdmin(isolated, admin)));
      }),
    );
  });

  it("mean the same as ClusterNetworkPolicies of v1alpha2", () => {
    fc.assert(
      fc.property(adminWorld, (of) => {
        expect(cells(withAdmin(of, adminOf(of).map(asClusterPolicy)))).toEqual(cells(of));
      }),
    );
  });
});
