import { describe, expect, it } from "vitest";
import type { AdminPeer, AdminPolicy, AdminRule } from "../../../src/kube/admin-policy-types.ts";
import type { NetworkPolicy } from "../../../src/kube/types.ts";
import { findClues } from "../../../src/policy/clues.ts";
import { explainLines } from "../../../src/policy/explain.ts";
import { createOracle } from "../../../src/policy/oracle.ts";
import { priorityWarnings } from "../../../src/policy/priorities.ts";
import type { OracleEnd, OracleFlow, OraclePod, OracleVerdict, OracleWorld } from "../../../src/policy/types.ts";
import { adminPolicy, asClusterPolicy, baselinePolicy } from "./arbitrary-admin.ts";

const pod = (name: string, address: string, more: Partial<OraclePod> = {}): OraclePod => ({
  namespace: "shop",
  name,
  labels: { app: name },
  addresses: [address],
  ports: [{ name: "http", containerPort: 80, protocol: "TCP" }],
  node: "worker1",
  ...more,
});

const BASE: Omit<OracleWorld, "policies"> = {
  namespaces: [{ name: "shop", labels: {} }],
  nodes: [
    { name: "worker1", addresses: ["192.168.0.11"], labels: { role: "worker" } },
    { name: "control", addresses: ["192.168.0.10", "192.168.1.10"], labels: { role: "control" } },
  ],
  pods: [
    pod("web", "10.0.0.1"),
    pod("db", "10.0.0.2"),
    pod("far-agent", "192.168.0.10", { hostNetwork: true, node: "control" }),
  ],
};

const at = (name: string): OracleEnd => ({ kind: "pod", namespace: "shop", name });
const everyone = { namespaces: {} };

function worldOf(adminPolicies: AdminPolicy[], policies: NetworkPolicy[] = []): OracleWorld {
  return {
    ...BASE,
    policies: policies.map((policy) => ({ policy })),
    adminPolicies: adminPolicies.map((policy) => ({ policy })),
  };
}

function ask(world: OracleWorld, to: OracleEnd = at("db"), more: Partial<OracleFlow> = {}): OracleVerdict {
  return createOracle(world).verdict({ from: at("web"), to, port: 80, protocol: "TCP", ...more });
}

function summary({ allowed, notGradable }: OracleVerdict): string {
  return `${allowed ? "allowed" : "blocked"}${notGradable === undefined ? "" : `, open: ${notGradable.cause}`}`;
}

const ingress = (action: AdminRule["action"], more: Partial<AdminRule> = {}): AdminRule => ({
  action,
  from: [everyone],
  ...more,
});
const egressTo = (action: AdminRule["action"], to: AdminRule["to"]): AdminPolicy =>
  adminPolicy("out", { priority: 1, subject: everyone, egress: [{ action, to: to ?? [] }] });
const guard = (priority: number, rules: AdminRule[], name = `p${priority}`): AdminPolicy =>
  adminPolicy(name, { priority, subject: everyone, ingress: rules });

const denyAll: NetworkPolicy = {
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { namespace: "shop", name: "deny" },
  spec: { podSelector: {}, policyTypes: ["Ingress"] },
};

describe("tiers", () => {
  it("count the lower priority first, then rules in their order", () => {
    expect(summary(ask(worldOf([guard(2, [ingress("Deny")]), guard(1, [ingress("Allow")])])))).toBe("allowed");
    expect(summary(ask(worldOf([guard(1, [ingress("Deny"), ingress("Allow")])])))).toBe("blocked");
  });

  it("let an Allow of the Admin tier override NetworkPolicies, and Pass leave it to them", () => {
    expect(summary(ask(worldOf([guard(1, [ingress("Allow")])], [denyAll])))).toBe("allowed");
    const passed = ask(worldOf([guard(1, [ingress("Pass")]), guard(2, [ingress("Allow")])], [denyAll]));
    expect(summary(passed)).toBe("blocked");
    expect(passed.ingress).toMatchObject({ passedBy: { index: 0 }, isolatedBy: [{ policy: denyAll }] });
  });

  it("ask the Baseline tier only where no NetworkPolicy isolates the pod in that direction", () => {
    const baseline = baselinePolicy({ subject: everyone, ingress: [ingress("Deny")] });
    expect(ask(worldOf([baseline])).ingress).toMatchObject({
      allowed: false,
      decidedBy: { tier: "Baseline", action: "Deny" },
    });
    const open: NetworkPolicy = { ...denyAll, spec: { podSelector: {}, ingress: [{}] } };
    expect(summary(ask(worldOf([baseline], [open])))).toBe("allowed");
    const otherWay: NetworkPolicy = { ...denyAll, spec: { podSelector: {}, policyTypes: ["Egress"], egress: [{}] } };
    expect(summary(ask(worldOf([baseline], [otherWay])))).toBe("blocked");
  });

  it("isolate nothing by selecting a pod: what no rule matches stays open", () => {
    const other = ingress("Allow", { ports: [{ portNumber: { port: 81 } }] });
    expect(summary(ask(worldOf([guard(1, [other])])))).toBe("allowed");
  });
});

