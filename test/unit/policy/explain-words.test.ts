import { describe, expect, it } from "vitest";
import type { Span } from "../../../src/core/errors.ts";
import type { AdminPolicy, AdminRule } from "../../../src/kube/admin-policy-types.ts";
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from "../../../src/kube/types.ts";
import { decisionText, explainLines, explainVerdict } from "../../../src/policy/explain.ts";
import { createOracle, policyName } from "../../../src/policy/oracle.ts";
import type { OracleEnd, OracleFlow, OracleVerdict, OracleWorld } from "../../../src/policy/types.ts";
import { adminPolicy } from "./arbitrary-admin.ts";

type Spec = NetworkPolicy["spec"];

const span = (line: number): Span => ({ file: "k8s.yaml", line, column: 1, length: 1, lineText: "" });
const at = (name: string): OracleEnd => ({ kind: "pod", namespace: "shop", name });
const node: OracleEnd = { kind: "node", name: "worker2" };
const outside: OracleEnd = { kind: "address", address: "203.0.113.9" };

function policy(spec: Spec, name = "p", namespace: string | undefined = "shop"): NetworkPolicy {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
    spec,
  };
}

function worldOf(policies: OracleWorld["policies"], adminPolicies: OracleWorld["adminPolicies"] = []): OracleWorld {
  const pods = ["web", "db"].map((name, index) => ({
    namespace: "shop",
    name,
    labels: { app: name },
    addresses: [`10.0.0.${index + 1}`],
    ports: [{ name: "pg", containerPort: 5432, protocol: "TCP" as const }],
    node: "worker1",
  }));
  const nodes = [
    { name: "worker1", addresses: ["192.168.0.11"] },
    { name: "worker2", addresses: ["192.168.0.12"] },
  ];
  return { namespaces: [{ name: "shop", labels: {} }], nodes, pods, policies, adminPolicies };
}

function ask(world: OracleWorld, flow: Partial<OracleFlow> = {}): OracleVerdict {
  return createOracle(world).verdict({ from: at("web"), to: at("db"), port: 5432, protocol: "TCP", ...flow });
}

const ofDb = { podSelector: { matchLabels: { app: "db" } } };
const denyDb = policy(ofDb);
const denyWeb = policy({ podSelector: { matchLabels: { app: "web" } }, policyTypes: ["Egress"] });
const icmp = { protocol: "ICMP", port: undefined } as const;

describe("what no rule allows", () => {
  it.each<[string, NetworkPolicy, Partial<OracleFlow>, string]>([
    ["from a pod", denyDb, {}, "ingress of shop/db: isolated by shop/p; no rule allows from shop/web to 5432/TCP"],
    [
      "from a node",
      denyDb,
      { from: node },
      "ingress of shop/db: isolated by shop/p; no rule allows from node worker2 to 5432/TCP",
    ],
    [
      "from outside",
      denyDb,
      { from: outside },
      "ingress of shop/db: isolated by shop/p; no rule allows from 203.0.113.9 to 5432/TCP",
    ],
    ["to a pod", denyWeb, {}, "egress of shop/web: isolated by shop/p; no rule allows to shop/db:5432/TCP"],
    [
      "to a node",
      denyWeb,
      { to: node },
      "egress of shop/web: isolated by shop/p; no rule allows to node worker2:5432/TCP",
    ],
    [
      "to the outside",
      denyWeb,
      { to: outside },
      "egress of shop/web: isolated by shop/p; no rule allows to 203.0.113.9:5432/TCP",
    ],
    ["a ping", denyWeb, icmp, "egress of shop/web: isolated by shop/p; no rule allows ICMP to shop/db"],
    ["a ping's way in", denyDb, icmp, "ingress of shop/db: isolated by shop/p; no rule allows ICMP from shop/web"],
    [
      "from its own node",
      denyDb,
      { from: { kind: "node", name: "worker1" } },
      "ingress of shop/db: isolated by shop/p; no rule allows it, but a pod's own node is always allowed",
    ],
  ])("%s", (_what, denying, flow, line) => {
    expect(explainLines(ask(worldOf([{ policy: denying }]), flow))).toContain(line);
  });
});

