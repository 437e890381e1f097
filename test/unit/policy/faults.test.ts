import { describe, expect, it } from "vitest";
import type { LabelSelector, NetworkPolicyPeer, NetworkPolicyPort } from "../../../src/kube/types.ts";
import { compilePolicy, type CompiledRule } from "../../../src/policy/compile.ts";
import {
  fewestFaults,
  labelFaults,
  peerFaults,
  portFault,
  type Fault,
  type OtherEnd,
} from "../../../src/policy/faults.ts";
import type { OraclePod } from "../../../src/policy/types.ts";

const db: OraclePod = {
  namespace: "shop",
  name: "db",
  labels: { app: "db", tier: "back" },
  addresses: ["10.0.0.2", "fd00::2"],
  ports: [
    { name: "pg", containerPort: 5432, protocol: "TCP" },
    { containerPort: 9187, protocol: "TCP" },
    { name: "dns", containerPort: 53, protocol: "TCP" },
    { name: "dns", containerPort: 5353, protocol: "UDP" },
  ],
};
const toDb: OtherEnd = { name: "shop/db", pod: db, addresses: db.addresses, namespaceLabels: { team: "shop" } };
const outside: OtherEnd = { name: "203.0.113.9", pod: undefined, addresses: ["203.0.113.9"], namespaceLabels: {} };

const to = { kind: "pod", namespace: "shop", name: "db" } as const;

function ruleOf(rule: { to?: NetworkPolicyPeer[]; ports?: NetworkPolicyPort[] }): CompiledRule {
  const policy = {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { namespace: "shop", name: "p" },
    spec: { podSelector: {}, policyTypes: ["Egress"], egress: [rule] },
  } as const;
  return compilePolicy({ policy: policy as never }).egress?.[0] as CompiledRule;
}

const told = (faults: readonly Fault[]): string[] => faults.map(({ code, text }) => `${code}: ${text}`);

describe("labels that a selector does not match", () => {
  const faults = (selector: LabelSelector): Fault[] =>
    labelFaults(selector, db.labels, { code: "pod-label", whose: "shop/db", asks: "the rule" });

  it.each<[string, LabelSelector, string[]]>([
    ["nothing is asked", {}, []],
    ["all of them are there", { matchLabels: { app: "db", tier: "back" } }, []],
    ["a value is another", { matchLabels: { app: "web" } }, ["shop/db has app=db, the rule asks for app=web"]],
    ["a key is missing", { matchLabels: { zone: "a" } }, ["shop/db has no label zone, the rule asks for zone=a"]],
    [
      "a key is misspelt",
      { matchLabels: { teir: "back" } },
      ["shop/db has no label teir (but tier=back), the rule asks for teir=back"],
    ],
    [
      "each requirement that fails is told, and no other",
      {
        matchLabels: { app: "web", tier: "back" },
        matchExpressions: [
          { key: "tier", operator: "NotIn", values: ["back"] },
          { key: "app", operator: "Exists" },
          { key: "zone", operator: "Exists" },
        ],
      },
      [
        "shop/db has app=db, the rule asks for app=web",
        "shop/db has tier=back, the rule asks for tier notin (back)",
        "shop/db has no label zone, the rule asks for zone",
      ],
    ],
    [
      "a name of Object.prototype is no label",
      { matchLabels: { constructor: "x" } },
      ["shop/db has no label constructor, the rule asks for constructor=x"],
    ],
  ])("%s", (_what, selector, texts) => {
    expect(faults(selector).map(({ text }) => text)).toEqual(texts);
  });

  it.each<[string, LabelSelector, boolean]>([
    ["a value that is nearly the label's", { matchLabels: { tier: "bakc" } }, true],
    ["a key that is nearly a label's", { matchLabels: { teir: "front" } }, true],
    [
      "a key in an expression that is nearly a label's",
      { matchExpressions: [{ key: "teir", operator: "Exists" }] },
      true,
    ],
    ["another value", { matchLabels: { tier: "front" } }, false],
    ["another key", { matchLabels: { zone: "back" } }, false],
    [
      "an expression that excludes the value",
      { matchExpressions: [{ key: "tier", operator: "NotIn", values: ["back"] }] },
      false,
    ],
  ])("%s is taken for a slip: %s", (_what, selector, isSlip) => {
    const another = faults({ matchLabels: { app: "something-else" } })[0]?.weight ?? 0;
    expect((faults(selector)[0]?.weight ?? 0) < another).toBe(isSlip);
  });
});

