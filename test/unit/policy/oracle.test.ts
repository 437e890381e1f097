import { describe, expect, it } from "vitest";
import { LabError } from "../../../src/core/errors.ts";
import type { NetworkPolicy } from "../../../src/kube/types.ts";
import { createOracle } from "../../../src/policy/oracle.ts";
import type { OracleEnd, OracleFlow, OraclePod, OracleVerdict, OracleWorld } from "../../../src/policy/types.ts";

const pod = (name: string, address: string, more: Partial<OraclePod> = {}): OraclePod => ({
  namespace: "shop",
  name,
  labels: { app: name },
  addresses: [address],
  ports: [{ name: "http", containerPort: 80, protocol: "TCP" }],
  node: "worker1",
  ...more,
});

const policy = (spec: NetworkPolicy["spec"], name = "p"): NetworkPolicy => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { namespace: "shop", name },
  spec,
});

const BASE: Omit<OracleWorld, "policies"> = {
  namespaces: [{ name: "shop", labels: {} }],
  nodes: [
    { name: "worker1", addresses: ["192.168.0.11", "fd01::11"] },
    { name: "worker2", addresses: ["192.168.0.12"] },
  ],
  pods: [
    pod("web", "10.0.0.1"),
    pod("db", "10.0.0.2", { addresses: ["10.0.0.2", "fd00::2"] }),
    pod("agent", "192.168.0.11", { hostNetwork: true }),
    pod("far-agent", "192.168.0.12", { hostNetwork: true, node: "worker2" }),
  ],
};

const at = (name: string): OracleEnd => ({ kind: "pod", namespace: "shop", name });
const node = (name: string): OracleEnd => ({ kind: "node", name });
const address = (text: string): OracleEnd => ({ kind: "address", address: text });

function ask(policies: NetworkPolicy[], from: OracleEnd, to: OracleEnd, more: Partial<OracleFlow> = {}): OracleVerdict {
  return createOracle({ ...BASE, policies: policies.map((each) => ({ policy: each })) }).verdict({
    from,
    to,
    port: 80,
    protocol: "TCP",
    ...more,
  });
}

function summary({ allowed, notGradable }: OracleVerdict): string {
  return `${allowed ? "allowed" : "blocked"}${notGradable === undefined ? "" : `, open: ${notGradable.cause}`}`;
}

const denyIngress = policy({ podSelector: {}, policyTypes: ["Ingress"] });
const denyEgress = policy({ podSelector: {}, policyTypes: ["Egress"] });
const blockIngress = (cidr: string, except?: string[]) =>
  policy({
    podSelector: {},
    ingress: [{ from: [{ ipBlock: { cidr, ...(except === undefined ? {} : { except }) } }] }],
  });
const blockEgress = (cidr: string) =>
  policy({ podSelector: {}, policyTypes: ["Egress"], egress: [{ to: [{ ipBlock: { cidr } }] }] });

describe("a pod to itself", () => {
  it("is allowed by the API and never graded, even without policies, by name or by address", () => {
    expect(summary(ask([], at("web"), at("web")))).toBe("allowed, open: loopback");
    expect(summary(ask([denyIngress, denyEgress], at("web"), address("10.0.0.1")))).toBe("allowed, open: loopback");
  });
});

