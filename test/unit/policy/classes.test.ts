import { describe, expect, it } from "vitest";
import type { NetworkPolicy } from "../../../src/kube/types.ts";
import { classify, type ClassEnd, type ClassWorld } from "../../../src/policy/classes.ts";
import type { OraclePod } from "../../../src/policy/types.ts";

type Spec = NetworkPolicy["spec"];

const labels = (matchLabels: Record<string, string>) => ({ matchLabels });
const namespaces = [
  { name: "shop", labels: { team: "shop" } },
  { name: "ops", labels: { team: "ops" } },
];

function policy(spec: Spec, namespace = "shop"): NetworkPolicy {
  return { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { namespace, name: "p" }, spec };
}

function worldOf(...policies: NetworkPolicy[]): ClassWorld {
  return { namespaces, policies: policies.map((each) => ({ policy: each })) };
}

function pod(own: Record<string, string>, more: Partial<OraclePod> = {}): ClassEnd {
  return { pod: { namespace: "shop", name: "x", labels: own, addresses: ["10.0.0.1"], ports: [], ...more } };
}

/** The ends of each class, by their places in the list. */
function membersOf(world: ClassWorld, ends: readonly ClassEnd[]): number[][] {
  const { classes, classOf } = classify(world, ends, 4);
  expect([...classOf].map((number, end) => classes[number]?.members.includes(end))).toEqual(ends.map(() => true));
  return classes.map(({ members }) => members);
}

const fromWeb = { from: [{ podSelector: labels({ app: "web" }) }] };

describe("ends are in one class", () => {
  it("where they differ by nothing that a policy asks for", () => {
    const world = worldOf(policy({ podSelector: labels({ app: "db", tier: "data" }), ingress: [fromWeb] }));
    const ends = [
      pod({ app: "db", tier: "data", release: "1" }),
      pod({ release: "2", tier: "data", app: "db" }),
      pod({ app: "db" }),
      pod({ app: "web" }),
      pod({ app: "web", "pod-template-hash": "7" }, { namespace: "shop", name: "y" }),
      pod({}),
      pod({ release: "1" }),
    ];
    expect(membersOf(world, ends)).toEqual([
      [0, 1],
      [2, 5, 6],
      [3, 4],
    ]);
  });

  it("in any namespace, where selectors pick both or neither", () => {
    const world = worldOf(policy({ podSelector: {}, ingress: [{ from: [{ namespaceSelector: {} }] }] }));
    const elsewhere = { namespace: "ops" };
    expect(membersOf(world, [pod({}), pod({}, elsewhere), pod({ a: "1" }, elsewhere)])).toEqual([[0], [1, 2]]);
  });

  it("whatever their ports are called, as long as no rule calls them so", () => {
    const port = (name: string | undefined, containerPort: number, protocol: "TCP" | "UDP" = "TCP") => ({
      ports: [{ name, containerPort, protocol } as OraclePod["ports"][number]],
    });
    const ends = [
      pod({}),
      pod({}, port("metrics", 9090)),
      pod({}, port(undefined, 8080)),
      pod({}, port("http", 8080)),
      pod({}, port("http", 80)),
      pod({}, port("http", 8080, "UDP")),
      pod({}, { ports: [...port("http", 8080).ports, ...port("metrics", 1).ports] }),
    ];
    const byName = worldOf(policy({ podSelector: {}, ingress: [{ ports: [{ port: "http" }] }] }));
    expect(membersOf(byName, ends)).toEqual([[0, 1, 2], [3, 6], [4], [5]]);
    const byNumber = worldOf(policy({ podSelector: {}, ingress: [{ ports: [{ port: 8080 }] }] }));
    expect(membersOf(byNumber, ends)).toEqual([[0, 1, 2, 3, 4, 5, 6]]);
  });

  it("outside the cluster, where the same blocks hold them", () => {
    const block = { ipBlock: { cidr: "203.0.113.0/24", except: ["203.0.113.128/25"] } };
    const world = worldOf(policy({ podSelector: {}, egress: [{ to: [block] }], policyTypes: ["Egress"] }));
    const ends = ["203.0.113.1", "198.51.100.1", "203.0.113.2", "203.0.113.200"].map((address) => ({ address }));
    const { classes } = classify(world, ends, 4);
    const outside = { egress: [], ingress: [], admin: [], podPeers: [], namedPorts: [] };
    expect(classes).toEqual([
      { ...outside, members: [0, 2], blockPeers: [0] },
      { ...outside, members: [1, 3], blockPeers: [] },
    ]);
  });
});

