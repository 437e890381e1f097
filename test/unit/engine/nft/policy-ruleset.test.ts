import { describe, expect, it } from "vitest";
import { calicoPolicy } from "../../../../src/cnis/calico/policy.ts";
import type { PolicyEnforcer } from "../../../../src/engine/nft/policy-enforcer.ts";
import { policyRuleset } from "../../../../src/engine/nft/policy-ruleset.ts";
import type { PolicyRulesetInput } from "../../../../src/engine/nft/policy-ruleset.ts";
import type { Namespace, NetworkPolicyIngressRule, NetworkPolicyPeer } from "../../../../src/kube/types.ts";
import { linesOf, pod, policy } from "./objects.ts";

const web = pod("shop/web", ["192.168.0.1"], { labels: { app: "web" } });
const db = pod("shop/db", ["192.168.0.2"], {
  labels: { app: "db" },
  ports: [{ name: "pg", containerPort: 5432 }],
});
const other = pod("other/web", ["192.168.1.1"], {
  labels: { app: "web" },
  ports: [{ name: "pg", containerPort: 6543 }],
});
const endpoints = [
  { hostInterface: "cali1", namespace: "shop", name: "web" },
  { hostInterface: "cali2", namespace: "shop", name: "db" },
];
const labelled: Namespace = {
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name: "other", labels: { team: "b" } },
};

function ruleset(input: Partial<PolicyRulesetInput>): string {
  return policyRuleset({
    enforcer: calicoPolicy,
    endpoints,
    pods: [web, db, other],
    namespaces: [labelled],
    policies: [],
    adminPolicies: [],
    nodes: [],
    ...input,
  });
}

/** Rules of a policy with these ingress rules on shop/db, their fixed endings cut off. */
function ingressRules(ingress: NetworkPolicyIngressRule[], input: Partial<PolicyRulesetInput> = {}): string[] {
  const text = ruleset({
    ...input,
    policies: [policy("shop/p", { podSelector: { matchLabels: { app: "db" } }, ingress })],
  });
  return linesOf(text, "chain cali-pi-shop/p").map((line) => line.replace(/ ?counter accept comment ".*"$/, ""));
}

/** Elements of the one set that these peers become. */
function elementsOf(from: NetworkPolicyPeer[], input: Partial<PolicyRulesetInput> = {}): string | undefined {
  const text = ruleset({
    ...input,
    policies: [policy("shop/p", { podSelector: {}, ingress: [{ from }] })],
  });
  const [name] = /cali40s-[0-9a-f]+/.exec(text) ?? [""];
  return linesOf(text, `set ${name}`).find((line) => line.startsWith("elements"));
}

const dispatch = (text: string, chain: string): string | undefined =>
  linesOf(text, `chain ${chain}`).find((line) => line.includes("vmap"));

describe("an enforcer that knows pods by their addresses on a bridge", () => {
  const enforcer: PolicyEnforcer = {
    ...calicoPolicy,
    table: "npc",
    comment: "npc",
    knowsPodsBy: { bridge: "br" },
    judgesOwnNode: false,
    enforced: (each) => (each.metadata.name === "refused" ? undefined : each),
  };
  const both = { podSelector: {}, policyTypes: ["Ingress" as const, "Egress" as const] };

  it("matches the bridge and the pod's own end of the packet, and judges nothing that is for the node", () => {
    const text = ruleset({ enforcer, policies: [policy("shop/p", both)] });
    expect(text).toContain("table inet npc {");
    expect(dispatch(text, "filter-FORWARD-egress")).toBe(
      'iifname "br" ip saddr vmap { 192.168.0.1 : goto cali-fw-cali1, 192.168.0.2 : goto cali-fw-cali2 }',
    );
    expect(dispatch(text, "filter-FORWARD-ingress")).toBe(
      'oifname "br" ip daddr vmap { 192.168.0.1 : goto cali-tw-cali1, 192.168.0.2 : goto cali-tw-cali2 }',
    );
    expect(text).not.toContain("filter-INPUT-egress");
  });

  it("isolates nobody by a policy that it refuses", () => {
    const text = ruleset({ enforcer, policies: [policy("shop/refused", both)] });
    expect(text).not.toContain("vmap");
  });
});

