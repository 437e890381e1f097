import { describe, expect, it } from "vitest";
import type { NetworkPolicy } from "../../../src/kube/types.ts";
import { findClues, type Clue, type Translated } from "../../../src/policy/clues.ts";
import { createOracle } from "../../../src/policy/oracle.ts";
import type { OracleFlow, OracleWorld } from "../../../src/policy/types.ts";

type Spec = NetworkPolicy["spec"];

const policy = (name: string, spec: Spec, namespace = "shop"): NetworkPolicy => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { namespace, name },
  spec,
});
const labels = (matchLabels: Record<string, string>) => ({ matchLabels });
const deny = policy("deny", { podSelector: {}, policyTypes: ["Ingress"] });

function worldOf(...policies: NetworkPolicy[]): OracleWorld {
  const pod = (namespace: string, name: string, at: number) => ({
    namespace,
    name,
    labels: { app: name },
    addresses: [`10.0.0.${at}`],
    ports: name === "db" ? [{ name: "pg", containerPort: 5432, protocol: "TCP" as const }] : [],
  });
  return {
    namespaces: [
      { name: "shop", labels: { team: "shop" } },
      { name: "ops", labels: { team: "ops" } },
    ],
    pods: [pod("shop", "web", 1), pod("shop", "db", 2), pod("ops", "probe", 3)],
    policies: policies.map((each) => ({ policy: each })),
  };
}

const web = { kind: "pod" as const, namespace: "shop", name: "web" };
const db = { kind: "pod" as const, namespace: "shop", name: "db" };
const probe = { kind: "pod" as const, namespace: "ops", name: "probe" };
const toDb: OracleFlow = { from: web, to: db, port: 5432, protocol: "TCP" };

function cluesOf(policies: NetworkPolicy[], flow: OracleFlow = toDb, translated?: Translated): Clue[] {
  const world = worldOf(...policies);
  return findClues(world, createOracle(world).verdict(flow), translated);
}

const allow = (spec: Partial<Spec>, name = "allow", namespace = "shop"): NetworkPolicy =>
  policy(name, { podSelector: labels({ app: "db" }), ...spec }, namespace);
const fromWeb = { from: [{ podSelector: labels({ app: "web" }) }] };

describe("a rule that would allow but for one condition", () => {
  it.each<[string, NetworkPolicy[], OracleFlow, string]>([
    [
      "pod-label",
      [allow({ ingress: [{ from: [{ podSelector: labels({ app: "website" }) }] }] })],
      toDb,
      "shop/web has app=web, the rule asks for app=website",
    ],
    [
      "policy-selector",
      [deny, allow({ podSelector: labels({ app: "database" }), ingress: [fromWeb] })],
      toDb,
      "shop/db has app=db, podSelector of shop/allow asks for app=database",
    ],
    [
      "policy-selector",
      [deny, allow({ podSelector: labels({ apps: "db" }), ingress: [fromWeb] })],
      toDb,
      "has no label apps (but app=db)",
    ],
    [
      "policy-namespace",
      [deny, allow({ ingress: [fromWeb] }, "allow", "default")],
      toDb,
      "default/allow is in namespace default and selects no pod there",
    ],
    [
      "policy-types",
      [deny, allow({ policyTypes: ["Egress"], ingress: [fromWeb] })],
      toDb,
      "policyTypes of shop/allow has no Ingress",
    ],
    [
      "namespace-missing",
      [allow({ ingress: [{ from: [{ podSelector: labels({ app: "probe" }) }] }] })],
      { ...toDb, from: probe },
      "podSelector alone means pods of namespace shop",
    ],
    [
      "namespace-label",
      [allow({ ingress: [{ from: [{ namespaceSelector: labels({ team: "op" }) }] }] })],
      { ...toDb, from: probe },
      "namespace ops has team=ops, namespaceSelector asks for team=op",
    ],
    [
      "namespace-label",
      [
        allow({
          ingress: [{ from: [{ namespaceSelector: labels({ team: "x" }), podSelector: labels({ app: "probe" }) }] }],
        }),
      ],
      { ...toDb, from: probe },
      "as two items of the list either would do",
    ],
    [
      "port-number",
      [allow({ ingress: [{ ...fromWeb, ports: [{ port: 5433 }] }] })],
      toDb,
      "allows 5433/TCP, the flow is to 5432/TCP",
    ],
    [
      "port-protocol",
      [allow({ ingress: [{ ...fromWeb, ports: [{ port: 5432, protocol: "UDP" }] }] })],
      toDb,
      "allows 5432/UDP",
    ],
    [
      "port-name",
      [allow({ ingress: [{ ...fromWeb, ports: [{ port: "postgres" }] }] })],
      toDb,
      "shop/db names its ports pg",
    ],
    [
      "port-name",
      [allow({ ingress: [{ ...fromWeb, ports: [{ port: "pg" }] }] })],
      { ...toDb, port: 5433 },
      "which is 5432/TCP in shop/db",
    ],
    [
      "selector-for-address",
      [allow({ ingress: [fromWeb] })],
      { ...toDb, from: { kind: "address", address: "203.0.113.9" } },
      "203.0.113.9 is none: an ipBlock would pick it",
    ],
    [
      "block-except",
      [allow({ ingress: [{ from: [{ ipBlock: { cidr: "0.0.0.0/0", except: ["10.0.0.0/8"] } }] }] })],
      toDb,
      "except 10.0.0.0/8 takes 10.0.0.1 out of 0.0.0.0/0",
    ],
    [
      "block-for-pod",
      [allow({ ingress: [{ from: [{ ipBlock: { cidr: "10.9.0.0/16" } }] }] })],
      toDb,
      "name pods by selectors",
    ],
  ])("%s", (code, policies, flow, text) => {
    const clues = cluesOf(policies, flow);
    expect(clues).toHaveLength(1);
    expect(clues[0]).toMatchObject({ code, side: "ingress" });
    expect(clues[0]?.text).toContain(text);
  });

  it("knows that policies see the pod's port and address, not the Service's", () => {
    const translated = { service: "shop/db", port: 80, addresses: ["10.96.0.5"] };
    const [port] = cluesOf([allow({ ingress: [{ ...fromWeb, ports: [{ port: 80 }] }] })], toDb, translated);
    expect(port).toMatchObject({ code: "service-port" });
    const egress = policy("out", {
      podSelector: labels({ app: "web" }),
      egress: [{ to: [{ ipBlock: { cidr: "10.96.0.0/12" } }] }],
      policyTypes: ["Egress"],
    });
    const [block] = cluesOf([egress], toDb, translated);
    expect(block).toMatchObject({ code: "block-for-service", side: "egress" });
  });

  it("is silent where two conditions are missing, and where a policy is meant for others", () => {
    const both = allow({ ingress: [{ from: [{ podSelector: labels({ app: "website" }) }], ports: [{ port: 1 }] }] });
    expect(cluesOf([both])).toEqual([]);
    const forWeb = allow({ podSelector: labels({ app: "web" }), ingress: [fromWeb] });
    expect(cluesOf([deny, forWeb])).toEqual([]);
  });
});

