import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LabError } from "../../../src/core/errors.ts";
import { formatEndpointRef, matchPodPattern, parseEndpointRef, parsePodPattern } from "../../../src/lab/refs.ts";

describe("references", () => {
  test.each([
    ["external", { kind: "external" }],
    ["10.0.0.1", { kind: "address", address: "10.0.0.1" }],
    ["fd00::1", { kind: "address", address: "fd00::1" }],
    ["node/worker1", { kind: "node", name: "worker1" }],
    ["shop/web-0", { kind: "pod", namespace: "shop", name: "web-0" }],
    ["shop/pod/web-0", { kind: "pod", namespace: "shop", name: "web-0" }],
    ["shop/deployment/web", { kind: "workload", workload: "deployment", namespace: "shop", name: "web" }],
    ["shop/ds/agent", { kind: "workload", workload: "daemonset", namespace: "shop", name: "agent" }],
    ["shop/svc/db", { kind: "service", namespace: "shop", name: "db" }],
    ["db.shop.svc.cluster.local", { kind: "host", host: "db.shop.svc.cluster.local" }],
    ["web.", { kind: "host", host: "web." }],
    ["node/deployment/web", { kind: "workload", workload: "deployment", namespace: "node", name: "web" }],
  ])("%s", (text, ref) => {
    expect(parseEndpointRef(text)).toEqual(ref);
  });

  test.each([
    "",
    "/",
    "shop/",
    "/web",
    "shop//web",
    "shop/thing/web",
    "shop/pod/web/1",
    "Shop/web",
    "shop/$(x)",
    "shop/we b",
    "a b",
    "10.0.0.256",
    "pod",
    "node",
    "shop/constructor/x",
    "../x",
    "http://web",
  ])("%j is refused", (text) => {
    expect(() => parseEndpointRef(text)).toThrow(LabError);
  });

  test("what is written canonically reads back", () => {
    const name = fc.stringMatching(/^[a-z]([a-z0-9-]{0,10}[a-z0-9])?$/);
    const ref = fc.oneof(
      fc.record({ kind: fc.constant("pod" as const), namespace: name.filter((text) => text !== "node"), name }),
      fc.record({ kind: fc.constant("service" as const), namespace: name, name }),
      fc.record({
        kind: fc.constant("workload" as const),
        workload: fc.constantFrom("deployment", "replicaset", "statefulset", "daemonset"),
        namespace: name,
        name,
      }),
      fc.record({ kind: fc.constant("node" as const), name }),
      fc.constant({ kind: "external" as const }),
    );
    fc.assert(
      fc.property(ref, (one) => {
        expect(parseEndpointRef(formatEndpointRef(one))).toEqual(one);
      }),
    );
  });
});

describe("pod patterns", () => {
  test.each([
    ["shop/*", "shop", "web-1", true],
    ["shop/*", "shopping", "web-1", false],
    ["*/*", "any", "pod", true],
    ["shop/web-*", "shop", "web-", true],
    ["shop/web-*", "shop", "we", false],
    ["shop/*-1", "shop", "web-1-1", true],
    ["s*p/a*b*c", "shop", "a-b-b-c", true],
    ["s*p/a*b*c", "shop", "a-c-b", false],
    ["shop/web", "shop", "web", true],
    ["shop/we.", "shop", "web", false],
  ])("%s on %s/%s: %s", (pattern, namespace, name, matches) => {
    expect(matchPodPattern(pattern, { namespace, name })).toBe(matches);
  });

  test.each(["shop", "shop/", "/x", "a/b/c", "shop/[ab]", "Shop/*", ""])("%j is refused", (text) => {
    expect(() => parsePodPattern(text)).toThrow(LabError);
  });

  test("many stars do not take long", () => {
    const started = performance.now();
    expect(matchPodPattern(`a/${"*a".repeat(100)}b`, { namespace: "a", name: "a".repeat(250) })).toBe(false);
    expect(performance.now() - started).toBeLessThan(500);
  });
});
