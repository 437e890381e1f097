import { describe, expect, it } from "vitest";
import { calicoPolicy } from "../../../../src/cnis/calico/policy.ts";
import { weavePolicy } from "../../../../src/cnis/weave/policy.ts";
import { policyRuleset } from "../../../../src/engine/nft/policy-ruleset.ts";
import type { PolicyRulesetInput } from "../../../../src/engine/nft/policy-ruleset.ts";
import type { AdminPeer, AdminPolicy, AdminRule } from "../../../../src/kube/admin-policy-types.ts";
import { adminPolicy, asClusterPolicy, baselinePolicy } from "../../policy/arbitrary-admin.ts";
import { linesOf, pod, policy } from "./objects.ts";

const web = pod("shop/web", ["192.168.0.1", "fd00::1"], { labels: { app: "web" } });
const db = pod("shop/db", ["192.168.0.2", "fd00::2"], {
  labels: { app: "db" },
  ports: [{ name: "pg", containerPort: 5432 }],
});
const agent = pod("shop/agent", ["172.30.0.2"], { labels: { app: "agent" }, spec: { hostNetwork: true } });
const endpoints = [
  { hostInterface: "cali1", namespace: "shop", name: "web" },
  { hostInterface: "cali2", namespace: "shop", name: "db" },
];
const nodes = [
  { labels: { role: "worker" }, addresses: ["172.30.0.2", "fd00:172::2"] },
  { labels: {}, addresses: ["172.30.0.3"] },
];

function ruleset(adminPolicies: AdminPolicy[], more: Partial<PolicyRulesetInput> = {}): string {
  return policyRuleset({
    enforcer: calicoPolicy,
    endpoints,
    pods: [web, db, agent],
    namespaces: [],
    policies: [],
    adminPolicies,
    nodes,
    ...more,
  });
}

const all: AdminPeer = { namespaces: {} };
const everybody = { namespaces: {} };
const onDb = { pods: { namespaceSelector: {}, podSelector: { matchLabels: { app: "db" } } } };

function ingress(action: AdminRule["action"], more: Partial<AdminRule> = {}): AdminRule {
  return { action, from: [all], ...more };
}

function jumps(text: string, chain: string): string[] {
  return linesOf(text, `chain ${chain}`).filter((line) => line.startsWith("jump"));
}

/** Rules of one egress rule with these peers, without sets' hashes and their fixed endings. */
function egressRules(rule: Partial<AdminRule>): string[] {
  const spec = { priority: 1, subject: everybody, egress: [{ action: "Deny" as const, to: [all], ...rule }] };
  return linesOf(ruleset([adminPolicy("a", spec)]), "chain cali-go-admin-kanp.a").map((line) =>
    line.replace(/ counter goto .*$/, "").replaceAll(/-[0-9a-f]{16}/g, ""),
  );
}

function elementsOf(to: AdminPeer[], family: 4 | 6): string | undefined {
  const spec = { priority: 1, subject: everybody, egress: [{ action: "Deny" as const, to }] };
  const text = ruleset([adminPolicy("a", spec)]);
  const [name = ""] = new RegExp(`cali${family}0s-[0-9a-f]+`).exec(text) ?? [];
  return linesOf(text, `set ${name}`).find((line) => line.startsWith("elements"));
}

describe("tiers", () => {
  const first = adminPolicy("z", { priority: 1, subject: everybody, ingress: [ingress("Pass")] });
  const second = adminPolicy("a", { priority: 2, subject: everybody, ingress: [ingress("Deny")] });
  const baseline = baselinePolicy({ subject: everybody, ingress: [ingress("Deny")] });
  const isolating = policy("shop/p", { podSelector: { matchLabels: { app: "db" } } });

  it("go before and behind NetworkPolicies; whom one isolates does not meet the Baseline tier", () => {
    const text = ruleset([baseline, second, first], { policies: [isolating] });
    expect(jumps(text, "cali-tw-cali1")).toEqual([
      "jump cali-gi-admin-kanp.z/kanp.a",
      "jump cali-gi-baseline-kbanp.default",
    ]);
    expect(jumps(text, "cali-tw-cali2")).toEqual(["jump cali-gi-admin-kanp.z/kanp.a", "jump cali-pi-shop/p"]);
  });

  it("let pass what comes to the end of the chain of a pod that nobody isolates", () => {
    const lines = linesOf(ruleset([second]), "chain cali-tw-cali1");
    expect(lines).toEqual(["ct state invalid drop", "jump cali-gi-admin-kanp.a"]);
  });

  it("put policies by priority, then by name, and the BaselineAdminNetworkPolicy last", () => {
    const cluster = (name: string, priority: number): AdminPolicy =>
      asClusterPolicy({ ...baseline, metadata: { name }, spec: { ...baseline.spec, priority } });
    const text = ruleset([baseline, cluster("b", 1000), cluster("a", 1000), cluster("z", 3)]);
    expect(jumps(text, "cali-tw-cali1")).toEqual(["jump cali-gi-baseline-kcnp.z/kcnp.a/kcnp.b/kbanp.default"]);
  });

  it("have a rule for each action: accept, return to what comes next, or go where it is recorded and dropped", () => {
    const rules = (["Allow", "Pass", "Deny"] as const).map((action) => ingress(action));
    const text = ruleset([adminPolicy("a", { priority: 1, subject: onDb, ingress: rules })], { nodes: [] });
    expect(linesOf(text, "chain cali-gi-admin-kanp.a").filter((line) => line.startsWith("ip "))).toEqual([
      expect.stringMatching(/^ip saddr @cali40s-\w+ counter accept comment "kanp.a: ingress rule 1 \(Allow\)"$/),
      expect.stringMatching(/^ip saddr @cali40s-\w+ counter return comment "kanp.a: ingress rule 2 \(Pass\)"$/),
      expect.stringMatching(
        /^ip saddr @cali40s-\w+ counter goto cali-gi-denied comment "kanp.a: ingress rule 3 \(Deny\)"$/,
      ),
    ]);
    const denied = linesOf(text, "chain cali-gi-denied");
    expect(denied.filter((line) => line.includes("update @drops-ingress"))).toHaveLength(4);
    expect(denied.at(-1)).toBe('counter drop comment "ingress: denied by a cluster-wide policy"');
    // A chain must stand before those that name it.
    expect(text.indexOf("chain cali-gi-denied {")).toBeLessThan(text.indexOf("chain cali-gi-admin-kanp.a {"));
  });
});