describe("isolation", () => {
  it("is nobody's without policies", () => {
    const text = ruleset({});
    for (const chain of ["filter-FORWARD-egress", "filter-FORWARD-ingress", "filter-INPUT-egress"]) {
      expect(linesOf(text, `chain ${chain}`)).toEqual([
        expect.stringMatching(/^type filter hook/),
        "ct state established,related accept",
      ]);
    }
  });

  it.each([
    ["no policyTypes: ingress alone", {}, false, true],
    ["no policyTypes and an empty egress list: ingress alone", { egress: [] }, false, true],
    ["no policyTypes and egress rules: both", { egress: [{}] }, true, true],
    ["policyTypes empty: as if absent", { policyTypes: [] }, false, true],
    ["Egress alone", { policyTypes: ["Egress" as const], ingress: [{}] }, true, false],
    ["both", { policyTypes: ["Ingress" as const, "Egress" as const] }, true, true],
  ])("%s", (_, spec, egress, ingress) => {
    const text = ruleset({
      policies: [policy("shop/p", { podSelector: { matchLabels: { app: "web" } }, ...spec })],
    });
    expect(dispatch(text, "filter-FORWARD-egress")).toBe(
      egress ? 'iifname vmap { "cali1" : goto cali-fw-cali1 }' : undefined,
    );
    expect(dispatch(text, "filter-INPUT-egress")).toBe(
      egress ? 'iifname vmap { "cali1" : goto cali-fw-cali1 }' : undefined,
    );
    expect(dispatch(text, "filter-FORWARD-ingress")).toBe(
      ingress ? 'oifname vmap { "cali1" : goto cali-tw-cali1 }' : undefined,
    );
  });

  it("does not reach into another namespace", () => {
    const text = ruleset({ policies: [policy("other/p", { podSelector: {} })] });
    expect(dispatch(text, "filter-FORWARD-ingress")).toBeUndefined();
    expect(text).not.toContain("cali-pi-other/p");
  });

  it("tries every policy of the pod, then records, then drops", () => {
    const policies = ["shop/b", "shop/a"].map((path) => policy(path, { podSelector: {} }));
    expect(linesOf(ruleset({ policies }), "chain cali-tw-cali2")).toEqual([
      "ct state invalid drop",
      "jump cali-pi-shop/a",
      "jump cali-pi-shop/b",
      "meta l4proto { tcp, udp, sctp } update @drops-ingress { ip saddr . ip daddr . meta l4proto . th sport . th dport }",
      "meta l4proto icmp update @drops-ingress-icmp { ip saddr . ip daddr }",
      'counter drop comment "ingress of shop/db: no policy allows it"',
    ]);
  });
});

describe("peers", () => {
  it.each<[string, NetworkPolicyPeer[], string | undefined]>([
    ["podSelector: in the policy's namespace", [{ podSelector: { matchLabels: { app: "web" } } }], "192.168.0.1"],
    ["an empty podSelector: all pods of the namespace", [{ podSelector: {} }], "192.168.0.1-192.168.0.2"],
    ["namespaceSelector: all pods there", [{ namespaceSelector: { matchLabels: { team: "b" } } }], "192.168.1.1"],
    ["an empty namespaceSelector: all pods", [{ namespaceSelector: {} }], "192.168.0.1-192.168.0.2, 192.168.1.1"],
    [
      "namespaces by the name's label",
      [{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "shop" } } }],
      "192.168.0.1-192.168.0.2",
    ],
    [
      "both selectors: both must match",
      [{ namespaceSelector: {}, podSelector: { matchLabels: { app: "web" } } }],
      "192.168.0.1, 192.168.1.1",
    ],
    [
      "two peers: either",
      [{ podSelector: { matchLabels: { app: "db" } } }, { namespaceSelector: { matchLabels: { team: "b" } } }],
      "192.168.0.2, 192.168.1.1",
    ],
    [
      "ipBlock less its except",
      [{ ipBlock: { cidr: "10.0.0.0/30", except: ["10.0.0.1/32"] } }],
      "10.0.0.0, 10.0.0.2/31",
    ],
    [
      "except bounds its own block only",
      [
        { ipBlock: { cidr: "192.168.0.0/24", except: ["192.168.0.0/24"] } },
        { podSelector: { matchLabels: { app: "web" } } },
      ],
      "192.168.0.1",
    ],
    ["nothing matched: an empty set", [{ podSelector: { matchLabels: { app: "none" } } }], undefined],
    ["a peer that says nothing: nobody", [{}], undefined],
  ])("%s", (_, from, elements) => {
    expect(elementsOf(from)).toBe(elements && `elements = { ${elements} }`);
  });

  it("leave out pods on the host's network and pods that have ended", () => {
    const pods = [
      pod("shop/host", ["172.30.0.2"], { spec: { hostNetwork: true } }),
      pod("shop/done", ["192.168.0.1"], { phase: "Succeeded" }),
      db,
    ];
    expect(elementsOf([{ podSelector: {} }], { pods })).toBe("elements = { 192.168.0.2 }");
  });

  it.each([[undefined], [[]]])("%j are everybody", (from) => {
    expect(ingressRules([from === undefined ? {} : { from }])).toEqual([""]);
  });

  it("are matched as source on ingress, as destination on egress", () => {
    const peers = [{ podSelector: {} }];
    const text = ruleset({
      policies: [policy("shop/p", { podSelector: {}, ingress: [{ from: peers }], egress: [{ to: peers }] })],
    });
    expect(linesOf(text, "chain cali-pi-shop/p")).toEqual([
      expect.stringMatching(/^ip saddr @cali40s-\w+ counter accept/),
    ]);
    expect(linesOf(text, "chain cali-po-shop/p")).toEqual([
      expect.stringMatching(/^ip daddr @cali40s-\w+ counter accept/),
    ]);
  });
});

