import { describe, expect, it } from "vitest";
import type { Span } from "../../../src/core/errors.ts";
import type { AdminPolicy } from "../../../src/kube/admin-policy-types.ts";
import type { NetworkPolicy, NetworkPolicyPeer } from "../../../src/kube/types.ts";
import { findClues, type Translated } from "../../../src/policy/clues.ts";
import { createOracle } from "../../../src/policy/oracle.ts";
import type { OracleFlow, OraclePod, OracleWorld, PlacedPolicy } from "../../../src/policy/types.ts";
import { adminPolicy } from "./arbitrary-admin.ts";

type Spec = NetworkPolicy["spec"];

const span = (line: number): Span => ({ file: "k8s.yaml", line, column: 1, length: 1, lineText: "" });
const labels = (matchLabels: Record<string, string>) => ({ matchLabels });
const policy = (name: string, spec: Spec, namespace = "shop"): NetworkPolicy => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { namespace, name },
  spec,
});
const pod = (namespace: string, name: string, address: string, more: Partial<OraclePod> = {}): OraclePod => ({
  namespace,
  name,
  labels: { app: name },
  addresses: [address],
  ports: [],
  ...more,
});

const web = { kind: "pod", namespace: "shop", name: "web" } as const;
const db = { kind: "pod", namespace: "shop", name: "db" } as const;
const probe = { kind: "pod", namespace: "ops", name: "probe" } as const;
const worker = { kind: "node", name: "worker2" } as const;
const outside = { kind: "address", address: "203.0.113.9" } as const;

function worldOf(policies: readonly (NetworkPolicy | PlacedPolicy)[], more: Partial<OracleWorld> = {}): OracleWorld {
  return {
    namespaces: [
      { name: "shop", labels: { team: "shop" } },
      { name: "ops", labels: { team: "ops" } },
    ],
    nodes: [
      { name: "worker1", addresses: ["192.168.0.11"] },
      { name: "worker2", addresses: ["192.168.0.12"] },
    ],
    pods: [
      pod("shop", "web", "10.0.0.1"),
      pod("shop", "db", "10.0.0.2", { ports: [{ name: "pg", containerPort: 5432, protocol: "TCP" }] }),
      pod("ops", "probe", "10.0.0.3"),
    ],
    policies: policies.map((each) => ("spec" in each ? { policy: each } : each)),
    ...more,
  };
}

const flowOf = (flow: Partial<OracleFlow>): OracleFlow => ({ from: web, to: db, port: 5432, protocol: "TCP", ...flow });

function told(world: OracleWorld, flow: Partial<OracleFlow> = {}, translated?: Translated): string[] {
  const verdict = createOracle(world).verdict(flowOf(flow));
  return findClues(world, verdict, translated).map(({ side, code, text }) => `${side} ${code}: ${text}`);
}

const ofDb = { podSelector: labels({ app: "db" }) };
const ofWeb = { podSelector: labels({ app: "web" }), policyTypes: ["Egress" as const] };
const fromWeb = { podSelector: labels({ app: "web" }) };
const kubeDns = {
  namespaceSelector: labels({ "kubernetes.io/metadata.name": "kube-system" }),
  podSelector: labels({ "k8s-app": "kube-dns" }),
};
const dnsRule = { to: [kubeDns], ports: [{ port: 53, protocol: "UDP" as const }] };
const allow = (from: NetworkPolicyPeer[]): NetworkPolicy => policy("allow", { ...ofDb, ingress: [{ from }] });

describe("a rule that is wider than it looks", () => {
  const ops = { namespaceSelector: labels({ team: "ops" }) };
  const block = { ipBlock: { cidr: "10.0.0.0/24" } };
  const byBlock = (name: string) =>
    `ingress block-for-pod: shop/allow ingress rule 1: only an ipBlock lets ${name} pass, and a pod's address changes with the pod: name pods by selectors`;
  const split =
    'ingress split-peer: shop/allow ingress rule 1: namespaceSelector and podSelector are two items of the list, so that either suffices; ops/probe does not match both: in one item (no "- " before the second) they would keep it out';

  it.each<[string, NetworkPolicyPeer[], Partial<OracleFlow>, string[]]>([
    ["an ipBlock alone picks a pod", [block], {}, [byBlock("shop/web")]],
    ["beside selectors that do not", [block, ops], {}, [byBlock("shop/web")]],
    ["an ipBlock and selectors pick it", [block, fromWeb], {}, []],
    [
      "an ipBlock picks an address, which has no better name",
      [{ ipBlock: { cidr: "203.0.113.0/24" } }],
      { from: outside },
      [],
    ],
    ["a namespace's selector, then pods'", [ops, fromWeb], { from: probe }, [split]],
    ["pods' selector, then a namespace's", [fromWeb, ops], { from: probe }, [split]],
    ["behind another item", [{ ipBlock: { cidr: "10.9.0.0/16" } }, ops, fromWeb], { from: probe }, [split]],
    ["with another item between them", [ops, { ipBlock: { cidr: "10.9.0.0/16" } }, fromWeb], { from: probe }, []],
    ["with a third item that picks it, too", [ops, fromWeb, block], { from: probe }, []],
    [
      "with another item that picks it by its namespace",
      [ops, fromWeb, { namespaceSelector: {} }],
      { from: probe },
      [],
    ],
    [
      "where both in one item would let it in, too",
      [ops, { podSelector: labels({ app: "probe" }) }],
      { from: probe },
      [],
    ],
    ["two items by namespaces", [ops, { namespaceSelector: labels({ team: "x" }) }], { from: probe }, []],
    ["two items by pods", [fromWeb, { podSelector: labels({ app: "x" }) }], {}, []],
    [
      "two items with both selectors",
      [
        { ...ops, podSelector: labels({ app: "probe" }) },
        { ...ops, ...fromWeb },
      ],
      { from: probe },
      [],
    ],
    ["one item", [ops], { from: probe }, []],
  ])("%s", (_what, from, flow, clues) => {
    expect(told(worldOf([allow(from)]), flow)).toEqual(clues);
  });

  it("is none that names no peers: it says that it is for everyone", () => {
    expect(told(worldOf([policy("allow", { ...ofDb, ingress: [{}] })]))).toEqual([]);
  });
});

