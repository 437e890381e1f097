import { describe, expect, it } from "vitest";
import { LabError, type Span } from "../../../src/core/errors.ts";
import type { AdminPolicy, AdminRule } from "../../../src/kube/admin-policy-types.ts";
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from "../../../src/kube/types.ts";
import { compileAdminPolicies, type CompiledAdminPolicy } from "../../../src/policy/compile-admin.ts";
import { compilePolicy } from "../../../src/policy/compile.ts";
import type { OracleNode } from "../../../src/policy/types.ts";
import { adminPolicy, baselinePolicy } from "./arbitrary-admin.ts";

type Spec = NetworkPolicy["spec"];

const span = (line: number): Span => ({ file: "k8s.yaml", line, column: 1, length: 1, lineText: "" });
const policy = (spec: Spec, metadata: NetworkPolicy["metadata"] = { namespace: "shop", name: "p" }): NetworkPolicy => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata,
  spec,
});

function refusal(act: () => unknown): Pick<LabError, "code" | "message" | "hint" | "span"> {
  try {
    act();
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    const { code, message, hint, span: place } = error;
    return { code, message, hint, span: place };
  }
  throw new Error("nothing was refused");
}

describe("the directions that a NetworkPolicy affects", () => {
  const rule = { ports: [{ port: 80 }] };
  it.each<[string, Omit<Spec, "podSelector">, string[]]>([
    ["ingress without policyTypes and rules", {}, ["ingress"]],
    ["egress too where it has an egress rule", { egress: [rule] }, ["ingress", "egress"]],
    ["not egress for an empty list", { egress: [] }, ["ingress"]],
    ["as without policyTypes where the list is empty", { policyTypes: [], egress: [rule] }, ["ingress", "egress"]],
    ["what policyTypes names alone", { policyTypes: ["Egress"], ingress: [rule] }, ["egress"]],
    ["not egress where policyTypes leaves it out", { policyTypes: ["Ingress"], egress: [rule] }, ["ingress"]],
    ["both", { policyTypes: ["Ingress", "Egress"] }, ["ingress", "egress"]],
  ])("are %s", (_what, spec, directions) => {
    const compiled = compilePolicy({ policy: policy({ podSelector: {}, ...spec }) });
    expect((["ingress", "egress"] as const).filter((each) => compiled[each] !== undefined)).toEqual(directions);
  });
});

describe("the defaults of a NetworkPolicy", () => {
  const compiled = compilePolicy({
    policy: policy(
      {
        egress: [
          { to: [], ports: [] },
          {
            to: [{ podSelector: {} }],
            ports: [{}, { port: 53, protocol: "UDP" }, { port: 1, endPort: 2 }, { port: "x" }],
          },
          { to: [{ namespaceSelector: {} }, { ipBlock: { cidr: "10.0.0.0/8" } }] },
        ],
      } as Partial<Spec> as Spec,
      { name: "p" },
    ),
  });

  it("are the namespace default and every pod of it", () => {
    expect(compiled).toMatchObject({ namespace: "default", selector: {}, ingress: [] });
  });

  it("are all peers and ports for lists that are empty or missing, and TCP for a port", () => {
    expect(compiled.egress?.map(({ peers, ports }) => ({ peers, ports }))).toMatchObject([
      { peers: undefined, ports: undefined },
      {
        peers: [{ kind: "pods", namespace: "default", pods: {} }],
        ports: [
          { protocol: "TCP", port: undefined },
          { protocol: "UDP", port: { from: 53, to: 53 } },
          { protocol: "TCP", port: { from: 1, to: 2 } },
          { protocol: "TCP", port: { name: "x" } },
        ],
      },
      {
        peers: [
          { kind: "pods", namespace: {}, pods: {} },
          { kind: "block", block: { family: 4, prefixLength: 8 }, except: [] },
        ],
        ports: undefined,
      },
    ]);
    expect(compiled.egress?.map(({ ref }) => [ref.direction, ref.index])).toEqual([
      ["egress", 0],
      ["egress", 1],
      ["egress", 2],
    ]);
  });
});

