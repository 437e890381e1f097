import { describe, expect, it } from "vitest";
import type { AdminPeer, AdminPolicy, AdminRule } from "../../../src/kube/admin-policy-types.ts";
import { findClues } from "../../../src/policy/clues.ts";
import { createOracle } from "../../../src/policy/oracle.ts";
import type { OracleEnd, OraclePod, OracleWorld } from "../../../src/policy/types.ts";
import { adminPolicy, baselinePolicy } from "./arbitrary-admin.ts";

const pod = (name: string, address: string): OraclePod => ({
  namespace: "shop",
  name,
  labels: { app: name },
  addresses: [address],
  ports: [{ name: "http", containerPort: 80, protocol: "TCP" }],
});
const at = (name: string): OracleEnd => ({ kind: "pod", namespace: "shop", name });
const everyone = { namespaces: {} };
const fromApp = (app: string): AdminPeer[] => [
  { pods: { namespaceSelector: {}, podSelector: { matchLabels: { app } } } },
];
const ingress = (action: AdminRule["action"], more: Partial<AdminRule> = {}): AdminRule => ({
  action,
  from: [everyone],
  ...more,
});
const policyOf = (priority: number, ...rules: AdminRule[]): AdminPolicy =>
  adminPolicy(`p${priority}`, { priority, subject: everyone, ingress: rules });

/** Near misses of the flow from web to port 80 of db. */
function cluesOf(...policies: AdminPolicy[]): string[] {
  const world: OracleWorld = {
    namespaces: [
      { name: "ops", labels: { team: "ops" } },
      { name: "shop", labels: { team: "shop" } },
    ],
    pods: [pod("web", "10.0.0.1"), pod("db", "10.0.0.2")],
    policies: [],
    adminPolicies: policies.map((policy) => ({ policy })),
  };
  const verdict = createOracle(world).verdict({ from: at("web"), to: at("db"), port: 80, protocol: "TCP" });
  expect(verdict.allowed).toBe(false);
  return findClues(world, verdict).map(({ code, text }) => `${code}: ${text}`);
}

describe("near misses of a flow that a cluster-wide policy denied", () => {
  const near = ingress("Allow", { from: fromApp("wbe") });
  const nearClue = (place: string): string =>
    `pod-label: AdminNetworkPolicy/${place}: shop/web has app=web, the rule asks for app=wbe`;

  it("stand before the rule that denied, in its policy and in those before", () => {
    const far = ingress("Allow", { from: fromApp("other"), ports: [{ portNumber: { port: 81 } }] });
    expect(cluesOf(policyOf(1, far), policyOf(2, far, near, ingress("Deny")))).toEqual([nearClue("p2 ingress rule 2")]);
    expect(cluesOf(policyOf(1, far, near), policyOf(2, ingress("Deny")))).toEqual([nearClue("p1 ingress rule 2")]);
    expect(cluesOf(policyOf(1, ingress("Deny"), near), policyOf(2, near))).toEqual([]);
  });

  it("are none of rules that would deny as well, or that are two conditions away", () => {
    expect(cluesOf(policyOf(1, ingress("Deny", { from: fromApp("wbe") }), ingress("Deny")))).toEqual([]);
    const twoAway = ingress("Allow", { from: fromApp("wbe"), ports: [{ portNumber: { port: 81 } }] });
    expect(cluesOf(policyOf(1, twoAway, ingress("Deny")))).toEqual([]);
  });

  it("are of the tier of the rule that denied", () => {
    const baseline = baselinePolicy({ subject: everyone, ingress: [ingress("Deny")] });
    expect(cluesOf(policyOf(1, near), baseline)).toEqual([]);
    const nearer = baselinePolicy({ subject: everyone, ingress: [near, ingress("Deny")] });
    expect(cluesOf(policyOf(1, near), nearer)).toEqual([
      "pod-label: BaselineAdminNetworkPolicy/default ingress rule 1: shop/web has app=web, the rule asks for app=wbe",
    ]);
  });

  it("say what the rule does", () => {
    const ports = [{ portNumber: { port: 81 } }];
    expect(cluesOf(policyOf(1, ingress("Allow", { ports }), ingress("Deny")))).toEqual([
      "port-number: AdminNetworkPolicy/p1 ingress rule 1: allows 81/TCP, the flow is to 80/TCP",
    ]);
    expect(cluesOf(policyOf(1, ingress("Pass", { ports }), ingress("Deny")))).toEqual([
      "port-number: AdminNetworkPolicy/p1 ingress rule 1: passes on 81/TCP, the flow is to 80/TCP",
    ]);
  });

  it("look up a port's name in the destination, in both directions", () => {
    const ports = [{ namedPort: "https" }];
    const clue = (direction: string): string =>
      expect.stringMatching(
        new RegExp(`^port-name: AdminNetworkPolicy/p1 ${direction} rule 1: .*https.*shop/db`),
      ) as string;
    expect(cluesOf(policyOf(1, ingress("Allow", { ports }), ingress("Deny")))).toEqual([clue("ingress")]);
    const egress: AdminRule[] = [
      { action: "Allow", to: [everyone], ports },
      { action: "Deny", to: [everyone] },
    ];
    expect(cluesOf(adminPolicy("p1", { priority: 1, subject: everyone, egress }))).toEqual([clue("egress")]);
  });

  it("name a label of the subject's pod or namespace, by which the policy would have counted", () => {
    const selecting = (team: string, app: string): AdminPolicy =>
      adminPolicy("p0", {
        priority: 0,
        subject: { pods: { namespaceSelector: { matchLabels: { team } }, podSelector: { matchLabels: { app } } } },
        ingress: [ingress("Allow")],
      });
    const deny = policyOf(1, ingress("Deny"));
    expect(cluesOf(selecting("shap", "db"), deny)).toEqual([
      "namespace-label: AdminNetworkPolicy/p0 ingress rule 1: namespace shop has team=shop, the subject asks for team=shap",
    ]);
    expect(cluesOf(selecting("shop", "bd"), deny)).toEqual([
      "policy-selector: AdminNetworkPolicy/p0 ingress rule 1: shop/db has app=db, the subject asks for app=bd",
    ]);
    expect(cluesOf(selecting("shap", "bd"), deny)).toEqual([]);
  });
});