describe("a class knows", () => {
  it("the policies of its namespace that isolate it, each way, in their order", () => {
    const both = ["Ingress", "Egress"] as const;
    const policies = [
      policy({ podSelector: {}, policyTypes: ["Egress"] }),
      policy({ podSelector: labels({ app: "db" }), policyTypes: [...both] }),
      policy({ podSelector: {}, policyTypes: [...both] }, "ops"),
      policy({ podSelector: labels({ tier: "data" }), policyTypes: ["Ingress"] }),
      policy({ podSelector: {}, policyTypes: ["Ingress"] }),
    ];
    const db = { app: "db", tier: "data" };
    const ends = [pod(db), pod(db, { namespace: "ops" }), pod({}), { address: "192.0.2.1" }];
    const { classes } = classify(worldOf(...policies), ends, 4);
    expect(classes.map(({ egress, ingress }) => [egress, ingress])).toEqual([
      [
        [0, 1],
        [1, 3, 4],
      ],
      [[2], [2]],
      [[0], [4]],
      [[], []],
    ]);
  });

  it("the peers that pick it, each number once for equal peers, ascending", () => {
    const peers = [
      { podSelector: {} },
      { podSelector: labels({ app: "web" }) },
      { namespaceSelector: labels({ team: "ops" }) },
      { namespaceSelector: {}, podSelector: labels({ app: "web" }) },
      { podSelector: labels({ app: "web" }) },
      { namespaceSelector: labels({ team: "nobody" }) },
    ];
    const world = worldOf(policy({ podSelector: labels({ app: "db" }), ingress: [{ from: peers }, {}] }));
    const ends = [
      pod({ app: "web" }),
      pod({ app: "web" }, { namespace: "ops" }),
      pod({}),
      pod({}, { namespace: "ops" }),
    ];
    const { classes, rules } = classify(world, ends, 4);
    expect(rules).toEqual([
      {
        egress: [],
        ingress: [
          expect.objectContaining({ peers: [0, 1, 2, 3, 1, 4] }),
          expect.objectContaining({ peers: undefined }),
        ],
      },
    ]);
    expect(classes.map(({ podPeers }) => podPeers)).toEqual([[0, 1, 3], [2, 3], [0], [2]]);
  });

  it("the cluster-wide policies whose subject it is, by precedence", () => {
    const admin = (name: string, priority: number, subject: object) => ({
      policy: {
        apiVersion: "policy.networking.k8s.io/v1alpha1",
        kind: "AdminNetworkPolicy",
        metadata: { name },
        spec: { priority, subject, ingress: [{ action: "Deny", from: [{ namespaces: labels({ team: "ops" }) }] }] },
      },
    });
    const web = { pods: { namespaceSelector: {}, podSelector: labels({ app: "web" }) } };
    const world = {
      namespaces,
      policies: [],
      adminPolicies: [admin("last", 30, { namespaces: {} }), admin("first", 10, web), admin("second", 20, web)],
    } as unknown as ClassWorld;
    const ends = [pod({ app: "web" }), pod({}), pod({}, { namespace: "ops" }), { address: "192.0.2.1" }];
    const { classes, admin: ordered } = classify(world, ends, 4);
    expect(ordered).toHaveLength(3);
    expect(classes.map(({ admin: numbers }) => numbers)).toEqual([[0, 1, 2], [2], [2], []]);
  });
});
