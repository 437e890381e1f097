import { describe, expect, test } from "vitest";
import { authorize, type Access } from "../../../../src/engine/mesh/authorization.ts";
import type { AuthorizationPolicy, AuthorizationRule } from "../../../../src/kube/mesh/mesh-types.ts";
import { policy, workload } from "./mesh-world.ts";

const web = workload("web", "10.0.0.1", { app: "web" });
const access: Access = {
  identity: { namespace: "shop", serviceAccount: "shopper" },
  sourceAddress: "10.0.0.9",
  destinationAddress: "10.0.0.1",
  port: 8080,
  sni: "outbound_.80_._.web.shop.svc.cluster.local",
  http: { method: "GET", path: "/api/items", host: "web.shop", headers: { "x-team": "blue" } },
};
const { http: _http, ...tcp } = access;
const { identity: _identity, ...nobody } = access;
const isAllowed = (policies: AuthorizationPolicy[], asked: Access = access): boolean =>
  authorize(policies, web, asked).isAllowed;
const allow = (...rules: AuthorizationRule[]): AuthorizationPolicy => policy({ rules });
const deny = (...rules: AuthorizationRule[]): AuthorizationPolicy => policy({ action: "DENY", rules });
const source = (fields: object): AuthorizationRule => ({ from: [{ source: fields }] });
const operation = (fields: object): AuthorizationRule => ({ to: [{ operation: fields }] });

describe("order", () => {
  test("without a policy everything is let in", () => expect(isAllowed([])).toBe(true));
  test("an ALLOW policy without rules lets nothing in", () => expect(isAllowed([policy({})])).toBe(false));
  test("an empty rule matches everything", () => expect(isAllowed([allow({})])).toBe(true));
  test("with an ALLOW policy what matches none is refused", () =>
    expect(isAllowed([allow(source({ namespaces: ["other"] }))])).toBe(false));
  test("DENY counts before ALLOW, and says which it was", () => {
    expect(authorize([allow({}), deny(operation({ ports: ["8080"] }))], web, access)).toEqual({
      isAllowed: false,
      policy: "shop/DENY",
    });
  });
  test("DENY alone leaves what it does not match", () =>
    expect(isAllowed([deny(source({ namespaces: ["x"] }))])).toBe(true));
});

describe("whom it is about", () => {
  test("the root namespace's is about every namespace", () =>
    expect(isAllowed([policy({}, "istio-system")])).toBe(false));
  test("another namespace's is not about it", () => expect(isAllowed([policy({}, "other")])).toBe(true));
  test("a selector chooses pods", () => {
    expect(isAllowed([policy({ selector: { matchLabels: { app: "db" } } })])).toBe(true);
    expect(isAllowed([policy({ selector: { matchLabels: { app: "web" } } })])).toBe(false);
  });
});

test.each([
  [source({ principals: ["cluster.local/ns/shop/sa/shopper"] }), true],
  [source({ principals: ["cluster.local/ns/shop/*"] }), true],
  [source({ principals: ["*/sa/shopper"] }), true],
  [source({ principals: ["*"] }), true],
  [source({ principals: ["cluster.local/ns/shop/sa/other"] }), false],
  [source({ notPrincipals: ["*/sa/shopper"] }), false],
  [source({ namespaces: ["shop"], notPrincipals: ["*/sa/other"] }), true],
  [source({ notNamespaces: ["shop"] }), false],
  [source({ serviceAccounts: ["shopper"] }), true],
  [source({ serviceAccounts: ["other/shopper"] }), false],
  [source({ ipBlocks: ["10.0.0.0/24"] }), true],
  [source({ ipBlocks: ["10.0.0.9"] }), true],
  [source({ notIpBlocks: ["10.0.0.0/24"] }), false],
  [operation({ methods: ["GET"], paths: ["/api/*"] }), true],
  [operation({ methods: ["POST"] }), false],
  [operation({ paths: ["/api"] }), false],
  [operation({ notPaths: ["*/items"] }), false],
  [operation({ hosts: ["WEB.shop"] }), true],
  [operation({ ports: ["80"] }), false],
  [{ from: [{ source: { namespaces: ["x"] } }, { source: { namespaces: ["shop"] } }] }, true],
  [{ ...source({ namespaces: ["shop"] }), ...operation({ methods: ["POST"] }) }, false],
  [{ when: [{ key: "request.headers[X-Team]", values: ["blue"] }] }, true],
  [{ when: [{ key: "request.headers[x-team]", notValues: ["blue"] }] }, false],
  [{ when: [{ key: "source.ip", values: ["10.0.0.0/8"] }] }, true],
  [{ when: [{ key: "source.namespace", values: ["shop"] }] }, true],
  [{ when: [{ key: "source.principal", values: ["*/shopper"] }] }, true],
  [{ when: [{ key: "source.serviceAccount", values: ["shop/shopper"] }] }, true],
  [{ when: [{ key: "destination.port", values: ["80"] }] }, false],
  [{ when: [{ key: "destination.ip", values: ["10.0.0.1"] }] }, true],
  [{ when: [{ key: "connection.sni", values: ["outbound_*"] }] }, true],
] as [AuthorizationRule, boolean][])("%j is met: %s", (rule, isMet) => {
  expect(isAllowed([allow(rule)])).toBe(isMet);
  expect(isAllowed([deny(rule)])).toBe(!isMet);
});

test("a client without a certificate is nobody", () => {
  expect(isAllowed([allow(source({ principals: ["*"] }))], nobody)).toBe(false);
  expect(isAllowed([allow(source({ notPrincipals: ["*"] }))], nobody)).toBe(true);
  expect(isAllowed([allow(source({ ipBlocks: ["10.0.0.9"] }))], nobody)).toBe(true);
});

test("of a connection that is not HTTP, ALLOW meets no HTTP field, and DENY leaves it out", () => {
  expect(isAllowed([allow(operation({ methods: ["GET"] }))], tcp)).toBe(false);
  expect(isAllowed([deny(operation({ methods: ["GET"], ports: ["8080"] }))], tcp)).toBe(false);
  expect(isAllowed([deny(operation({ methods: ["GET"], ports: ["80"] }))], tcp)).toBe(true);
});