describe("peers and ports", () => {
  it("take nodes and networks by address, pods on the host network included, and selectors never", () => {
    const control: OracleEnd = { kind: "node", name: "control" };
    const denyNodes = worldOf([egressTo("Deny", [{ nodes: { matchLabels: { role: "control" } } }])]);
    expect(summary(ask(denyNodes, control))).toBe("blocked");
    expect(summary(ask(denyNodes, at("far-agent")))).toBe("blocked");
    expect(summary(ask(denyNodes, { kind: "address", address: "192.168.1.10" }))).toBe("blocked");
    expect(summary(ask(denyNodes))).toBe("allowed");
    expect(summary(ask(worldOf([egressTo("Deny", [everyone])]), at("far-agent")))).toBe("allowed");
    expect(summary(ask(worldOf([egressTo("Deny", [{ networks: ["10.0.0.0/8"] }])])))).toBe("blocked");
  });

  it("leave open what hangs on the address of a node with several", () => {
    const half = worldOf([egressTo("Deny", [{ networks: ["192.168.1.0/24"] }])]);
    expect(summary(ask(half, { kind: "node", name: "control" }))).toBe("allowed, open: node-address");
  });

  it("leave open whether a pod can be cut off from its own node", () => {
    const verdict = ask(worldOf([egressTo("Deny", [{ nodes: {} }])]), { kind: "node", name: "worker1" });
    expect(summary(verdict)).toBe("blocked, open: own-node");
  });

  it("read a named port by the destination's own number, in whatever protocol it has", () => {
    const named = worldOf([guard(1, [ingress("Deny", { ports: [{ namedPort: "http" }] })])]);
    expect(summary(ask(named))).toBe("blocked");
    expect(summary(ask(named, at("db"), { port: 81 }))).toBe("allowed");
    expect(summary(ask(named, at("db"), { protocol: "UDP" }))).toBe("allowed");
  });

  it("leave ICMP open where a rule without ports decides, and alone where rules name ports", () => {
    const ping = { protocol: "ICMP" as const, port: undefined };
    expect(summary(ask(worldOf([guard(1, [ingress("Deny")])]), at("db"), ping))).toBe("blocked, open: protocol");
    const tcp = guard(1, [ingress("Deny", { ports: [{ portNumber: { port: 80 } }] })]);
    expect(summary(ask(worldOf([tcp]), at("db"), ping))).toBe("allowed");
  });

  it("refuse what the API server would, and domain names", () => {
    expect(() => ask(worldOf([egressTo("Deny", [])]))).toThrow(expect.objectContaining({ code: "POLICY_INVALID" }));
    expect(() => ask(worldOf([egressTo("Deny", [{}])]))).toThrow(expect.objectContaining({ code: "POLICY_INVALID" }));
    const names = worldOf([egressTo("Allow", [{ domainNames: ["example.com"] }])]);
    expect(() => ask(names)).toThrow(expect.objectContaining({ code: "POLICY_DOMAIN_NAMES" }));
  });
});

describe("equal priorities", () => {
  const both = (one: AdminRule["action"], two: AdminRule["action"]): AdminPolicy[] => [
    guard(5, [ingress(two)], "b"),
    guard(5, [ingress(one)], "a"),
  ];

  it("are read by name and left open where that matters", () => {
    expect(summary(ask(worldOf(both("Allow", "Deny"))))).toBe("allowed, open: equal-priority");
    expect(summary(ask(worldOf(both("Deny", "Pass"))))).toBe("blocked, open: equal-priority");
    expect(summary(ask(worldOf(both("Deny", "Deny"))))).toBe("blocked");
    expect(summary(ask(worldOf(both("Pass", "Allow"))))).toBe("allowed");
    expect(summary(ask(worldOf([...both("Allow", "Deny"), guard(4, [ingress("Allow")])])))).toBe("allowed");
  });

  it("leave nothing open where the other side denies for certain", () => {
    const [allow, deny] = (["Allow", "Deny"] as const).map((action) =>
      adminPolicy(action.toLowerCase(), { priority: 5, subject: everyone, egress: [{ action, to: [everyone] }] }),
    ) as [AdminPolicy, AdminPolicy];
    expect(summary(ask(worldOf([allow, deny])))).toBe("allowed, open: equal-priority");
    expect(summary(ask(worldOf([allow, deny, guard(1, [ingress("Deny")])])))).toBe("blocked");
  });

  it("are warned of by both names", () => {
    const placed = [...both("Allow", "Deny"), guard(4, [])].map((policy) => ({ policy }));
    expect(priorityWarnings(placed).map(({ code, message }) => [code, message])).toEqual([
      [
        "POLICY_EQUAL_PRIORITY",
        "AdminNetworkPolicy/a and AdminNetworkPolicy/b both have priority 5 in the Admin tier: the API leaves open which counts",
      ],
    ]);
  });
});