describe("nodes", () => {
  it("reach pods that nothing isolates", () => {
    expect(summary(ask([], node("worker2"), at("web")))).toBe("allowed");
    expect(summary(ask([denyEgress], node("worker2"), at("web")))).toBe("allowed");
  });

  it("are always let to pods of their own; where no rule says so it is not graded", () => {
    expect(summary(ask([denyIngress], node("worker1"), at("web")))).toBe("allowed, open: own-node");
    expect(summary(ask([denyIngress], address("192.168.0.11"), at("web")))).toBe("allowed, open: own-node");
    expect(summary(ask([denyEgress], at("web"), node("worker1")))).toBe("allowed, open: own-node");
    expect(summary(ask([blockIngress("0.0.0.0/0")], node("worker1"), at("web")))).toBe("allowed");
  });

  it("are matched by no selector, and so blocked from pods of other nodes", () => {
    const everyPod = policy({ podSelector: {}, ingress: [{ from: [{ namespaceSelector: {} }] }] });
    expect(summary(ask([everyPod], node("worker2"), at("web")))).toBe("blocked");
    expect(summary(ask([denyIngress], node("worker2"), at("web")))).toBe("blocked");
  });

  it("as a source leave open what an ipBlock would decide, but for one that holds every address", () => {
    expect(summary(ask([blockIngress("192.168.0.0/24")], node("worker2"), at("web")))).toMatch(/open: node-address$/);
    expect(summary(ask([blockIngress("10.9.0.0/24")], node("worker2"), at("web")))).toMatch(/open: node-address$/);
    expect(summary(ask([blockIngress("0.0.0.0/0", ["10.9.0.0/24"])], node("worker2"), at("web")))).toMatch(
      /open: node-address$/,
    );
    expect(summary(ask([blockIngress("0.0.0.0/0")], node("worker2"), at("web")))).toBe("allowed");
    const besides = [{ ipBlock: { cidr: "10.9.0.0/24" } }, { ipBlock: { cidr: "0.0.0.0/0" } }];
    expect(summary(ask([policy({ podSelector: {}, ingress: [{ from: besides }] })], node("worker2"), at("web")))).toBe(
      "allowed",
    );
    expect(summary(ask([blockIngress("fd00::/8")], node("worker2"), at("web")))).toBe("blocked");
  });

  it("named by an address are judged by that address", () => {
    expect(summary(ask([blockIngress("192.168.0.0/24")], address("192.168.0.12"), at("web")))).toBe("allowed");
    expect(summary(ask([blockIngress("10.9.0.0/24")], address("192.168.0.12"), at("web")))).toBe("blocked");
  });

  it("as a destination are judged by their addresses", () => {
    expect(summary(ask([blockEgress("192.168.0.12/32")], at("web"), node("worker2")))).toBe("allowed");
    expect(summary(ask([blockEgress("10.9.0.0/24")], at("web"), node("worker2")))).toBe("blocked");
    expect(ask([blockEgress("10.9.0.0/24")], node("worker1"), node("worker2")).allowed).toBe(true);
  });

  it("with several addresses of which an ipBlock holds some leave it open", () => {
    const nodes = [{ name: "worker3", addresses: ["192.168.0.13", "192.168.1.13"] }];
    const oracle = createOracle({ ...BASE, nodes, policies: [{ policy: blockEgress("192.168.0.0/24") }] });
    const verdict = oracle.verdict({ from: at("web"), to: node("worker3"), port: 80, protocol: "TCP" });
    expect(verdict.notGradable?.cause).toBe("node-address");
  });

  it("do not leave open what the other side blocks for certain", () => {
    const both = [blockIngress("192.168.0.0/24"), denyEgress];
    expect(summary(ask([...both, blockEgress("10.9.0.0/24")], at("web"), address("192.168.0.12")))).toBe("blocked");
  });
});

describe("pods in their node's network", () => {
  it("are outside policy: neither selected nor matched, but taken for their node", () => {
    const fromAgents = policy({ podSelector: {}, ingress: [{ from: [{ podSelector: {} }] }] });
    expect(summary(ask([denyIngress, denyEgress], at("agent"), at("far-agent")))).toBe("allowed");
    expect(summary(ask([fromAgents], at("far-agent"), at("web")))).toBe("blocked");
    expect(summary(ask([fromAgents], at("agent"), at("web")))).toBe("allowed, open: own-node");
    expect(ask([denyIngress], at("agent"), at("web")).egress).toBeUndefined();
  });

  it("carry an address that the CNI chooses, as their node does", () => {
    expect(summary(ask([blockIngress("192.168.0.0/24")], at("far-agent"), at("web")))).toMatch(/open: node-address$/);
    expect(summary(ask([blockEgress("192.168.0.12/32")], at("web"), at("far-agent")))).toBe("allowed");
  });

  it("have their node's addresses before they have their own", () => {
    const agent = pod("new-agent", "", { addresses: [], hostNetwork: true, node: "worker2" });
    const oracle = (nodes: OracleWorld["nodes"]) =>
      createOracle({
        ...BASE,
        nodes: nodes ?? [],
        pods: [...BASE.pods, agent],
        policies: [{ policy: blockEgress("192.168.0.12/32") }],
      });
    const flow: OracleFlow = { from: at("web"), to: at("new-agent"), port: 80, protocol: "TCP" };
    expect(summary(oracle(BASE.nodes).verdict(flow))).toBe("allowed");
    expect(summary(oracle([]).verdict(flow))).toMatch(/open: node-address$/);
  });
});

describe("ICMP", () => {
  it("is allowed where nothing isolates and left open by the API elsewhere", () => {
    const icmp = { protocol: "ICMP", port: undefined } as const;
    expect(summary(ask([], at("web"), at("db"), icmp))).toBe("allowed");
    expect(summary(ask([denyIngress], at("web"), at("db"), icmp))).toBe("blocked, open: protocol");
    expect(summary(ask([policy({ podSelector: {}, ingress: [{}] })], at("web"), at("db"), icmp))).toBe(
      "allowed, open: protocol",
    );
    expect(
      summary(ask([policy({ podSelector: {}, ingress: [{ ports: [{ port: 80 }] }] })], at("web"), at("db"), icmp)),
    ).toMatch(/^blocked/);
  });
});

describe("a flow without a port", () => {
  it("is let in by a rule for its whole protocol, and by none that names ports", () => {
    const on = (ports: object[]) => policy({ podSelector: {}, ingress: [{ ports }] });
    const summaries = [{ protocol: "TCP" }, { protocol: "UDP" }, { port: 80 }, { port: "http" }].map((port) =>
      summary(ask([on([port])], at("web"), at("db"), { port: undefined })),
    );
    expect(summaries).toEqual(["allowed", "blocked", "blocked", "blocked"]);
  });
});