describe("near misses", () => {
  const missed = (from: NetworkPolicyPeer[] | undefined, ports: NetworkPolicyPort[] | undefined): string[] => {
    const rule = { ...(from === undefined ? {} : { from }), ...(ports === undefined ? {} : { ports }) };
    return explainLines(ask(worldOf([{ policy: policy({ ...ofDb, ingress: [rule] }) }])))
      .filter((line) => line.startsWith("  "))
      .map((line) => line.replace("  near miss: shop/p ingress rule 1 ", ""));
  };

  it.each<[NetworkPolicyPort[], string]>([
    [[{ port: 80 }], "allows only 80/TCP"],
    [[{ port: 80, endPort: 90 }], "allows only 80-90/TCP"],
    [[{ port: "http" }], "allows only http/TCP"],
    [[{ protocol: "UDP" }], "allows only any UDP port"],
    [[{ port: 1 }, { port: 2 }, { port: 3 }, { port: 4 }], "allows only 1/TCP, 2/TCP, 3/TCP, 4/TCP"],
    [[{ port: 1 }, { port: 2 }, { port: 3 }, { port: 4 }, { port: 5 }], "allows only 1/TCP, 2/TCP, 3/TCP and 2 more"],
  ])("by ports: %j", (ports, text) => {
    expect(missed(undefined, ports)).toEqual([text]);
  });

  it.each<[NetworkPolicyPeer[], string]>([
    [[{ ipBlock: { cidr: "10.9.0.0/16" } }], "is only for 10.9.0.0/16"],
    [[{ ipBlock: { cidr: "10.9.0.0/16", except: [] } }], "is only for 10.9.0.0/16"],
    [
      [{ ipBlock: { cidr: "10.0.0.0/8", except: ["10.0.0.0/24", "10.1.0.0/24"] } }],
      "is only for 10.0.0.0/8 except 10.0.0.0/24, 10.1.0.0/24",
    ],
    [[{ podSelector: { matchLabels: { app: "x" } } }], "is only for pods app=x"],
    [[{ namespaceSelector: { matchLabels: { team: "x" } } }], "is only for pods <all> in namespaces team=x"],
  ])("by peers: %j", (from, text) => {
    expect(missed(from, undefined)).toEqual([text]);
  });

  it("of egress rules say whom they are for", () => {
    const egress = [{ to: [{ podSelector: { matchLabels: { app: "x" } } }] }];
    const lines = explainLines(ask(worldOf([{ policy: policy({ ...denyWeb.spec, egress }) }])));
    expect(lines).toContain("  near miss: shop/p egress rule 1 is only for pods app=x");
  });

  it("are none of a rule that misses by both", () => {
    const from = [{ podSelector: { matchLabels: { app: "x" } } }];
    expect(missed(from, [{ port: 80 }])).toEqual([]);
  });

  it("are three at most, the first ones", () => {
    const ingress = [80, 81, 82, 83].map((port) => ({ ports: [{ port }] }));
    const lines = explainLines(ask(worldOf([{ policy: policy({ ...ofDb, ingress }) }])));
    expect(lines.slice(2)).toEqual(
      [1, 2, 3].map((rule) => `  near miss: shop/p ingress rule ${rule} allows only ${79 + rule}/TCP`),
    );
  });
});

describe("a cluster-wide policy", () => {
  const everyone = { namespaces: {} };
  const guard = (rule: Partial<AdminRule>): AdminPolicy =>
    adminPolicy("guard", { priority: 1, subject: everyone, ingress: [{ action: "Deny", from: [everyone], ...rule }] });
  const lineOf = (rule: Partial<AdminRule>): string | undefined =>
    explainLines(ask(worldOf([], [{ policy: guard(rule) }])))[1];

  it.each<[Partial<AdminRule>, string]>([
    [{ action: "Allow" }, "ingress of shop/db: allowed by AdminNetworkPolicy/guard ingress rule 1 (Admin tier)"],
    [{ action: "Deny" }, "ingress of shop/db: denied by AdminNetworkPolicy/guard ingress rule 1 (Admin tier)"],
    [{ name: "no-web" }, 'ingress of shop/db: denied by AdminNetworkPolicy/guard ingress rule 1 "no-web" (Admin tier)'],
    [{ name: "" }, "ingress of shop/db: denied by AdminNetworkPolicy/guard ingress rule 1 (Admin tier)"],
    [
      { action: "Pass" },
      "ingress of shop/db; passed on by AdminNetworkPolicy/guard ingress rule 1: not isolated, no policy selects it for ingress",
    ],
  ])("is told with what it decided: %j", (rule, line) => {
    expect(lineOf(rule)).toBe(line);
  });

  it("that passes on behind all others leaves it open", () => {
    const placed = { policy: guard({ action: "Pass" }) };
    expect(decisionText({ tier: "Baseline", action: "Pass", rule: { placed, direction: "ingress", index: 0 } })).toBe(
      "left open, passed on by AdminNetworkPolicy/guard ingress rule 1 (Baseline tier)",
    );
  });

  it("is pointed at before the NetworkPolicies that it passed on to", () => {
    const placed = { policy: guard({ action: "Pass" }), span: span(3) };
    const world = worldOf([{ policy: denyDb, span: span(9) }], [placed]);
    expect(explainVerdict(ask(world)).spans.map(({ line }) => line)).toEqual([3, 9]);
    const denying = worldOf([], [{ policy: guard({}), span: span(3), ruleSpans: { ingress: [span(5)], egress: [] } }]);
    expect(explainVerdict(ask(denying)).spans.map(({ line }) => line)).toEqual([5]);
  });
});

it("a place that is a policy's and its rule's is told once", () => {
  const placed = { policy: policy({ ...ofDb, ingress: [{}] }), span: span(4) };
  expect(explainVerdict(ask(worldOf([placed]))).spans).toEqual([span(4)]);
});

it("a policy without a namespace is of the namespace default, as kubectl takes it", () => {
  const { metadata: _, ...rest } = denyDb;
  expect(policyName({ policy: { ...rest, metadata: { name: "p" } } })).toBe("default/p");
});