describe("a warning of equal priorities", () => {
  const file = "policies.yaml";
  const spanOf = (line: number) => ({ file, line, column: 1, length: 1, lineText: "" });

  it("says where the other one stands, stands at this one, and what to do", () => {
    const placed = ["a", "b"].map((name, index) => ({ policy: guard(5, [], name), span: spanOf(index + 1) }));
    expect(priorityWarnings(placed)).toEqual([
      {
        code: "POLICY_EQUAL_PRIORITY",
        message:
          "AdminNetworkPolicy/a (policies.yaml:1) and AdminNetworkPolicy/b both have priority 5 in the Admin tier: the API leaves open which counts",
        hint: "give each its own priority",
        span: spanOf(2),
      },
    ]);
  });

  it("is not given across tiers", () => {
    const inBoth = (["Admin", "Baseline"] as const).map((tier) => {
      const { spec, ...policy } = asClusterPolicy(guard(5, [], tier.toLowerCase()));
      return { policy: { ...policy, spec: { ...spec, tier } } };
    });
    expect(priorityWarnings(inBoth)).toEqual([]);
  });
});

describe("the explanation", () => {
  it("names the tier, policy and rule that decided, and who passed it on", () => {
    const named = ingress("Deny", { name: "no-web" });
    expect(explainLines(ask(worldOf([guard(1, [named])], [denyAll])))[1]).toBe(
      'ingress of shop/db: denied by AdminNetworkPolicy/p1 ingress rule 1 "no-web" (Admin tier)',
    );
    expect(explainLines(ask(worldOf([guard(1, [ingress("Pass")])], [denyAll])))[1]).toBe(
      "ingress of shop/db; passed on by AdminNetworkPolicy/p1 ingress rule 1: isolated by shop/deny; no rule allows from shop/web to 80/TCP",
    );
  });

  it("has no near miss of a NetworkPolicy where the Admin tier settled it", () => {
    const near: NetworkPolicy = {
      ...denyAll,
      spec: { podSelector: {}, ingress: [{ from: [{ podSelector: { matchLabels: { app: "wbe" } } }] }] },
    };
    const world = worldOf([guard(1, [ingress("Deny")])], [near]);
    expect(findClues(world, ask(world))).toEqual([]);
    const passed = worldOf([guard(1, [ingress("Pass")])], [near]);
    expect(findClues(passed, ask(passed)).map(({ code }) => code)).toEqual(["pod-label"]);
  });

  it("has near misses among the rules before the one that denied", () => {
    const fromApp = (app: string): AdminPeer[] => [
      { pods: { namespaceSelector: {}, podSelector: { matchLabels: { app } } } },
    ];
    const cluesOf = (policies: AdminPolicy[]): string[] => {
      const world = worldOf(policies);
      return findClues(world, ask(world)).map(({ code, text }) => `${code}: ${text}`);
    };
    const after = guard(9, [ingress("Allow", { from: fromApp("wbe") })], "after");
    expect(cluesOf([guard(1, [ingress("Allow", { from: fromApp("wbe") }), ingress("Deny")]), after])).toEqual([
      "pod-label: AdminNetworkPolicy/p1 ingress rule 1: shop/web has app=web, the rule asks for app=wbe",
    ]);
    const pass = ingress("Pass", { name: "tenants", ports: [{ portNumber: { port: 81 } }] });
    expect(cluesOf([guard(1, [pass]), guard(2, [ingress("Deny")])])).toEqual([
      'port-number: AdminNetworkPolicy/p1 ingress rule 1 "tenants": passes on 81/TCP, the flow is to 80/TCP',
    ]);
    const ofWeb = { pods: { namespaceSelector: {}, podSelector: { matchLabels: { app: "web" } } } };
    const elsewhere = adminPolicy("p0", { priority: 0, subject: ofWeb, ingress: [ingress("Allow")] });
    expect(cluesOf([elsewhere, guard(1, [ingress("Deny")])])).toEqual([
      "policy-selector: AdminNetworkPolicy/p0 ingress rule 1: shop/db has app=db, the subject asks for app=web",
    ]);
  });
});