describe("a NetworkPolicy that the API server refuses", () => {
  const empty = "an empty peer names nobody: it needs a podSelector, a namespaceSelector or an ipBlock";
  const mixed = "a peer with ipBlock can have no podSelector or namespaceSelector";
  const ipBlock = { cidr: "10.0.0.0/8" };

  it.each<[string, NetworkPolicyPeer[], NetworkPolicyPort[]]>([
    [empty, [{}], []],
    [mixed, [{ ipBlock, podSelector: {} }], []],
    [mixed, [{ ipBlock, namespaceSelector: {} }], []],
    ['"10.0.0.0" is not a CIDR', [{ ipBlock: { cidr: "10.0.0.0" } }], []],
    ['"10.0/8" is not a CIDR', [{ ipBlock: { ...ipBlock, except: ["10.0/8"] } }], []],
    ["endPort 79 is less than port 80", [], [{ port: 80, endPort: 79 }]],
    ["endPort needs a numeric port", [], [{ port: "http", endPort: 90 }]],
    ["endPort needs a numeric port", [], [{ endPort: 90 }]],
  ])("is told with its rule: %s", (message, peers, ports) => {
    expect(
      refusal(() => compilePolicy({ policy: policy({ podSelector: {}, ingress: [{}, { from: peers, ports }] }) })),
    ).toEqual({
      code: "POLICY_INVALID",
      message: `NetworkPolicy shop/p, ingress rule 2: ${message}`,
      hint: "the API server refuses this policy; see kubernetes.io/docs/concepts/services-networking/network-policies",
      span: undefined,
    });
  });

  it("is told with the place of its rule, else of itself", () => {
    const broken = policy({ podSelector: {}, egress: [{ to: [{}] }] }, { name: "p" });
    const ruleSpans = { ingress: [], egress: [span(5)] };
    expect(refusal(() => compilePolicy({ policy: broken, span: span(1), ruleSpans }))).toMatchObject({
      message: `NetworkPolicy default/p, egress rule 1: ${empty}`,
      span: span(5),
    });
    expect(refusal(() => compilePolicy({ policy: broken, span: span(1) })).span).toEqual(span(1));
  });

  it("is none whose endPort is its port", () => {
    const [rule] =
      compilePolicy({ policy: policy({ podSelector: {}, ingress: [{ ports: [{ port: 80, endPort: 80 }] }] }) })
        .ingress ?? [];
    expect(rule?.ports).toEqual([{ protocol: "TCP", port: { from: 80, to: 80 } }]);
  });
});