describe("ports", () => {
  it.each<[string, NetworkPolicyIngressRule["ports"], string[]]>([
    ["a number: TCP", [{ port: 80 }], ["tcp dport 80"]],
    [
      "UDP and SCTP",
      [
        { port: 53, protocol: "UDP" },
        { port: 1, protocol: "SCTP" },
      ],
      ["udp dport 53", "sctp dport 1"],
    ],
    ["endPort", [{ port: 8000, endPort: 8010 }], ["tcp dport 8000-8010"]],
    ["several of one protocol: one rule", [{ port: 80 }, { port: 443 }], ["tcp dport { 80, 443 }"]],
    [
      "overlapping ranges: merged, which nft would refuse",
      [
        { port: 80, endPort: 90 },
        { port: 85, endPort: 100 },
      ],
      ["tcp dport 80-100"],
    ],
    [
      "a protocol without port: all its ports",
      [{ protocol: "UDP" }, { protocol: "UDP", port: 53 }],
      ["meta l4proto udp"],
    ],
    ["an entry that says nothing: TCP", [{}], ["meta l4proto tcp"]],
    ["an empty list: everything", [], [""]],
  ])("%s", (_, ports, rules) => {
    expect(ingressRules([ports === undefined ? {} : { ports }])).toEqual(rules);
  });

  it("by name are each destination pod's own number", () => {
    const text = ruleset({
      policies: [policy("shop/p", { podSelector: {}, egress: [{ ports: [{ port: "pg" }] }] })],
    });
    const [rule = ""] = linesOf(text, "chain cali-po-shop/p");
    const [name] = /cali40n-[0-9a-f]+/.exec(rule) ?? [""];
    expect(rule).toMatch(new RegExp(`^ip daddr . meta l4proto . th dport @${name} counter accept`));
    expect(linesOf(text, `set ${name}`).at(-1)).toBe(
      "elements = { 192.168.0.2 . tcp . 5432, 192.168.1.1 . tcp . 6543 }",
    );
  });

  it("by a name that no pod has match nothing", () => {
    expect(ingressRules([{ ports: [{ port: "none" }] }])).toEqual([
      expect.stringMatching(/^ip daddr . meta l4proto . th dport @cali40n-\w+$/),
    ]);
    expect(
      ruleset({
        policies: [
          policy("shop/p", {
            podSelector: {},
            ingress: [{ ports: [{ port: "pg", protocol: "UDP" }] }],
          }),
        ],
      }),
    ).not.toContain("5432");
  });

  it("refuse a range that ends before it begins", () => {
    expect(() => ingressRules([{ ports: [{ port: 90, endPort: 80 }] }])).toThrow(
      expect.objectContaining({ code: "POLICY_BAD_PORT_RANGE" }),
    );
  });
});

describe("the text", () => {
  it("is the same for the same objects in another order", () => {
    const policies = ["shop/a", "shop/b", "other/c"].map((path) =>
      policy(path, {
        podSelector: {},
        ingress: [{ from: [{ namespaceSelector: {} }], ports: [{ port: "pg" }] }],
      }),
    );
    const reversed = {
      endpoints: endpoints.toReversed(),
      pods: [other, db, web],
      policies: policies.toReversed(),
    };
    expect(ruleset(reversed)).toBe(ruleset({ policies }));
  });

  it("replaces the table in the transaction that makes it", () => {
    expect(ruleset({}).split("\n").slice(0, 3)).toEqual([
      "table inet calico",
      "delete table inet calico",
      "table inet calico {",
    ]);
  });

  it("has IPv6 rules and sets once a pod has such an address", () => {
    const dual = pod("shop/web", ["192.168.0.1", "fd00::1"], { labels: { app: "web" } });
    expect(
      ingressRules([{ from: [{ podSelector: { matchLabels: { app: "web" } } }], ports: [{ port: 80 }] }], {
        pods: [dual, db],
      }),
    ).toEqual([
      expect.stringMatching(/^ip saddr @cali40s-\w+ tcp dport 80$/),
      expect.stringMatching(/^ip6 saddr @cali60s-\w+ tcp dport 80$/),
    ]);
    expect(ruleset({ pods: [dual, db] })).toContain("set drops-egress6 {");
    expect(ruleset({})).not.toContain("ip6");
  });

  it("takes no name as syntax", () => {
    const hostile = policy('shop/x { }; delete table "', {
      podSelector: {},
      ingress: [{ from: [{ podSelector: { matchLabels: { 'a"': '" }; drop' } } }] }],
    });
    const text = ruleset({ policies: [hostile] });
    expect(text).not.toContain('delete table "');
    expect(text).not.toContain("; drop");
    expect(text).toMatch(/chain cali-pi-[0-9a-f]{16} \{/);
  });

  it("refuses an interface name that is none", () => {
    expect(() => ruleset({ endpoints: [{ hostInterface: 'x" : drop', namespace: "shop", name: "web" }] })).toThrow(
      expect.objectContaining({ code: "POLICY_BAD_INTERFACE" }),
    );
  });
});