describe("a peer that does not pick the other end", () => {
  const faults = (peer: NetworkPolicyPeer, other: OtherEnd = toDb, family?: 4 | 6): string[] => {
    const [compiled] = ruleOf({ to: [peer] }).peers ?? [];
    if (compiled === undefined) throw new Error("a rule of one peer has none");
    return told(peerFaults(compiled, other, family));
  };
  const inOps: OtherEnd = {
    ...toDb,
    name: "ops/db",
    pod: { ...db, namespace: "ops" },
    namespaceLabels: { team: "ops" },
  };
  const joined = "; one item asks for both its selectors, as two items of the list either would do";

  it.each<[string, NetworkPolicyPeer, OtherEnd, string[]]>([
    ["it is picked by its labels", { podSelector: { matchLabels: { app: "db" } } }, toDb, []],
    ["it is picked by its namespace's", { namespaceSelector: { matchLabels: { team: "shop" } } }, toDb, []],
    [
      "it is picked by the name of its namespace",
      { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "shop" } } },
      toDb,
      [],
    ],
    [
      "it is an address",
      { podSelector: {} },
      outside,
      ["selector-for-address: selectors pick pods only, and 203.0.113.9 is none: an ipBlock would pick it"],
    ],
    [
      "podSelector alone is of the policy's namespace",
      { podSelector: { matchLabels: { app: "db" } } },
      inOps,
      [
        "namespace-missing: podSelector alone means pods of namespace shop, and ops/db is in ops: add a namespaceSelector to the same item",
      ],
    ],
    [
      "a label and the namespace",
      { podSelector: { matchLabels: { app: "web" } } },
      inOps,
      [
        "pod-label: ops/db has app=db, the rule asks for app=web",
        "namespace-missing: podSelector alone means pods of namespace shop, and ops/db is in ops: add a namespaceSelector to the same item",
      ],
    ],
    [
      "a label of its namespace",
      { namespaceSelector: { matchLabels: { team: "shop" } } },
      inOps,
      ["namespace-label: namespace ops has team=ops, namespaceSelector asks for team=shop"],
    ],
    [
      "one of two selectors that stand in one item",
      { namespaceSelector: { matchLabels: { team: "ops" } }, podSelector: { matchLabels: { app: "web" } } },
      inOps,
      [`pod-label: ops/db has app=db, the rule asks for app=web${joined}`],
    ],
    [
      "one of two selectors that stand in one item, by expressions",
      {
        namespaceSelector: { matchExpressions: [{ key: "team", operator: "NotIn", values: ["ops"] }] },
        podSelector: { matchExpressions: [{ key: "app", operator: "Exists" }] },
      },
      inOps,
      [`namespace-label: namespace ops has team=ops, namespaceSelector asks for team notin (ops)${joined}`],
    ],
    [
      "a label beside a selector of all namespaces, which two items would not help",
      { namespaceSelector: {}, podSelector: { matchLabels: { app: "web" } } },
      inOps,
      ["pod-label: ops/db has app=db, the rule asks for app=web"],
    ],
    [
      "a namespace beside a selector of all pods, which two items would not help",
      { namespaceSelector: { matchLabels: { team: "shop" } }, podSelector: {} },
      inOps,
      ["namespace-label: namespace ops has team=ops, namespaceSelector asks for team=shop"],
    ],
    [
      "both selectors, so that neither alone would do",
      { namespaceSelector: { matchLabels: { team: "shop" } }, podSelector: { matchLabels: { app: "web" } } },
      inOps,
      [
        "pod-label: ops/db has app=db, the rule asks for app=web",
        "namespace-label: namespace ops has team=ops, namespaceSelector asks for team=shop",
      ],
    ],
  ])("%s", (_what, peer, other, texts) => {
    expect(faults(peer, other)).toEqual(texts);
  });

  const service = { service: "shop/db", port: 80, addresses: ["10.96.0.5", "no address"] };

  it.each<[string, NetworkPolicyPeer["ipBlock"], OtherEnd, 4 | 6 | undefined, string[]]>([
    ["its address is in it", { cidr: "10.0.0.0/8" }, toDb, 4, []],
    ["its other address is, of the flow's family", { cidr: "fd00::/8" }, toDb, 6, []],
    [
      "its address is another",
      { cidr: "10.9.0.0/16" },
      toDb,
      undefined,
      ["block-for-pod: 10.0.0.2 is not in 10.9.0.0/16; shop/db is a pod: name pods by selectors"],
    ],
    ["an address outside", { cidr: "10.9.0.0/16" }, outside, 4, ["block-misses: 203.0.113.9 is not in 10.9.0.0/16"]],
    ["the family is another", { cidr: "fd00::/8" }, toDb, 4, ["block-family: fd00::/8 is IPv6, and 10.0.0.2 is IPv4"]],
    [
      "the family is another, of the flow's",
      { cidr: "10.0.0.0/8" },
      toDb,
      6,
      ["block-family: 10.0.0.0/8 is IPv4, and fd00::2 is IPv6"],
    ],
    [
      "an exception takes an address out",
      { cidr: "203.0.113.0/24", except: ["203.0.113.128/25", "203.0.113.0/28"] },
      outside,
      4,
      ["block-except: except 203.0.113.0/28 takes 203.0.113.9 out of 203.0.113.0/24"],
    ],
    [
      "an exception takes a pod out",
      { cidr: "10.0.0.0/8", except: ["10.0.0.0/24"] },
      toDb,
      4,
      ["block-except: except 10.0.0.0/24 takes 10.0.0.2 out of 10.0.0.0/8; shop/db is a pod: name pods by selectors"],
    ],
    [
      "it holds the Service that was named",
      { cidr: "10.96.0.0/12" },
      { ...toDb, translated: service },
      4,
      [
        "block-for-service: 10.96.0.0/12 holds the address of Service shop/db, but policies see the pod's, 10.0.0.2: name its pods by selectors",
      ],
    ],
    [
      "it holds neither the pod nor the Service",
      { cidr: "10.97.0.0/16" },
      { ...toDb, translated: service },
      4,
      ["block-for-pod: 10.0.0.2 is not in 10.97.0.0/16; shop/db is a pod: name pods by selectors"],
    ],
    ["it holds the pod and the Service", { cidr: "10.0.0.0/8" }, { ...toDb, translated: service }, 4, []],
    [
      "a pod has no address of the flow's family",
      { cidr: "fd00::/8" },
      { ...toDb, addresses: ["10.0.0.2"] },
      6,
      ["block-for-pod: 10.0.0.2 is not in fd00::/8; shop/db is a pod: name pods by selectors"],
    ],
    [
      "an end has no address",
      { cidr: "10.0.0.0/8" },
      { ...outside, name: "node worker1", addresses: [] },
      undefined,
      ["block-misses: no address is not in 10.0.0.0/8"],
    ],
  ])("by addresses: %s", (_what, ipBlock, other, family, texts) => {
    expect(faults({ ipBlock } as NetworkPolicyPeer, other, family)).toEqual(texts);
  });
});