describe("cluster-wide policies", () => {
  const everyone = { namespaces: {} };
  const nodes: OracleNode[] = [
    { name: "worker1", addresses: ["192.168.0.11", "fd00::11"], labels: { zone: "a" } },
    { name: "worker2", addresses: ["192.168.0.12"], labels: { zone: "b" } },
    { name: "worker3", addresses: ["192.168.0.13"] },
  ];
  const compile = (...policies: AdminPolicy[]): CompiledAdminPolicy[] =>
    compileAdminPolicies({ adminPolicies: policies.map((each) => ({ policy: each })), nodes });
  const withRule = (rule: Partial<AdminRule>, direction: "ingress" | "egress" = "egress"): AdminPolicy =>
    adminPolicy("guard", {
      priority: 1,
      subject: everyone,
      [direction]: [{ action: "Deny", [direction === "egress" ? "to" : "from"]: [everyone], ...rule }],
    });
  const portsOf = (rule: Partial<AdminRule>) => compile(withRule(rule))[0]?.egress[0]?.ports;

  it("count by tier, then by priority, then by name; a baseline has the last priority", () => {
    const of = (name: string, tier: "Admin" | "Baseline", priority: number): AdminPolicy => ({
      ...adminPolicy(name, { tier, priority, subject: everyone }),
      apiVersion: "policy.networking.k8s.io/v1alpha2",
      kind: "ClusterNetworkPolicy",
    });
    const ordered = compile(
      baselinePolicy({ subject: everyone }),
      of("e", "Baseline", 1000),
      of("d", "Baseline", 0),
      of("c", "Admin", 7),
      of("b", "Admin", 5),
      adminPolicy("a", { priority: 5, subject: everyone }),
      of("a0", "Admin", 6),
    );
    expect(ordered.map(({ placed, tier }) => `${tier} ${placed.policy.metadata.name}`)).toEqual([
      "Admin a",
      "Admin b",
      "Admin a0",
      "Admin c",
      "Baseline d",
      "Baseline e",
      "Baseline default",
    ]);
    expect(compileAdminPolicies({})).toEqual([]);
  });

  it.each<[AdminRule["action"], AdminRule["action"]]>([
    ["Allow", "Allow"],
    ["Accept", "Allow"],
    ["Deny", "Deny"],
    ["Pass", "Pass"],
  ])("of v1alpha2 say Accept for Allow: %s is %s", (action, meant) => {
    expect(compile(withRule({ action }))[0]?.egress[0]?.action).toBe(meant);
  });

  it.each<[string, Partial<AdminRule>, unknown]>([
    ["none are all", {}, undefined],
    ["empty lists are all", { ports: [], protocols: [] }, undefined],
    [
      "a number is of TCP",
      { ports: [{ portNumber: { port: 80 } }] },
      [{ protocol: "TCP", port: { from: 80, to: 80 } }],
    ],
    [
      "a number of a protocol",
      { ports: [{ portNumber: { port: 53, protocol: "UDP" } }] },
      [{ protocol: "UDP", port: { from: 53, to: 53 } }],
    ],
    [
      "a range is of TCP",
      { ports: [{ portRange: { start: 1, end: 9 } }] },
      [{ protocol: "TCP", port: { from: 1, to: 9 } }],
    ],
    [
      "a range of a protocol",
      { ports: [{ portRange: { start: 1, end: 9, protocol: "SCTP" } }] },
      [{ protocol: "SCTP", port: { from: 1, to: 9 } }],
    ],
    [
      "a name is of any protocol",
      { ports: [{ namedPort: "dns" }] },
      ["TCP", "UDP", "SCTP"].map((protocol) => ({ protocol, port: { name: "dns" } })),
    ],
    [
      "a name is of any protocol, in v1alpha2 too",
      { protocols: [{ destinationNamedPort: "dns" }] },
      ["TCP", "UDP", "SCTP"].map((protocol) => ({ protocol, port: { name: "dns" } })),
    ],
    [
      "protocols with a number, a range and neither",
      {
        protocols: [
          { tcp: { destinationPort: { number: 80 } } },
          { udp: { destinationPort: { range: { start: 1, end: 9 } } } },
          { sctp: {} },
        ],
      },
      [
        { protocol: "TCP", port: { from: 80, to: 80 } },
        { protocol: "UDP", port: { from: 1, to: 9 } },
        { protocol: "SCTP", port: undefined },
      ],
    ],
  ])("have ports: %s", (_what, rule, ports) => {
    expect(portsOf(rule)).toEqual(ports);
  });

  it("pick nodes by their addresses, all of a node's, and networks as they are", () => {
    const peersOf = (to: NonNullable<AdminRule["to"]>) =>
      compile(withRule({ to }))[0]?.egress[0]?.peers.map((peer) =>
        peer.kind === "block" ? `${peer.block.family}/${peer.block.prefixLength} except ${peer.except.length}` : peer,
      );
    expect(peersOf([{ nodes: { matchLabels: { zone: "a" } } }])).toEqual(["4/32 except 0", "6/128 except 0"]);
    expect(peersOf([{ nodes: {} }])).toHaveLength(4);
    expect(peersOf([{ networks: ["10.0.0.0/8", "fd00::/64"] }])).toEqual(["4/8 except 0", "6/64 except 0"]);
    expect(peersOf([everyone, { pods: { podSelector: { matchLabels: { app: "x" } } } }])).toEqual([
      { kind: "pods", namespace: {}, pods: {} },
      { kind: "pods", namespace: {}, pods: { matchLabels: { app: "x" } } },
    ]);
    const numberless = [{ name: "worker1", addresses: ["worker1"] }];
    const policies = [{ policy: withRule({ to: [{ nodes: {} }] }) }];
    expect(() => compileAdminPolicies({ adminPolicies: policies, nodes: numberless })).toThrow(
      'a node has the address "worker1"',
    );
  });

  const hint = "the API server refuses this policy; see network-policy-api.sigs.k8s.io";

  it.each<[string, AdminPolicy, string]>([
    ["without a subject", adminPolicy("guard", { priority: 1, subject: {} }), ": the subject needs namespaces or pods"],
    ["without peers", withRule({ to: [] }), ", egress rule 1: it needs at least one peer"],
    ["without peers, on the way in", withRule({ from: [] }, "ingress"), ", ingress rule 1: it needs at least one peer"],
    ["with an empty peer", withRule({ to: [{}] }), ", egress rule 1: an empty peer names nobody"],
    ["with a network that is none", withRule({ to: [{ networks: ["x"] }] }), ', egress rule 1: "x" is not a CIDR'],
  ])("%s are refused", (_what, broken, message) => {
    const expected = { code: "POLICY_INVALID", message: `AdminNetworkPolicy guard${message}`, hint };
    expect(refusal(() => compile(broken))).toEqual({ ...expected, span: undefined });
  });

  it("are refused at the place of the rule, else of the policy", () => {
    const placed = { policy: withRule({ to: [] }), span: span(1), ruleSpans: { ingress: [], egress: [span(5)] } };
    expect(refusal(() => compileAdminPolicies({ adminPolicies: [placed] })).span).toEqual(span(5));
    const { ruleSpans: _, ...whole } = placed;
    expect(refusal(() => compileAdminPolicies({ adminPolicies: [whole] })).span).toEqual(span(1));
    const nobody = { ...placed, policy: adminPolicy("guard", { priority: 1, subject: {} }) };
    expect(refusal(() => compileAdminPolicies({ adminPolicies: [nobody] })).span).toEqual(span(1));
  });

  it("with domain names are not modelled", () => {
    const placed = { policy: withRule({ to: [{ domainNames: ["example.com"] }] }), span: span(1) };
    expect(refusal(() => compileAdminPolicies({ adminPolicies: [placed] }))).toEqual({
      code: "POLICY_DOMAIN_NAMES",
      message: "AdminNetworkPolicy guard, egress rule 1: domainNames is not modelled",
      hint: "which addresses a name stands for is known to no manifest",
      span: span(1),
    });
    const ruleSpans = { ingress: [], egress: [span(5)] };
    expect(refusal(() => compileAdminPolicies({ adminPolicies: [{ ...placed, ruleSpans }] })).span).toEqual(span(5));
  });
});