describe("address families", () => {
  const six = blockIngress("fd00::/8");
  it("do not match across", () => {
    expect(summary(ask([six], address("fd00::9"), at("db")))).toBe("allowed");
    expect(summary(ask([six], address("203.0.113.1"), at("db")))).toBe("blocked");
    expect(summary(ask([blockIngress("0.0.0.0/0")], address("fd00::9"), at("db")))).toBe("blocked");
  });

  it("follow the flow's, then the destination's primary address", () => {
    const fromDb = blockIngress("fd00::2/128");
    expect(summary(ask([fromDb], at("db"), at("web"), { family: 6 }))).toBe("allowed");
    expect(summary(ask([fromDb], at("db"), at("web")))).toBe("blocked");
  });
});

describe("named ports", () => {
  it("do not open an ipBlock in an egress rule, not even for a pod in it that declares the name", () => {
    const rule = (to: object[]) =>
      policy({ podSelector: {}, policyTypes: ["Egress"], egress: [{ to, ports: [{ port: "http" }] }] });
    expect(summary(ask([rule([{ ipBlock: { cidr: "10.0.0.2/32" } }])], at("web"), at("db")))).toBe("blocked");
    expect(summary(ask([rule([{ ipBlock: { cidr: "0.0.0.0/0" } }])], at("web"), address("203.0.113.1")))).toBe(
      "blocked",
    );
    expect(summary(ask([rule([{ ipBlock: { cidr: "10.0.0.2/32" } }, { podSelector: {} }])], at("web"), at("db")))).toBe(
      "allowed",
    );
    const otherPods = { podSelector: { matchLabels: { app: "none" } } };
    expect(summary(ask([rule([{ ipBlock: { cidr: "10.0.0.2/32" } }, otherPods])], at("web"), at("db")))).toBe(
      "blocked",
    );
    expect(summary(ask([rule([])], at("web"), at("db")))).toBe("allowed");
    expect(summary(ask([rule([])], at("web"), address("203.0.113.1")))).toBe("blocked");
  });
});

describe("the detail of a verdict", () => {
  const toDb = policy(
    {
      podSelector: { matchLabels: { app: "db" } },
      ingress: [{ ports: [{ port: 443 }] }, { from: [{ podSelector: {} }] }],
    },
    "to-db",
  );

  it("names the policies that isolate and every rule that allows", () => {
    const { ingress, egress } = ask([denyIngress, toDb], at("web"), at("db"));
    expect(ingress?.isolatedBy.map(({ policy: each }) => each.metadata.name)).toEqual(["p", "to-db"]);
    expect(ingress?.allowedBy.map(({ index, direction }) => [index, direction])).toEqual([[1, "ingress"]]);
    expect(ingress?.nearMisses).toEqual([]);
    expect(egress).toMatchObject({ isolatedBy: [], allowed: true });
  });

  it("names rules that missed by one condition where nothing allows", () => {
    const { ingress } = ask([toDb], address("203.0.113.1"), at("db"));
    expect(ingress?.nearMisses.map(({ rule, missedBy }) => [rule.index, missedBy])).toEqual([
      [0, "port"],
      [1, "peer"],
    ]);
  });
});

describe("what the oracle refuses", () => {
  const codeOf = (act: () => unknown): string | undefined => {
    try {
      act();
    } catch (error) {
      if (error instanceof LabError) return `${error.code}: ${error.message}`;
      throw error;
    }
    return undefined;
  };
  const ingress = (rule: NonNullable<NetworkPolicy["spec"]["ingress"]>[number]) => () =>
    ask([policy({ podSelector: {}, ingress: [{}, rule] })], at("web"), at("db"));

  it("is a policy that the API server refuses and that could be read two ways", () => {
    expect(codeOf(ingress({ from: [{}] }))).toBe(
      "POLICY_INVALID: NetworkPolicy shop/p, ingress rule 2: an empty peer names nobody: it needs a podSelector, a namespaceSelector or an ipBlock",
    );
    expect(codeOf(ingress({ from: [{ podSelector: {}, ipBlock: { cidr: "10.0.0.0/8" } }] }))).toMatch(
      /^POLICY_INVALID/,
    );
    expect(codeOf(ingress({ from: [{ ipBlock: { cidr: "10.0.0.0" } }] }))).toContain('"10.0.0.0" is not a CIDR');
    expect(codeOf(ingress({ from: [{ ipBlock: { cidr: "10.0.0.0/8", except: ["x"] } }] }))).toContain(
      '"x" is not a CIDR',
    );
    expect(codeOf(ingress({ ports: [{ port: 80, endPort: 79 }] }))).toContain("endPort 79 is less than port 80");
    expect(codeOf(ingress({ ports: [{ port: "http", endPort: 90 }] }))).toContain("endPort needs a numeric port");
  });

  it("is a flow of a pod, node or address that is none of the world's", () => {
    expect(codeOf(() => ask([], at("gone"), at("db")))).toMatch(/^POLICY_UNKNOWN_END: .*pod shop\/gone/);
    expect(codeOf(() => ask([], at("db"), node("gone")))).toMatch(/^POLICY_UNKNOWN_END: .*node gone/);
    expect(codeOf(() => ask([], at("db"), address("db.shop")))).toMatch(/^POLICY_UNKNOWN_END: .*no IP address/);
  });
});
