import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NetworkPolicy } from "../../../src/kube/types.ts";
import type { ClassEnd } from "../../../src/policy/classes.ts";
import { createPolicyMatrix } from "../../../src/policy/matrix.ts";
import { createOracle } from "../../../src/policy/oracle.ts";
import type { OraclePod, OracleWorld } from "../../../src/policy/types.ts";
import { naiveAllows } from "../../naive-policy.ts";
import { propertyRuns } from "../../property-runs.ts";
import { OUTSIDE_ADDRESS, policy, world } from "./arbitrary-world.ts";

const ports = [
  { port: 80, protocol: "TCP" as const },
  { port: 81, protocol: "TCP" as const },
  { port: 53, protocol: "UDP" as const },
  { port: 81, protocol: "SCTP" as const },
];

function endsOf({ pods }: OracleWorld): ClassEnd[] {
  return [...pods.map((pod): ClassEnd => ({ pod })), { address: OUTSIDE_ADDRESS }];
}

/** Every cell between two different ends, by port, source and destination. */
function cells(of: OracleWorld): boolean[] {
  const ends = endsOf(of);
  const matrix = createPolicyMatrix(of, ends);
  return ports.flatMap(({ port, protocol }) => {
    const on = matrix.on(port, protocol);
    return pairs(ends.length).map(([from, to]) => on.allows(from, to));
  });
}

function pairs(count: number): [number, number][] {
  const all = Array.from({ length: count }, (_, at) => at);
  return all.flatMap((from) => all.filter((to) => to !== from).map((to): [number, number] => [from, to]));
}

function withPolicies(of: OracleWorld, policies: NetworkPolicy[]): OracleWorld {
  return { ...of, policies: policies.map((each) => ({ policy: each })) };
}

function policiesOf(of: OracleWorld): NetworkPolicy[] {
  return of.policies.map((placed) => placed.policy);
}

describe("the matrix of classes", () => {
  it("agrees with the oracle, pair by pair", () => {
    fc.assert(
      fc.property(world, (of) => {
        const oracle = createOracle(of);
        const ends = endsOf(of);
        const name = (end: ClassEnd) =>
          "pod" in end
            ? { kind: "pod" as const, namespace: end.pod.namespace, name: end.pod.name }
            : { kind: "address" as const, address: end.address };
        const one = ports.flatMap(({ port, protocol }) =>
          pairs(ends.length).map(
            ([from, to]) =>
              oracle.verdict({
                from: name(ends[from] as ClassEnd),
                to: name(ends[to] as ClassEnd),
                port,
                protocol,
                family: 4,
              }).allowed,
          ),
        );
        expect(cells(of)).toEqual(one);
      }),
      { numRuns: propertyRuns(500) },
    );
  });

  it("agrees with a naive reading, pair by pair", () => {
    fc.assert(
      fc.property(world, (of) => {
        const naive = {
          namespaces: Object.fromEntries(of.namespaces.map(({ name, labels }) => [name, { ...labels }])),
          policies: policiesOf(of),
        };
        const ends = endsOf(of).map((end) =>
          "pod" in end
            ? {
                pod: { ...end.pod, address: end.pod.addresses[0] as string } as never,
                address: end.pod.addresses[0] as string,
              }
            : { address: end.address },
        );
        const expected = ports.flatMap(({ port, protocol }) =>
          pairs(ends.length).map(([from, to]) =>
            naiveAllows(naive, ends[from] as never, ends[to] as never, port, protocol),
          ),
        );
        expect(cells(of)).toEqual(expected);
      }),
      { numRuns: propertyRuns(300) },
    );
  });

  it("loses no cell to an allow rule more", () => {
    fc.assert(
      fc.property(world, policy, fc.nat(), (of, donor, pick) => {
        fc.pre(of.policies.length > 0);
        const richer = policiesOf(of).map((each, at): NetworkPolicy => {
          if (at !== pick % of.policies.length) return each;
          const { ingress = [], egress = [] } = each.spec;
          const spec = { ...each.spec, policyTypes: typesOf(each) };
          spec.ingress = [...ingress, ...(donor.spec.ingress ?? [])];
          spec.egress = [...egress, ...(donor.spec.egress ?? [])];
          return { ...each, spec };
        });
        const after = cells(withPolicies(of, richer));
        expect(cells(of).every((allowed, at) => !allowed || after[at])).toBe(true);
      }),
    );
  });

  it("is the same when policies are split and when anything is in another order", () => {
    fc.assert(
      fc.property(world, (of) => {
        const split = policiesOf(of).flatMap((each): NetworkPolicy[] => {
          const { podSelector, ingress = [], egress = [] } = each.spec;
          const part = (spec: object): NetworkPolicy => ({
            ...each,
            spec: { podSelector, policyTypes: typesOf(each), ...spec },
          });
          return [
            part({}),
            ...ingress.map((rule) => part({ ingress: [rule] })),
            ...egress.map((rule) => part({ egress: [rule] })),
          ];
        });
        expect(cells(withPolicies(of, split))).toEqual(cells(of));
        expect(cells(withPolicies(of, split.toReversed()))).toEqual(cells(of));
      }),
    );
  });

  it("takes an empty selector for all pods", () => {
    fc.assert(
      fc.property(world, policy, (of, one) => {
        const withSelector = (podSelector: NetworkPolicy["spec"]["podSelector"]): OracleWorld =>
          withPolicies(of, [{ ...one, spec: { ...one.spec, podSelector } }]);
        const all = { matchExpressions: [{ key: "none", operator: "DoesNotExist" as const }] };
        expect(cells(withSelector({}))).toEqual(cells(withSelector(all)));
      }),
    );
  });

  it("counts the pairs that it allows", () => {
    fc.assert(
      fc.property(world, (of) => {
        const ends = endsOf(of);
        const on = createPolicyMatrix(of, ends).on(80, "TCP");
        expect(on.countAllowed()).toBe(pairs(ends.length).filter(([from, to]) => on.allows(from, to)).length);
      }),
    );
  });

  it("has one class for pods that differ in what no policy asks about", () => {
    const pods = Array.from({ length: 100 }, (_, at): OraclePod => ({
      namespace: "shop",
      name: `p${at}`,
      labels: { app: at % 2 === 0 ? "web" : "db", id: String(at) },
      addresses: [`10.0.0.${at + 1}`],
      ports: [],
    }));
    const policies = [
      {
        policy: {
          apiVersion: "networking.k8s.io/v1",
          kind: "NetworkPolicy" as const,
          metadata: { name: "db", namespace: "shop" },
          spec: {
            podSelector: { matchLabels: { app: "db" } },
            ingress: [{ from: [{ podSelector: { matchLabels: { app: "web" } } }] }],
          },
        },
      },
    ];
    const matrix = createPolicyMatrix(
      { namespaces: [], policies },
      pods.map((pod) => ({ pod })),
    );
    expect(matrix.classes.map(({ members }) => members.length)).toEqual([50, 50]);
    expect(matrix.on(80, "TCP").countAllowed()).toBe(100 * 99 - 50 * 49);
  });
});