describe("subjects", () => {
  it("are pods by both selectors; others have no chain", () => {
    const text = ruleset([adminPolicy("a", { priority: 1, subject: onDb, ingress: [ingress("Deny")] })]);
    expect(text).toContain("chain cali-tw-cali2 {");
    expect(text).not.toContain("cali-tw-cali1");
  });

  it("are not affected in a direction without rules", () => {
    const text = ruleset([
      adminPolicy("a", { priority: 1, subject: everybody, ingress: [ingress("Deny")], egress: [] }),
    ]);
    expect(text).not.toContain("cali-fw-");
  });

  it("share the chain of their list", () => {
    const text = ruleset([adminPolicy("a", { priority: 1, subject: everybody, ingress: [ingress("Deny")] })]);
    expect(text.match(/chain cali-gi-admin/g)).toHaveLength(1);
    expect(text.match(/jump cali-gi-admin-kanp.a$/gm)).toHaveLength(2);
  });
});

describe("peers of egress", () => {
  it.each<[string, AdminPeer[], string | undefined, string | undefined]>([
    ["namespaces: pods, but those on the host network", [all], "192.168.0.1-192.168.0.2", "fd00::1-fd00::2"],
    ["pods", [onDb], "192.168.0.2", "fd00::2"],
    [
      "nodes: all addresses of those whose labels match",
      [{ nodes: { matchLabels: { role: "worker" } } }],
      "172.30.0.2",
      "fd00:172::2",
    ],
    [
      "networks of both families",
      [{ networks: ["203.0.113.0/24", "2001:db8::/32"] }],
      "203.0.113.0/24",
      "2001:db8::/32",
    ],
    ["several: their union", [onDb, { networks: ["192.168.0.3/32"] }], "192.168.0.2/31", "fd00::2"],
    ["nobody", [{ nodes: { matchLabels: { role: "none" } } }], undefined, undefined],
  ])("%s", (_, to, four, six) => {
    const text = (elements: string | undefined): string | undefined => elements && `elements = { ${elements} }`;
    expect(elementsOf(to, 4)).toBe(text(four));
    expect(elementsOf(to, 6)).toBe(text(six));
  });
});

describe("ports", () => {
  it.each<[string, Partial<AdminRule>, string]>([
    ["none: every protocol", {}, ""],
    ["a number, of TCP unless said otherwise", { ports: [{ portNumber: { port: 80 } }] }, " tcp dport 80"],
    [
      "a range",
      {
        ports: [{ portRange: { protocol: "UDP", start: 50, end: 60 } }, { portNumber: { protocol: "UDP", port: 61 } }],
      },
      " udp dport 50-61",
    ],
    ["v1alpha2: a protocol's every port", { protocols: [{ sctp: {} }] }, " meta l4proto sctp"],
    [
      "v1alpha2: a number and a range",
      {
        protocols: [
          { tcp: { destinationPort: { number: 80 } } },
          { tcp: { destinationPort: { range: { start: 90, end: 95 } } } },
        ],
      },
      " tcp dport { 80, 90-95 }",
    ],
  ])("%s", (_, rule, text) => {
    expect(egressRules(rule)).toEqual([`ip daddr @cali40s${text}`, `ip6 daddr @cali60s${text}`]);
  });

  it.each<[string, Partial<AdminRule>]>([
    ["v1alpha1", { ports: [{ namedPort: "pg" }] }],
    ["v1alpha2", { protocols: [{ destinationNamedPort: "pg" }] }],
  ])("a name means who declares it, under whatever protocol (%s)", (_, rule) => {
    const spec = { priority: 1, subject: everybody, ingress: [ingress("Deny", rule)] };
    const text = ruleset([adminPolicy("a", spec)]);
    const sets = [...text.matchAll(/set (cali[46]0n-\w+) \{\n([^}]*)\}?/g)].map(([, , body]) => body ?? "");
    expect(sets.filter((body) => body.includes("elements"))).toHaveLength(2);
    expect(text).toContain("elements = { 192.168.0.2 . tcp . 5432 }");
    expect(text).toContain("elements = { fd00::2 . tcp . 5432 }");
  });
});

it("leaves them alone where the CNI does not enforce them", () => {
  const denying = adminPolicy("a", { priority: 1, subject: everybody, ingress: [ingress("Deny")] });
  expect(ruleset([denying], { enforcer: weavePolicy })).toBe(ruleset([], { enforcer: weavePolicy }));
});

it("is the same for the same policies in any order", () => {
  const policies = ["a", "b", "c"].map((name, priority) =>
    adminPolicy(name, {
      priority,
      subject: everybody,
      ingress: [ingress("Deny")],
      egress: [{ action: "Pass", to: [all] }],
    }),
  );
  expect(ruleset(policies.toReversed())).toBe(ruleset(policies));
});
