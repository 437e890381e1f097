import { expect, test } from "vitest";
import { Balance } from "../../../../src/engine/mesh/balance.ts";
import { clusterOf, rulesFor, type Cluster } from "../../../../src/engine/mesh/destination-rule.ts";
import type { MeshFacts } from "../../../../src/engine/mesh/mesh-facts.ts";
import { facts, peers, rules, workload } from "./mesh-world.ts";

function web(mesh: MeshFacts, subset?: string): Cluster | undefined {
  const [service] = mesh.services;
  const [port] = service?.ports ?? [];
  if (service === undefined || port === undefined) throw new Error("no Service");
  return clusterOf(mesh, { service, port, subset }, "shop");
}
const mutual = (mesh: MeshFacts): boolean[] => web(mesh)?.endpoints.map(({ isMutual }) => isMutual) ?? [];

test("speaks TLS with whom has a sidecar that takes it", () => {
  const [v1, v2, client] = facts().workloads;
  expect(mutual(facts())).toEqual([true, true]);
  const outside = workload("v2", v2?.addresses[0] ?? "", {}, { hasSidecar: false });
  expect(mutual(facts({ workloads: [v1, outside, client].filter((each) => each !== undefined) }))).toEqual([
    true,
    false,
  ]);
  const disabled = peers("shop", { selector: { matchLabels: { version: "v1" } }, mtls: { mode: "DISABLE" } });
  expect(mutual(facts({ peerAuthentications: [disabled] }))).toEqual([false, true]);
});

test("a rule says how, for the host, a subset or a port", () => {
  expect(mutual(facts({ destinationRules: [rules({ tls: { mode: "DISABLE" } })] }))).toEqual([false, false]);
  const ofPort = rules({
    tls: { mode: "DISABLE" },
    portLevelSettings: [{ port: { number: 80 }, tls: { mode: "ISTIO_MUTUAL" } }],
  });
  expect(mutual(facts({ destinationRules: [ofPort] }))).toEqual([true, true]);
});

test("the client's namespace's rule goes before the Service's and the root's, the exact host before a wildcard", () => {
  const [service] = facts().services;
  if (service === undefined) throw new Error("no Service");
  const wide = rules({}, [], "*.shop.svc.cluster.local", "shop");
  const exact = rules({}, [], "web", "shop");
  const root = rules({}, [], "*.local", "istio-system");
  const far = rules({}, [], "web.shop.svc.cluster.local", "far");
  expect(rulesFor(facts({ destinationRules: [root, wide, exact, far] }), service, "shop")).toEqual([exact]);
  expect(rulesFor(facts({ destinationRules: [root, wide, exact, far] }), service, "far")).toEqual([far]);
  expect(rulesFor(facts({ destinationRules: [root] }), service, "far")).toEqual([root]);
});

test("subsets are pods with labels, and named in the cluster", () => {
  const mesh = facts({ destinationRules: [rules({}, ["v2"])] });
  expect(web(mesh, "v2")).toMatchObject({
    name: "outbound_.80_.v2_.web.shop.svc.cluster.local",
    endpoints: [{ address: "10.0.0.2" }],
  });
  expect(web(mesh, "v9")).toBeUndefined();
});

test("requests are spread as the rule says", () => {
  const spread = (simple: "ROUND_ROBIN" | "LEAST_REQUEST"): Cluster => {
    const cluster = web(facts({ destinationRules: [rules({ loadBalancer: { simple } })] }));
    if (cluster === undefined) throw new Error("no cluster");
    return cluster;
  };
  const turns = new Balance(() => 0);
  const inTurn = spread("ROUND_ROBIN");
  expect([1, 2, 3, 4].map(() => turns.choose(inTurn)?.address)).toEqual([
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.1",
    "10.0.0.2",
  ]);
  // The first of a pair is always v1, the other v2.
  let next = 0;
  const least = new Balance(() => (next++ % 2 === 0 ? 0 : 0.9));
  const cluster = spread("LEAST_REQUEST");
  const first = least.choose(cluster);
  expect(first?.address).toBe("10.0.0.1");
  const end = first && least.begin(cluster, first);
  expect(least.choose(cluster)?.address).toBe("10.0.0.2");
  end?.();
  end?.();
  expect(least.choose(cluster)?.address).toBe("10.0.0.1");
});

test("who was tried is tried again only when there is nobody else", () => {
  const cluster = web(facts());
  const [one, other] = cluster?.endpoints ?? [];
  if (cluster === undefined || one === undefined || other === undefined) throw new Error("no cluster");
  const balance = new Balance(() => 0);
  expect(balance.choose(cluster, [one])).toBe(other);
  expect(balance.choose(cluster, [one, other])).toBe(one);
});