function typesOf({ spec: { policyTypes = [], egress = [] } }: NetworkPolicy): ("Ingress" | "Egress")[] {
  if (policyTypes.length > 0) return policyTypes;
  return egress.length > 0 ? ["Ingress", "Egress"] : ["Ingress"];
}

describe("one port of the matrix", () => {
  const pod = (name: string, ports: OraclePod["ports"] = []): ClassEnd => ({
    pod: { namespace: "shop", name, labels: { app: name }, addresses: [], ports },
  });
  const db = pod("db", [
    { name: "sql", containerPort: 5432, protocol: "TCP" },
    { name: "admin", containerPort: 81, protocol: "TCP" },
  ]);
  const matrix = createPolicyMatrix(
    withPolicies({ namespaces: [{ name: "shop", labels: {} }], pods: [], policies: [] }, [
      {
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: { namespace: "shop", name: "db" },
        spec: {
          podSelector: { matchLabels: { app: "db" } },
          ingress: [
            { from: [{ podSelector: { matchLabels: { app: "web" } } }], ports: [{ port: "metrics" }, { port: "sql" }] },
          ],
        },
      },
      {
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: { namespace: "shop", name: "probe" },
        spec: { podSelector: { matchLabels: { app: "probe" } }, policyTypes: ["Egress"] },
      },
    ]),
    [pod("web"), db, pod("probe")],
  );

  it("is open where one of the names that a rule lists stands for it", () => {
    expect(matrix.on(5432, "TCP").allows(0, 1)).toBe(true);
    for (const [port, protocol] of [
      [81, "TCP"],
      [80, "TCP"],
      [5432, "UDP"],
    ] as const)
      expect(matrix.on(port, protocol).allows(0, 1)).toBe(false);
  });

  it("is open from a pod to itself, whatever policies say", () => {
    expect([0, 1, 2].map((end) => matrix.on(80, "TCP").allows(end, end))).toEqual([true, true, true]);
  });

  it("tells the side that is open: 1 of the source, 2 of the destination", () => {
    const on = matrix.on(80, "TCP");
    expect([on.sides(0, 1), on.sides(2, 1), on.sides(2, 0), on.sides(1, 0)]).toEqual([1, 0, 2, 3]);
    expect([on.sides(1, 2), matrix.on(5432, "TCP").sides(0, 1)]).toEqual([3, 3]);
  });
});