describe("a source that cannot look up names", () => {
  const out = (...egress: NonNullable<Spec["egress"]>): NetworkPolicy => policy("out", { ...ofWeb, egress });
  const toDb = { to: [ofDb] };
  const clue = "egress dns-egress: shop/web cannot look up names: no egress rule allows 53/UDP to the cluster's DNS";

  it.each<[string, NonNullable<Spec["egress"]>, Partial<OracleFlow>, string[]]>([
    ["no rule is for DNS", [toDb], {}, [clue]],
    ["a rule for its pods", [toDb, { to: [kubeDns] }], {}, []],
    ["a rule for its port", [toDb, dnsRule], {}, []],
    ["a rule for its port's name", [toDb, { to: [kubeDns], ports: [{ port: "dns", protocol: "UDP" }] }], {}, []],
    ["a rule for its port of TCP alone", [toDb, { to: [kubeDns], ports: [{ port: 53, protocol: "TCP" }] }], {}, [clue]],
    ["a rule for the name of its port of TCP", [toDb, { to: [kubeDns], ports: [{ port: "dns-tcp" }] }], {}, [clue]],
    ["the flow is a lookup itself", [toDb], { port: 53 }, []],
    [
      "the flow is to an address, which needs no name",
      [{ to: [{ ipBlock: { cidr: "203.0.113.0/24" } }] }],
      { to: outside },
      [],
    ],
  ])("%s", (_what, egress, flow, clues) => {
    expect(told(worldOf([out(...egress)]), flow)).toEqual(clues);
  });

  it("is none where nothing isolates it, nor where it is isolated as a destination", () => {
    expect(told(worldOf([policy("in", { ...ofDb, ingress: [{ from: [fromWeb] }] })]))).toEqual([]);
  });

  it("goes by the world's own DNS, of which one server is enough", () => {
    const server = (name: string, app: string) =>
      pod("names", name, "10.0.9.9", { labels: { "k8s-app": "kube-dns", app } });
    const world = worldOf([out(toDb, { to: [{ namespaceSelector: {}, podSelector: labels({ app: "a" }) }] })]);
    expect(told({ ...world, pods: [...world.pods, server("dns-a", "a"), server("dns-b", "b")] })).toEqual([]);
    expect(told({ ...world, pods: [...world.pods, server("dns-b", "b")] })).toEqual([clue]);
    const elsewhere = worldOf([out(toDb, { to: [kubeDns] })]);
    expect(told({ ...elsewhere, pods: [...elsewhere.pods, server("dns-a", "a")] })).toEqual([clue]);
  });

  it("is told with the first policy that isolates it and that one's place", () => {
    const placed = { policy: out(toDb), span: span(7) };
    const world = worldOf([placed]);
    const clues = findClues(world, createOracle(world).verdict(flowOf({})));
    expect(clues).toEqual([expect.objectContaining({ side: "egress", policy: placed, span: span(7) })]);
  });
});

