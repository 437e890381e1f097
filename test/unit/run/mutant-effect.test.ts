import { describe, expect, test } from "vitest";
import type { NetworkPolicy } from "../../../src/kube/types.ts";
import type { OraclePod, OracleWorld } from "../../../src/policy/types.ts";
import { firstDifference, type EffectScope } from "../../../src/run/mutant-effect.ts";
import { manifest } from "./reference-plan.ts";

const pod = (name: string, address: string, ports: number[], namespace = "shop"): OraclePod => ({
  namespace,
  name,
  labels: { app: name },
  addresses: [address],
  ports: ports.map((containerPort) => ({ containerPort, protocol: "TCP" })),
  node: "worker1",
});
const pods = [pod("web", "10.0.0.1", [8080]), pod("db", "10.0.0.2", [5432]), pod("cache", "10.0.0.3", [])];
const dns = pod("dns", "10.0.0.9", [9153], "kube-system");

const world = (spec: string, more: readonly OraclePod[] = [dns]): OracleWorld => ({
  namespaces: ["shop", "kube-system"].map((name) => ({ name, labels: { "kubernetes.io/metadata.name": name } })),
  pods: [...pods, ...more],
  nodes: [{ name: "worker1", addresses: ["192.168.0.1"] }],
  policies: manifest(
    "p.yaml",
    `{ apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: { name: db, namespace: shop }, spec: ${spec} }`,
  ).map(({ object }) => ({ policy: object as NetworkPolicy })),
});
const scope: EffectScope = {
  namespaces: new Set(["shop"]),
  external: { addresses: ["203.0.113.1"], ports: [{ port: 80, protocol: "TCP" }] },
  nameOf: (name) => name.replace("/", "/deployment/"),
};

const right =
  "{ podSelector: { matchLabels: { app: db } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: web } } }], ports: [{ port: 5432 }] }] }";

describe("the difference of a mutant", () => {
  test("is a pair on a port that is served, where there is one", () => {
    const open = right.replace("matchLabels: { app: web }", "");
    expect(firstDifference(world(right), world(open), scope)).toEqual({
      from: "shop/deployment/cache",
      to: "shop/deployment/db",
      port: 5432,
      protocol: "tcp",
      expected: "blocked",
      isServed: true,
    });
    expect(firstDifference(world(open), world(right), scope)).toMatchObject({ expected: "allowed" });
  });

  test("is a port that the lab's pod does not serve, where no served one differs", () => {
    const anyPort = right.replace(", ports: [{ port: 5432 }]", "");
    expect(firstDifference(world(right), world(anyPort), scope)).toMatchObject({
      from: "shop/deployment/web",
      to: "shop/deployment/db",
      expected: "blocked",
      isServed: false,
    });
  });

  test("is none where the selectors pick the same pods", () => {
    const everywhere = right.replace("from: [{", "from: [{ namespaceSelector: {},");
    expect(firstDifference(world(right), world(everywhere), scope)).toBeUndefined();
    const twin = { ...pod("web", "10.0.0.8", [], "kube-system") };
    expect(firstDifference(world(right, [twin]), world(everywhere, [twin]), scope)).toMatchObject({
      from: "kube-system/deployment/web",
      expected: "blocked",
    });
  });

  test("of pods that are not the lab's is only on what they serve", () => {
    const to = (port: number): string =>
      `{ podSelector: {}, policyTypes: [Egress], egress: [{ to: [{ namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: kube-system } } }], ports: [{ port: ${port} }] }] }`;
    expect(firstDifference(world(to(1000)), world(to(1001)), scope)).toBeUndefined();
    expect(firstDifference(world(to(9153)), world(to(1001)), scope)).toMatchObject({
      to: "kube-system/deployment/dns",
    });
  });

  test("is told of the host outside, too", () => {
    const to = (cidr: string): string =>
      `{ podSelector: {}, policyTypes: [Egress], egress: [{ to: [{ ipBlock: { cidr: ${cidr} } }] }] }`;
    const difference = firstDifference(world(to("203.0.113.0/24")), world(to("203.0.113.2/32")), scope);
    expect(difference).toMatchObject({ to: "external", port: 80, expected: "allowed", isServed: true });
  });
});
