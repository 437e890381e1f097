import { describe, expect, it } from "vitest";
import type { AdminPolicy, AdminRule } from "../../../src/kube/admin-policy-types.ts";
import type { NetworkPolicy } from "../../../src/kube/types.ts";
import { createOracle } from "../../../src/policy/oracle.ts";
import type { OracleEnd, OracleFlow, OraclePod, OracleVerdict } from "../../../src/policy/types.ts";
import { adminPolicy } from "./arbitrary-admin.ts";

const pod = (name: string, address: string): OraclePod => ({
  namespace: "shop",
  name,
  labels: { app: name },
  addresses: [address],
  ports: [],
  node: "worker1",
});
const at = (name: string): OracleEnd => ({ kind: "pod", namespace: "shop", name });
const node = (name: string): OracleEnd => ({ kind: "node", name });

const policy = (spec: NetworkPolicy["spec"]): NetworkPolicy => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { namespace: "shop", name: "p" },
  spec,
});
const denyIngress = policy({ podSelector: {} });
const denyEgress = policy({ podSelector: {}, policyTypes: ["Egress"] });
const fromNodes = policy({ podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: "192.168.0.0/24" } }] }] });

const everyone = { namespaces: {} };
const atOne = (name: string, rule: AdminRule): AdminPolicy =>
  adminPolicy(name, { priority: 1, subject: everyone, ingress: [rule] });
/** Policies of one priority that say different things of what comes in. */
const undecided = [
  atOne("allow", { action: "Allow", from: [everyone] }),
  atOne("deny", { action: "Deny", from: [everyone] }),
];
const denyOwnNode = atOne("deny", { action: "Deny", from: [{ networks: ["0.0.0.0/0"] }] });

function ask(
  policies: NetworkPolicy[],
  flow: Partial<OracleFlow> = {},
  adminPolicies: AdminPolicy[] = [],
): OracleVerdict {
  const oracle = createOracle({
    namespaces: [{ name: "shop", labels: {} }],
    nodes: [
      { name: "worker1", addresses: ["192.168.0.11"] },
      { name: "worker2", addresses: ["192.168.0.12"] },
    ],
    pods: [pod("web", "10.0.0.1"), pod("db", "10.0.0.2")],
    policies: policies.map((each) => ({ policy: each })),
    adminPolicies: adminPolicies.map((each) => ({ policy: each })),
  });
  return oracle.verdict({ from: at("web"), to: at("db"), port: 80, protocol: "TCP", ...flow });
}

describe("what the API leaves open", () => {
  it.each<[OracleVerdict, NonNullable<OracleVerdict["notGradable"]>]>([
    [
      ask([], { to: at("web") }),
      {
        cause: "loopback",
        text: "a pod cannot block access to itself by the API, but CNIs differ on the paths that loop back",
      },
    ],
    [
      ask([denyIngress], { protocol: "ICMP", port: undefined }),
      {
        cause: "protocol",
        text: "the API defines NetworkPolicy for TCP, UDP and SCTP; what happens to ICMP is up to the CNI",
      },
    ],
    [
      ask([fromNodes], { from: node("worker2") }),
      {
        cause: "node-address",
        text: "an ipBlock decides it, and the address that a node's traffic carries is the CNI's choice",
      },
    ],
    [
      ask([], {}, undecided),
      {
        cause: "equal-priority",
        text: "cluster-wide policies of the same priority say different things, and the API leaves open which counts",
      },
    ],
    [
      ask([denyIngress], { from: node("worker1") }),
      {
        cause: "own-node",
        text: "by the API a pod's own node is always allowed, but no rule allows it and CNIs differ",
      },
    ],
    [
      ask([], { from: node("worker1") }, [denyOwnNode]),
      {
        cause: "own-node",
        text: "a cluster-wide policy denies it, and the API does not say whether it can cut a pod off from its own node",
      },
    ],
  ])("is told with its cause: %#", ({ notGradable }, open) => {
    expect(notGradable).toEqual(open);
  });

  it("is settled by the other side where that blocks for certain", () => {
    const verdict = ask([denyEgress], {}, undecided);
    expect(verdict.allowed).toBe(false);
    expect(verdict).not.toHaveProperty("notGradable");
  });
});