describe("the other end of a blocked flow", () => {
  const egress = (rule: NonNullable<Spec["egress"]>[number]): NetworkPolicy =>
    policy("out", { ...ofWeb, egress: [rule, dnsRule] });

  it.each<[string, NetworkPolicy, Partial<OracleFlow>, string[]]>([
    [
      "is a node, which no selector picks",
      egress({ to: [{ podSelector: {} }] }),
      { to: worker },
      [
        "egress selector-for-address: shop/out egress rule 1: selectors pick pods only, and node worker2 is none: an ipBlock would pick it",
      ],
    ],
    [
      "is a node, by its own address",
      egress({ to: [{ ipBlock: { cidr: "192.168.0.11/32" } }] }),
      { to: worker },
      ["egress block-misses: shop/out egress rule 1: 192.168.0.12 is not in 192.168.0.11/32"],
    ],
    [
      "is an address",
      egress({ to: [{ ipBlock: { cidr: "203.0.113.0/29" } }] }),
      { to: outside },
      ["egress block-misses: shop/out egress rule 1: 203.0.113.9 is not in 203.0.113.0/29"],
    ],
    [
      "is an address, which gives no port a name",
      egress({ to: [{ ipBlock: { cidr: "203.0.113.0/24" } }], ports: [{ port: "pg" }] }),
      { to: outside },
      ["egress port-name: shop/out egress rule 1: allows the port named pg, and only pods have named ports"],
    ],
    [
      "gives its ports names, not the source",
      egress({ to: [ofDb], ports: [{ port: "pgsql" }] }),
      {},
      ["egress port-name: shop/out egress rule 1: allows the port named pgsql, and shop/db names its ports pg"],
    ],
    [
      "is the source for an ingress rule",
      policy("in", { ...ofDb, ingress: [{ from: [ofDb] }] }),
      {},
      ["ingress pod-label: shop/in ingress rule 1: shop/web has app=web, the rule asks for app=db"],
    ],
    [
      "is everyone where a rule names no peers",
      policy("in", { ...ofDb, ingress: [{ ports: [{ port: 80 }] }] }),
      {},
      ["ingress port-number: shop/in ingress rule 1: allows 80/TCP, the flow is to 5432/TCP"],
    ],
  ])("%s", (_what, denying, flow, clues) => {
    expect(told(worldOf([denying]), flow)).toEqual(clues);
  });

  it("is the source itself, which no Service stands for, on the way in", () => {
    const translated = { service: "shop/db", port: 80, addresses: ["10.96.0.5"] };
    const world = worldOf([policy("in", { ...ofDb, ingress: [{ from: [{ ipBlock: { cidr: "10.96.0.0/12" } }] }] })]);
    expect(told(world, {}, translated)).toEqual([
      "ingress block-for-pod: shop/in ingress rule 1: 10.0.0.1 is not in 10.96.0.0/12; shop/web is a pod: name pods by selectors",
    ]);
  });
});

describe("a policy in another namespace", () => {
  const deny = policy("deny", ofDb);
  const elsewhere = (from: NetworkPolicyPeer): NetworkPolicy =>
    policy("allow", { ...ofDb, ingress: [{ from: [from] }] }, "default");
  const clue =
    "ingress policy-namespace: default/allow ingress rule 1: default/allow is in namespace default and selects no pod there; shop/db is in shop";

  it.each<[string, NetworkPolicyPeer, Partial<OracleFlow>, string[]]>([
    ["its podSelector would mean the pods of the other's", fromWeb, {}, [clue]],
    [
      "its namespaceSelector means what it says",
      { namespaceSelector: labels({ team: "ops" }) },
      { from: probe },
      [clue],
    ],
    ["and picks nobody else", { namespaceSelector: labels({ team: "ops" }) }, {}, []],
    ["its ipBlock, too", { ipBlock: { cidr: "10.0.0.0/24" } }, {}, [clue]],
  ])("%s", (_what, peer, flow, clues) => {
    expect(told(worldOf([deny, elsewhere(peer)]), flow)).toEqual(clues);
  });

  it("is none that would select another pod there as well", () => {
    const both = policy("allow", { podSelector: labels({ app: "bd" }), ingress: [{ from: [fromWeb] }] }, "default");
    expect(told(worldOf([deny, both]))).toEqual([]);
  });
});

it("an open side names the policy that policyTypes keeps from isolating it", () => {
  const out = policy("out", { ...ofWeb, policyTypes: ["Ingress"], egress: [{ to: [ofDb] }] });
  expect(told(worldOf([out]))).toEqual([
    "egress policy-types: policyTypes of shop/out has no Egress, so that it does nothing for egress",
  ]);
});

it("what a cluster-wide policy of the Admin tier allows is settled, whatever NetworkPolicies are near", () => {
  const guard: AdminPolicy = adminPolicy("guard", {
    priority: 1,
    subject: { namespaces: {} },
    ingress: [{ action: "Allow", from: [{ namespaces: {} }] }],
  });
  const slip = policy("in", { podSelector: labels({ app: "bd" }) });
  expect(told(worldOf([slip]))).toHaveLength(1);
  expect(told(worldOf([slip], { adminPolicies: [{ policy: guard }] }))).toEqual([]);
});

it("slips come before other differences, and each is told with the place of its rule, else of its policy", () => {
  const rules = ["other", "wbe"].map((app) => ({ from: [{ podSelector: labels({ app }) }] }));
  const placed: PlacedPolicy = {
    policy: policy("in", { ...ofDb, ingress: rules }),
    span: span(1),
    ruleSpans: { ingress: [span(5), undefined], egress: [] },
  };
  const world = worldOf([placed]);
  const clues = findClues(world, createOracle(world).verdict(flowOf({})));
  expect(clues.map((clue) => [clue.rule?.index, clue.span?.line])).toEqual([
    [1, 1],
    [0, 5],
  ]);
  expect(clues[0]).not.toHaveProperty("weight");
});