describe("what is open", () => {
  it("names the policy that would isolate but for a slip", () => {
    expect(cluesOf([allow({ podSelector: labels({ app: "database" }) })])[0]).toMatchObject({
      code: "policy-selector",
    });
    const forgotten = policy("out", { podSelector: labels({ app: "web" }), policyTypes: ["Ingress"], egress: [] });
    expect(cluesOf([forgotten])[0]).toMatchObject({ code: "policy-types", side: "egress" });
    expect(cluesOf([policy("in", { podSelector: labels({ app: "web" }) })])).toEqual([]);
  });

  it("names two items that were meant as one", () => {
    const split = allow({
      ingress: [{ from: [{ namespaceSelector: labels({ team: "ops" }) }, { podSelector: labels({ app: "web" }) }] }],
    });
    expect(cluesOf([split], { ...toDb, from: probe })[0]).toMatchObject({ code: "split-peer" });
    const joined = allow({
      ingress: [{ from: [{ namespaceSelector: labels({ team: "ops" }), podSelector: labels({ app: "probe" }) }] }],
    });
    expect(cluesOf([joined], { ...toDb, from: probe })).toEqual([]);
  });

  it("names a pod that only its address lets in", () => {
    expect(cluesOf([allow({ ingress: [{ from: [{ ipBlock: { cidr: "10.0.0.0/8" } }] }] })])[0]).toMatchObject({
      code: "block-for-pod",
    });
  });

  it("names it in the family of the flow, on a cluster with both", () => {
    const world = worldOf(allow({ ingress: [{ from: [{ ipBlock: { cidr: "fd00::/16" } }] }] }));
    const pods = world.pods.map((pod, index) => ({ ...pod, addresses: [...pod.addresses, `fd00::${index + 1}`] }));
    const dual = { ...world, pods };
    const clues = (family: 4 | 6): string[] =>
      findClues(dual, createOracle(dual).verdict({ ...toDb, family })).map(({ text }) => text);
    expect(clues(6)).toEqual([expect.stringContaining("only an ipBlock lets shop/web pass")]);
    expect(clues(4)).not.toContainEqual(expect.stringContaining("only an ipBlock"));
  });
});

it("says that an isolated source cannot look up names", () => {
  const out = (...egress: NonNullable<Spec["egress"]>): NetworkPolicy =>
    policy("out", { podSelector: labels({ app: "web" }), policyTypes: ["Egress"], egress });
  const toDbOnly = { to: [{ podSelector: labels({ app: "db" }) }] };
  expect(cluesOf([out(toDbOnly)])).toMatchObject([{ code: "dns-egress" }]);
  expect(cluesOf([out(toDbOnly, { ports: [{ port: 53, protocol: "UDP" }] })])).toEqual([]);
  expect(cluesOf([out(toDbOnly)], { ...toDb, to: { kind: "address", address: "203.0.113.9" } })).not.toContainEqual(
    expect.objectContaining({ code: "dns-egress" }),
  );
});
