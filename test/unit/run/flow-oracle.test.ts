import { describe, expect, it } from "vitest";
import type { NetworkPolicy } from "../../../src/kube/types.ts";
import type { OraclePod, OracleWorld } from "../../../src/policy/types.ts";
import type { Flow, Source } from "../../../src/providers/types.ts";
import { createFlowOracle } from "../../../src/run/flow-oracle.ts";

const pod = (name: string, address: string, app = name): OraclePod => ({
  namespace: "shop",
  name,
  labels: { app },
  addresses: [address],
  ports: [{ containerPort: 8080, protocol: "TCP" }],
  node: "worker1",
});

const world: OracleWorld = {
  namespaces: [{ name: "shop", labels: {} }],
  nodes: [{ name: "worker2", addresses: ["192.168.0.12"] }],
  pods: [pod("web", "10.0.0.1"), pod("db-0", "10.0.0.2", "db"), pod("db-1", "10.0.0.3", "db"), pod("odd", "10.0.0.4")],
  policies: [
    {
      policy: {
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: { namespace: "shop", name: "db" },
        spec: {
          podSelector: { matchLabels: { app: "db" } },
          ingress: [{ from: [{ podSelector: { matchLabels: { app: "web" } } }], ports: [{ port: 8080 }] }],
        },
      } satisfies NetworkPolicy,
    },
  ],
};
const oracle = createFlowOracle(world, {
  serviceCidrs: ["10.96.0.0/16", "fd96::/112"],
  externalAddresses: ["203.0.113.10"],
});
const source = (name: string): Source => ({ kind: "pod", namespace: "shop", name });

function ask(flow: Partial<Flow>) {
  return oracle.answer({
    from: source("web"),
    to: [source("db-0")],
    address: "10.0.0.2",
    port: 8080,
    protocol: "tcp",
    ...flow,
  });
}

/** Through a Service whose port is 80 and whose target port is 8080. */
function askService(from: string, behind: string[], targetPorts = behind.map(() => 8080)) {
  return ask({ from: source(from), to: behind.map(source), address: "10.96.0.20", port: 80, targetPorts });
}

describe("where a cluster-wide policy would decide otherwise", () => {
  const guardedWorld = {
    ...world,
    adminPolicies: [
      {
        policy: {
          apiVersion: "policy.networking.k8s.io/v1alpha1",
          kind: "AdminNetworkPolicy" as const,
          metadata: { name: "guard" },
          spec: {
            priority: 1,
            subject: { namespaces: {} },
            ingress: [{ action: "Deny" as const, from: [{ namespaces: {} }], ports: [{ portNumber: { port: 8080 } }] }],
          },
        },
      },
    ],
  };
  const guarded = createFlowOracle(guardedWorld, { serviceCidrs: [], externalAddresses: [] });
  const enforced = createFlowOracle(guardedWorld, {
    serviceCidrs: [],
    externalAddresses: [],
    enforcesAdminPolicy: true,
  });
  const asked = { to: [], port: 8080, protocol: "tcp" as const };

  it("nothing is expected, and the reason names the rule", () => {
    const { expected, why } = guarded.answer({ ...asked, from: source("web"), address: "10.0.0.2" });
    expect(expected).toBeUndefined();
    expect(why.notGradable).toBe(
      "it would be denied by AdminNetworkPolicy/guard ingress rule 1 (Admin tier), and nothing here enforces cluster-wide policies",
    );
    expect(why.isUnenforced).toBe(true);
    expect(why.lines.join()).not.toContain("AdminNetworkPolicy");
  });

  it("its verdict is expected where it is enforced", () => {
    const { expected, why } = enforced.answer({ ...asked, from: source("web"), address: "10.0.0.2" });
    expect(expected).toBe("blocked");
    expect(why.lines.join()).toContain("AdminNetworkPolicy/guard ingress rule 1");
    expect(why).not.toHaveProperty("isUnenforced");
    expect(enforced.answer({ ...asked, port: 81, from: source("web"), address: "10.0.0.4" }).expected).toBe("allowed");
  });

  it("what NetworkPolicies block anyway, and what it does not match, is graded as ever", () => {
    expect(guarded.answer({ ...asked, from: source("odd"), address: "10.0.0.2" }).expected).toBe("blocked");
    expect(guarded.answer({ ...asked, port: 81, from: source("web"), address: "10.0.0.4" }).expected).toBe("allowed");
  });
});

