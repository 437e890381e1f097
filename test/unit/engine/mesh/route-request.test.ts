import { describe, expect, test } from "vitest";
import { headlessAt, pinned, planRequest, type RequestPlan } from "../../../../src/engine/mesh/route-request.ts";
import { clusterOf } from "../../../../src/engine/mesh/destination-rule.ts";
import { weightedChoice } from "../../../../src/engine/mesh/choose.ts";
import type { MeshFacts } from "../../../../src/engine/mesh/mesh-facts.ts";
import type { HttpRoute } from "../../../../src/kube/mesh/mesh-types.ts";
import { facts, port, routes, rules, service, v1, v2 } from "./mesh-world.ts";

const toWeb = { destination: { host: "web" } };
const toSubset = (subset: string, weight?: number): object => ({
  destination: { host: "web", subset },
  ...(weight === undefined ? {} : { weight }),
});

function plan(
  mesh: MeshFacts,
  asked: { host?: string; path?: string; headers?: Record<string, string>; random?: number } = {},
): RequestPlan {
  const { host = "web", path = "/", headers = {}, random = 0 } = asked;
  const outgoing = {
    facts: mesh,
    client: mesh.workloads.find(({ name }) => name === "client"),
    clientNamespace: "shop",
    original: { address: "10.96.0.1", port: 80 },
    random: () => random,
  };
  const [plain = "", query = ""] = path.split("?");
  const request = {
    method: "GET",
    path: plain,
    query: new URLSearchParams(query),
    scheme: "http",
    authority: host,
    headers,
    port: 80,
  };
  return planRequest(outgoing, request, path);
}

const addresses = (found: RequestPlan): string[] =>
  found.kind === "forward" ? found.cluster.endpoints.map(({ address }) => address) : [`${found.status} ${found.flag}`];
const withRoute = (...http: HttpRoute[]): MeshFacts =>
  facts({ virtualServices: [routes(http)], destinationRules: [rules({}, ["v1", "v2", "v3"])] });

describe("without routes", () => {
  test.each(["web", "web.shop", "WEB.shop.svc", "web.shop.svc.cluster.local", "web:80", "10.96.0.1"])(
    "%s is the Service",
    (host) => expect(addresses(plan(facts(), { host }))).toEqual([v1.address, v2.address]),
  );
  test("an unknown host goes where its connection went, in plaintext", () => {
    const found = plan(facts(), { host: "web.example" });
    expect(found).toMatchObject({ kind: "forward", cluster: { name: "PassthroughCluster" } });
    expect(addresses(found)).toEqual(["10.96.0.1"]);
  });
  test("a Service without endpoints is a 503", () => {
    const empty = facts({ services: [service("web", "10.96.0.1", [port(80, [])])] });
    expect(plan(empty)).toMatchObject({ status: 503, body: "no healthy upstream", flag: "UH" });
  });
  test("tries again where nothing was sent, twice", () => {
    expect(plan(facts())).toMatchObject({ retries: { attempts: 2 } });
  });
});

describe("matches", () => {
  test.each([
    [{ uri: { exact: "/a" } }, { path: "/a?x=1" }, true],
    [{ uri: { exact: "/a" } }, { path: "/A" }, false],
    [{ uri: { exact: "/a" }, ignoreUriCase: true }, { path: "/A" }, true],
    [{ uri: { prefix: "/a" } }, { path: "/ab" }, true],
    [{ uri: { regex: "/a[0-9]+" } }, { path: "/a12" }, true],
    [{ uri: { regex: "/a[0-9]+" } }, { path: "/a12/b" }, false],
    [{ headers: { "X-Who": { exact: "me" } } }, { headers: { "x-who": "me" } }, true],
    [{ headers: { "x-who": {} } }, { headers: { "x-who": "anyone" } }, true],
    [{ headers: { "x-who": {} } }, {}, false],
    [{ withoutHeaders: { "x-who": {} } }, { headers: { "x-who": "me" } }, false],
    [{ queryParams: { v: { exact: "2" } } }, { path: "/?v=2" }, true],
    [{ method: { exact: "POST" } }, {}, false],
    [{ authority: { prefix: "web" } }, {}, true],
    [{ port: 81 }, {}, false],
    [{ sourceLabels: { app: "client" } }, {}, true],
    [{ sourceLabels: { app: "other" } }, {}, false],
    [{ sourceNamespace: "shop", uri: { prefix: "/" } }, {}, true],
    [{ gateways: ["istio-ingress/gateway"] }, {}, false],
  ])("%j of %j: %s", (match, asked, isMet) => {
    const mesh = withRoute({ match: [match], route: [toWeb] });
    expect(plan(mesh, asked)).toMatchObject(isMet ? { kind: "forward" } : { status: 404, flag: "NR" });
  });
  test("the first route that matches counts", () => {
    const mesh = withRoute(
      { match: [{ uri: { prefix: "/a" } }], route: [toSubset("v2")] as never },
      { route: [toSubset("v1")] as never },
    );
    expect(addresses(plan(mesh, { path: "/a" }))).toEqual([v2.address]);
    expect(addresses(plan(mesh))).toEqual([v1.address]);
  });
  test("a VirtualService of a gateway alone is not for sidecars", () => {
    const mesh = facts({ virtualServices: [routes([{ redirect: {} }], ["web"], { gateways: ["edge"] })] });
    expect(plan(mesh)).toMatchObject({ kind: "forward" });
  });
});