describe("ports that are none of the flow's", () => {
  const flow = { from: to, to, port: 5432, protocol: "TCP" } as const;
  const service = { service: "shop/db", port: 80, addresses: [] };

  it.each<[string, NetworkPolicyPort[], string[]]>([
    ["no ports are all", [], []],
    ["the number is one of them", [{ port: 80 }, { port: 5432 }], []],
    ["a range holds it", [{ port: 5000, endPort: 6000 }], []],
    ["a range begins with it", [{ port: 5432, endPort: 6000 }], []],
    ["a range ends with it", [{ port: 5000, endPort: 5432 }], []],
    ["the protocol alone is named", [{ protocol: "TCP" }], []],
    ["the name is the port's", [{ port: "pg" }], []],
    ["another number", [{ port: 5433 }], ["port-number: allows 5433/TCP, the flow is to 5432/TCP"]],
    ["a range below", [{ port: 5000, endPort: 5431 }], ["port-number: allows 5000-5431/TCP, the flow is to 5432/TCP"]],
    ["another protocol", [{ protocol: "UDP" }], ["port-protocol: allows UDP only, the flow is to 5432/TCP"]],
    [
      "the number with another protocol",
      [{ port: 5432, protocol: "UDP" }],
      ["port-protocol: allows 5432/UDP, the flow is to 5432/TCP"],
    ],
    [
      "the range with another protocol",
      [{ port: 5000, endPort: 6000, protocol: "UDP" }],
      ["port-protocol: allows 5000-6000/UDP, the flow is to 5432/TCP"],
    ],
    [
      "of several numbers",
      [{ port: 5433 }, { port: 80 }],
      ["port-number: none of its 2 ports is 5432/TCP; allows 5433/TCP, the flow is to 5432/TCP"],
    ],
    [
      "a number that is another is nearer than a number and a protocol that are",
      [{ port: 53, protocol: "UDP" }, { port: 5433 }],
      ["port-number: none of its 2 ports is 5432/TCP; allows 5433/TCP, the flow is to 5432/TCP"],
    ],
    [
      "a protocol that is another is nearer than a number",
      [{ port: 5433 }, { port: 5432, protocol: "UDP" }],
      ["port-protocol: allows 5432/UDP, the flow is to 5432/TCP"],
    ],
    [
      "a name that the pod does not give",
      [{ port: "postgres" }],
      ["port-name: allows the port named postgres, and shop/db names its ports pg, dns, dns"],
    ],
    [
      "a name that stands for other ports",
      [{ port: "dns" }],
      ["port-name: allows the port named dns with TCP, which is 53/TCP, 5353/UDP in shop/db; the flow is to 5432/TCP"],
    ],
    [
      "a name whose port is of another protocol",
      [{ port: "pg", protocol: "UDP" }],
      ["port-name: allows the port named pg with UDP, which is 5432/TCP in shop/db; the flow is to 5432/TCP"],
    ],
  ])("%s", (_what, ports, texts) => {
    expect(told(portFault(ruleOf({ ports }), flow, db, undefined))).toEqual(texts);
  });

  it("say what a name means where the destination names none, or is no pod", () => {
    const rule = ruleOf({ ports: [{ port: "pg" }] });
    const nameless = { ...db, ports: [{ containerPort: 5432, protocol: "TCP" as const }] };
    expect(told(portFault(rule, flow, nameless, undefined))).toEqual([
      "port-name: allows the port named pg, and shop/db names no port",
    ]);
    expect(told(portFault(rule, flow, undefined, undefined))).toEqual([
      "port-name: allows the port named pg, and only pods have named ports",
    ]);
  });

  it.each<[string, NetworkPolicyPort[], string]>([
    [
      "the Service's port is the likeliest slip of all",
      [{ port: 5432, protocol: "UDP" }, { port: 80 }],
      "service-port: allows 80/TCP, the port of Service shop/db; policies see the pod's port: 5432/TCP",
    ],
    [
      "a range may hold it, to both its ends",
      [{ port: 80, endPort: 90 }],
      "service-port: allows 80-90/TCP, the port of Service shop/db; policies see the pod's port: 5432/TCP",
    ],
    [
      "a range may end with it",
      [{ port: 70, endPort: 80 }],
      "service-port: allows 70-80/TCP, the port of Service shop/db; policies see the pod's port: 5432/TCP",
    ],
    ["another number is not it", [{ port: 81 }], "port-number: allows 81/TCP, the flow is to 5432/TCP"],
    ["nor a lower one", [{ port: 79 }], "port-number: allows 79/TCP, the flow is to 5432/TCP"],
    [
      "another protocol is not it",
      [{ port: 80, protocol: "UDP" }],
      "port-number: allows 80/UDP, the flow is to 5432/TCP",
    ],
  ])("where a Service was named: %s", (_what, ports, text) => {
    expect(told(portFault(ruleOf({ ports }), flow, db, service))).toEqual([text]);
  });

  it("are told with what the rule does with them", () => {
    expect(told(portFault(ruleOf({ ports: [{ port: 80 }] }), flow, db, undefined, "passes on"))).toEqual([
      "port-number: passes on 80/TCP, the flow is to 5432/TCP",
    ]);
  });

  it("hold no ICMP, which has no port", () => {
    const ping = { from: to, to, protocol: "ICMP" } as const;
    expect(told(portFault(ruleOf({ ports: [{ port: 80 }] }), ping, db, undefined))).toEqual([
      "port-number: allows 80/TCP, the flow is ICMP",
    ]);
  });
});

it("the nearest of several peers is the one with the fewest faults, the first of equal ones", () => {
  const fault = (text: string): Fault => ({ code: "pod-label", text, weight: 1 });
  const [a, b, c] = [fault("a"), fault("b"), fault("c")];
  expect(fewestFaults([])).toEqual([]);
  expect(fewestFaults([[a, b], [c]])).toEqual([c]);
  expect(fewestFaults([[a], [b, c]])).toEqual([a]);
  expect(fewestFaults([[a], [b]])).toEqual([a]);
  expect(fewestFaults([[a], []])).toEqual([]);
});
