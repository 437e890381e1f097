import { describe, expect, it } from "vitest";
import type { Span } from "../../../src/core/errors.ts";
import type { NetworkPolicy } from "../../../src/kube/types.ts";
import { explainLines, explainVerdict } from "../../../src/policy/explain.ts";
import { createOracle } from "../../../src/policy/oracle.ts";
import type { OracleFlow, OracleVerdict } from "../../../src/policy/types.ts";

const span = (line: number): Span => ({ file: "netpol.yaml", line, column: 1, length: 1, lineText: "" });
const policy = (name: string, spec: NetworkPolicy["spec"]): NetworkPolicy => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { namespace: "shop", name },
  spec,
});

const oracle = createOracle({
  namespaces: [{ name: "shop", labels: {} }],
  nodes: [{ name: "worker1", addresses: ["192.168.0.11"] }],
  pods: ["web", "db", "cache"].map((name, index) => ({
    namespace: "shop",
    name,
    labels: { app: name },
    addresses: [`10.0.0.${index + 1}`],
    ports: [],
    node: "worker1",
  })),
  policies: [
    {
      policy: policy("deny", { podSelector: { matchLabels: { app: "db" } }, policyTypes: ["Ingress"] }),
      span: span(1),
    },
    {
      policy: policy("db-from-web", {
        podSelector: { matchLabels: { app: "db" } },
        ingress: [
          { from: [{ podSelector: { matchLabels: { app: "web" } } }], ports: [{ port: 5432 }] },
          {
            from: [
              { ipBlock: { cidr: "203.0.113.0/24", except: ["203.0.113.9/32"] } },
              { namespaceSelector: { matchLabels: { team: "ops" } } },
            ],
          },
        ],
      }),
      span: span(10),
      ruleSpans: { ingress: [span(15), span(20)], egress: [] },
    },
  ],
});

function ask(from: string, port = 5432, more: Partial<OracleFlow> = {}): OracleVerdict {
  return oracle.verdict({
    from: from.includes(".") ? { kind: "address", address: from } : { kind: "pod", namespace: "shop", name: from },
    to: { kind: "pod", namespace: "shop", name: "db" },
    port,
    protocol: "TCP",
    ...more,
  });
}

describe("the explanation of a verdict", () => {
  it("names the isolating policies and the rule that allows", () => {
    expect(explainLines(ask("web"))).toEqual([
      "egress of shop/web: not isolated, no policy selects it for egress",
      "ingress of shop/db: isolated by shop/deny, shop/db-from-web; allowed by shop/db-from-web ingress rule 1",
    ]);
  });

  it("names the rules that missed by one condition", () => {
    expect(explainLines(ask("web", 80)).slice(1)).toEqual([
      "ingress of shop/db: isolated by shop/deny, shop/db-from-web; no rule allows from shop/web to 80/TCP",
      "  near miss: shop/db-from-web ingress rule 1 allows only 5432/TCP",
      "  near miss: shop/db-from-web ingress rule 2 is only for 203.0.113.0/24 except 203.0.113.9/32, pods <all> in namespaces team=ops",
    ]);
    expect(explainLines(ask("cache")).slice(2)).toEqual([
      "  near miss: shop/db-from-web ingress rule 1 is only for pods app=web",
      "  near miss: shop/db-from-web ingress rule 2 is only for 203.0.113.0/24 except 203.0.113.9/32, pods <all> in namespaces team=ops",
    ]);
  });

  it("has no line for an end that is no pod", () => {
    expect(explainLines(ask("203.0.113.5"))).toEqual([
      "ingress of shop/db: isolated by shop/deny, shop/db-from-web; allowed by shop/db-from-web ingress rule 2",
    ]);
    const outside = { kind: "address", address: "203.0.113.5" } as const;
    expect(explainLines(ask("203.0.113.5", 80, { to: outside }))).toEqual([
      "neither end is a pod under policy: nothing to isolate",
    ]);
  });

  it("says what is left open", () => {
    const line = explainLines(ask("192.168.0.11")).at(-1);
    expect(line).toMatch(/^not graded: by the API a pod's own node is always allowed/);
    expect(explainVerdict(ask("192.168.0.11")).notGradable).toMatch(/own node/);
    expect(explainVerdict(ask("web"))).not.toHaveProperty("notGradable");
  });

  it("points at the deciding rule first, then at the isolating policies, each place once", () => {
    expect(explainVerdict(ask("web")).spans.map(({ line }) => line)).toEqual([15, 1, 10]);
    expect(explainVerdict(ask("cache")).spans.map(({ line }) => line)).toEqual([1, 10]);
  });
});
