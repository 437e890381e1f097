import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NetworkPolicy } from "../../../src/kube/types.ts";
import { createOracle } from "../../../src/policy/oracle.ts";
import type { OracleEnd, OracleWorld } from "../../../src/policy/types.ts";
import { type NaivePod, naiveAllows } from "../../naive-policy.ts";
import { propertyRuns } from "../../property-runs.ts";
import { flowsOf, OUTSIDE_ADDRESS, policy, world } from "./arbitrary-world.ts";

function allowedFlows(of: OracleWorld): boolean[] {
  const oracle = createOracle(of);
  return flowsOf(of).map((flow) => oracle.verdict(flow).allowed);
}

function withPolicies(of: OracleWorld, policies: NetworkPolicy[]): OracleWorld {
  return { ...of, policies: policies.map((each) => ({ policy: each })) };
}

function policiesOf(of: OracleWorld): NetworkPolicy[] {
  return of.policies.map((placed) => placed.policy);
}

describe("the oracle", () => {
  it("agrees with a naive reading of the same text", () => {
    fc.assert(
      fc.property(world, (of) => {
        const naiveWorld = {
          namespaces: Object.fromEntries(of.namespaces.map(({ name, labels }) => [name, { ...labels }])),
          policies: policiesOf(of),
        };
        expect(allowedFlows(of)).toEqual(
          flowsOf(of).map(({ from, to, port = 0, protocol }) =>
            naiveAllows(naiveWorld, naiveEnd(of, from), naiveEnd(of, to), port, protocol),
          ),
        );
      }),
      { numRuns: propertyRuns(500) },
    );
  });

  it("does not depend on the order of policies, rules and peers", () => {
    fc.assert(
      fc.property(world, (of) => {
        const reversed = policiesOf(of)
          .toReversed()
          .map((each) => mapRules(each, (rules) => rules.toReversed()));
        expect(allowedFlows(withPolicies(of, reversed))).toEqual(allowedFlows(of));
      }),
    );
  });

  it("never closes a flow because a rule was added", () => {
    fc.assert(
      fc.property(world, policy, fc.nat(), (of, donor, pick) => {
        fc.pre(of.policies.length > 0);
        const index = pick % of.policies.length;
        const richer = policiesOf(of).map((each, at): NetworkPolicy => {
          if (at !== index) return each;
          // Made explicit first, because a first egress rule would change what the policy affects by default.
          const { ingress = [], egress = [] } = each.spec;
          const spec = { ...each.spec, policyTypes: typesOf(each) };
          spec.ingress = [...ingress, ...(donor.spec.ingress ?? [])];
          spec.egress = [...egress, ...(donor.spec.egress ?? [])];
          return { ...each, spec };
        });
        const before = allowedFlows(of);
        const after = allowedFlows(withPolicies(of, richer));
        expect(before.every((allowed, at) => !allowed || after[at])).toBe(true);
      }),
    );
  });

  it("never opens a flow because a policy isolates more", () => {
    fc.assert(
      fc.property(world, policy, (of, more) => {
        const deny = {
          ...more,
          spec: { podSelector: more.spec.podSelector, policyTypes: ["Ingress", "Egress"] as const },
        };
        const before = allowedFlows(of);
        const after = allowedFlows(
          withPolicies(of, [
            ...policiesOf(of),
            { ...deny, spec: { ...deny.spec, policyTypes: [...deny.spec.policyTypes] } },
          ]),
        );
        expect(after.every((allowed, at) => !allowed || before[at])).toBe(true);
      }),
    );
  });

  it("says the same when a policy is split into one a rule", () => {
    fc.assert(
      fc.property(world, (of) => {
        const split = policiesOf(of).flatMap((each): NetworkPolicy[] => {
          const { podSelector, ingress = [], egress = [] } = each.spec;
          const policyTypes = typesOf(each);
          const part = (spec: object): NetworkPolicy => ({ ...each, spec: { podSelector, policyTypes, ...spec } });
          return [
            part({}),
            ...ingress.map((rule) => part({ ingress: [rule] })),
            ...egress.map((rule) => part({ egress: [rule] })),
          ];
        });
        expect(allowedFlows(withPolicies(of, split))).toEqual(allowedFlows(of));
      }),
    );
  });

  it("says the same when a rule's ports and peers are multiplied out", () => {
    fc.assert(
      fc.property(world, (of) => {
        const flat = policiesOf(of).map((each) =>
          mapRules(each, (rules) =>
            rules.flatMap((rule) => {
              const { from, to, ports } = rule as { from?: object[]; to?: object[]; ports?: object[] };
              const peers = from ?? to ?? [];
              const side = from === undefined ? "to" : "from";
              const items = ports === undefined || ports.length === 0 ? [undefined] : ports;
              const ends = peers.length === 0 ? [undefined] : peers;
              return ends.flatMap((end) =>
                items.map((item) => ({
                  ...(end === undefined ? {} : { [side]: [end] }),
                  ...(item === undefined ? {} : { ports: [item] }),
                })),
              );
            }),
          ),
        );
        // policyTypes must not change by default when rules multiply, and cannot: their number stays above zero.
        expect(allowedFlows(withPolicies(of, flat))).toEqual(allowedFlows(of));
      }),
    );
  });

  it("takes an empty selector for all pods", () => {
    fc.assert(
      fc.property(world, policy, (of, one) => {
        const everyPod = { ...one, spec: { ...one.spec, podSelector: {} } };
        const spelledOut = {
          ...one,
          spec: {
            ...one.spec,
            podSelector: { matchExpressions: [{ key: "none", operator: "DoesNotExist" as const }] },
          },
        };
        expect(allowedFlows(withPolicies(of, [everyPod]))).toEqual(allowedFlows(withPolicies(of, [spelledOut])));
      }),
    );
  });

  it("allows exactly where each isolated side has a rule that allows", () => {
    fc.assert(
      fc.property(world, (of) => {
        const oracle = createOracle(of);
        for (const flow of flowsOf(of)) {
          const { allowed, egress, ingress } = oracle.verdict(flow);
          const sides = [egress, ingress].filter((side) => side !== undefined);
          expect(allowed).toBe(
            sides.every(({ isolatedBy, allowedBy }) => isolatedBy.length === 0 || allowedBy.length > 0),
          );
        }
      }),
    );
  });
});

function typesOf({ spec: { policyTypes = [], egress = [] } }: NetworkPolicy): ("Ingress" | "Egress")[] {
  if (policyTypes.length > 0) return policyTypes;
  return egress.length > 0 ? ["Ingress", "Egress"] : ["Ingress"];
}

function mapRules(each: NetworkPolicy, change: (rules: object[]) => object[]): NetworkPolicy {
  const { ingress, egress } = each.spec;
  return {
    ...each,
    spec: {
      ...each.spec,
      ...(ingress === undefined ? {} : { ingress: change(ingress) }),
      ...(egress === undefined ? {} : { egress: change(egress) }),
    },
  };
}

function naiveEnd(of: OracleWorld, end: OracleEnd): { pod?: NaivePod; address: string } {
  if (end.kind !== "pod") return { address: OUTSIDE_ADDRESS };
  const pod = of.pods.find(({ namespace, name }) => namespace === end.namespace && name === end.name);
  const address = pod?.addresses[0];
  if (pod === undefined || address === undefined) throw new Error("a flow names a pod that is not there");
  const ports = pod.ports.map(({ name, ...port }) => (name === undefined ? port : { ...port, name }));
  return { pod: { ...pod, labels: { ...pod.labels }, ports, address }, address };
}