describe("a flow to a pod", () => {
  it("is what the policies say of that pod, port and protocol", () => {
    expect(ask({}).expected).toBe("allowed");
    expect(ask({ port: 81 }).expected).toBe("blocked");
    expect(ask({ protocol: "udp" }).expected).toBe("blocked");
    expect(ask({ from: source("odd") }).expected).toBe("blocked");
  });

  it("goes by the address that the packet carries", () => {
    expect(ask({ from: source("odd"), to: [], address: "10.0.0.2" }).expected).toBe("blocked");
    expect(ask({ from: source("odd"), address: "10.0.0.1" }).expected).toBe("allowed");
  });

  it("comes with the policy's reason", () => {
    expect(ask({ from: source("odd") }).why).toMatchObject({ allowed: false });
    expect(ask({ from: source("odd") }).why.lines.join("\n")).toContain(
      "isolated by shop/db; no rule allows from shop/odd",
    );
  });

  it("may come from a node or from outside", () => {
    expect(ask({ from: { kind: "node", name: "worker2" } }).expected).toBe("blocked");
    expect(ask({ from: { kind: "external" } }).expected).toBe("blocked");
    expect(ask({ from: { kind: "external" }, address: "10.0.0.4" }).expected).toBe("allowed");
  });

  it("of ICMP to an isolated pod expects nothing, and says why", () => {
    const { expected, why } = ask({ protocol: "icmp" });
    expect(expected).toBeUndefined();
    expect(why.notGradable).toContain("TCP, UDP and SCTP");
    expect(ask({ protocol: "icmp", address: "10.0.0.4" }).expected).toBe("allowed");
  });

  it("to itself is loopback and expects nothing", () => {
    expect(ask({ address: "10.0.0.1", to: [source("web")] })).toMatchObject({ isLoopback: true });
    expect(ask({ address: "10.0.0.1", to: [source("web")] }).expected).toBeUndefined();
    expect(ask({}).isLoopback).toBe(false);
  });
});

describe("a flow to a Service", () => {
  it("is judged on the pods' target ports", () => {
    expect(askService("web", ["db-0", "db-1"]).expected).toBe("allowed");
    expect(askService("odd", ["db-0", "db-1"]).expected).toBe("blocked");
    expect(askService("web", ["db-0", "db-1"], [80, 80]).expected).toBe("blocked");
  });

  it("expects nothing where its pods differ: which one answers is chance", () => {
    const itself = askService("odd", ["db-0", "odd"]);
    expect(itself.expected).toBeUndefined();
    expect(itself.why.notGradable).toBeDefined();
    expect(itself.isLoopback).toBe(false);
    const mixed = askService("odd", ["db-0", "web"]);
    expect(mixed.expected).toBeUndefined();
    expect(mixed.why.notGradable).toContain("which one answers is chance");
    expect(mixed.isLoopback).toBe(false);
  });

  it("by a name that the probe could resolve is judged by the pods behind it", () => {
    expect(ask({ address: "db.shop", port: 80, targetPorts: [8080] }).expected).toBe("allowed");
    expect(ask({ address: "db.shop", port: 80, targetPorts: [81] }).expected).toBe("blocked");
    expect(ask({ address: "db.shop", to: [] }).why.notGradable).toContain("no pods are known behind db.shop");
  });

  it("expects nothing without pods, target ports, or with ICMP", () => {
    expect(askService("web", []).why.notGradable).toContain("no pods are known behind 10.96.0.20");
    expect(askService("web", ["db-0"], []).why.notGradable).toContain(
      "ports of the pods behind 10.96.0.20 are not known",
    );
    expect(ask({ address: "10.96.0.20", protocol: "icmp" }).why.notGradable).toContain("take no ICMP");
  });
});

describe("a flow with an end that is not there", () => {
  it("expects nothing, and says which", () => {
    expect(ask({ from: source("gone") })).toMatchObject({ why: { notGradable: "there is no pod shop/gone" } });
    expect(ask({ from: source("gone") })).toMatchObject({ isLoopback: false });
    expect(ask({ from: source("gone") }).expected).toBeUndefined();
    expect(ask({ from: { kind: "node", name: "gone" } }).why.notGradable).toBe("there is no node gone");
    expect(askService("web", ["gone"]).why.notGradable).toBe("there is no pod shop/gone");
  });

  it("expects nothing from outside where the lab has no outside host", () => {
    const without = createFlowOracle(world, { serviceCidrs: [], externalAddresses: [] });
    const answer = without.answer({
      from: { kind: "external" },
      to: [],
      address: "10.0.0.2",
      port: 80,
      protocol: "tcp",
    });
    expect(answer.expected).toBeUndefined();
    expect(answer.why.notGradable).toContain("outside host");
  });
});