describe("destinations", () => {
  test("weights choose", () => {
    const mesh = withRoute({ route: [toSubset("v1", 80), toSubset("v2", 20)] as never });
    expect(addresses(plan(mesh, { random: 0.79 }))).toEqual([v1.address]);
    expect(addresses(plan(mesh, { random: 0.81 }))).toEqual([v2.address]);
  });
  test("a weight of 0 is never chosen", () => {
    const things = [{ weight: 0 }, { weight: 5 }, { weight: 0 }];
    for (const random of [0, 0.5, 0.999_999]) expect(weightedChoice(things, () => random)).toBe(things[1]);
  });
  test.each([
    ["a subset that no pod has", "v3", 503, "UH"],
    ["a subset that no rule has", "v4", 503, "NC"],
  ])("%s", (_name, subset, status, flag) => {
    expect(plan(withRoute({ route: [toSubset(subset)] as never }))).toMatchObject({ status, flag });
  });
  test("a Service that is not there", () => {
    expect(plan(withRoute({ route: [{ destination: { host: "nobody" } }] }))).toMatchObject({
      status: 503,
      flag: "NC",
    });
  });
});

describe("what else routes do", () => {
  test("rewrites a prefix and keeps the query", () => {
    const rewrite: HttpRoute = {
      match: [{ uri: { prefix: "/old/" } }],
      rewrite: { uri: "/", authority: "x" },
      route: [toWeb],
    };
    expect(plan(withRoute(rewrite), { path: "/old/a?b=c" })).toMatchObject({ target: "/a?b=c", authority: "x" });
  });
  test("redirects", () => {
    const redirect: HttpRoute = { redirect: { uri: "/new", authority: "shop.example", redirectCode: 302 } };
    expect(plan(withRoute(redirect))).toMatchObject({ status: 302, headers: { location: "http://shop.example/new" } });
  });
  test("answers itself", () => {
    const direct: HttpRoute = { directResponse: { status: 200, body: { string: "hi" } } };
    expect(plan(withRoute(direct))).toMatchObject({ kind: "reply", status: 200, body: "hi" });
  });
  test("fails and delays on purpose, as often as it says", () => {
    const fault: HttpRoute = {
      fault: { abort: { httpStatus: 503, percentage: { value: 50 } }, delay: { fixedDelay: "2s" } },
      route: [toWeb],
    };
    expect(plan(withRoute(fault), { random: 0.4 })).toMatchObject({
      status: 503,
      body: "fault filter abort",
      delayMs: 2000,
    });
    expect(plan(withRoute(fault), { random: 0.6 })).toMatchObject({ kind: "forward", delayMs: 2000 });
  });
  test("times and tries are what the route says", () => {
    const retries = { attempts: 3, perTryTimeout: "200ms", retryOn: "5xx, reset" };
    expect(plan(withRoute({ route: [toWeb], timeout: "1s", retries }))).toMatchObject({
      timeoutMs: 1000,
      retries: { attempts: 3, perTryTimeoutMs: 200, on: ["5xx", "reset"] },
    });
    expect(plan(withRoute({ route: [toWeb], timeout: "0s" }))).not.toHaveProperty("timeoutMs");
  });
});

test("a headless Service's client has chosen the endpoint", () => {
  const headless = service("db", "", [port(5432, [v1, v2], "tcp")]);
  const mesh = facts({ services: [headless] });
  const original = { address: v2.address, port: 5432 };
  const found = headlessAt(mesh, original);
  expect(found?.service).toBe(headless);
  const cluster = found && pinned(clusterOf(mesh, found, "shop"), found.service, original);
  expect(cluster?.endpoints).toEqual([{ ...v2, isMutual: true }]);
});
