import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { applyFilters } from "../../../../src/engine/traefik/apply-filters.ts";
import { matchRule } from "../../../../src/engine/traefik/gateway/match-rule.ts";
import { TraefikProxy } from "../../../../src/engine/traefik/proxy.ts";
import type { Filter, Router, WeightedService } from "../../../../src/engine/traefik/types.ts";
import type { RouteMatch } from "../../../../src/kube/gateway/gateway-types.ts";
import { statics } from "./objects.ts";
import { ask, RunningProxy } from "./running-proxy.ts";

describe("a request through filters", () => {
  const through = (target: string, ...filters: Filter[]) =>
    applyFilters(filters, { target, host: "shop.example:8080", headers: new Map([["X-Old", ["1"]]]) });

  it.each<[what: string, filter: Omit<Filter & { kind: "redirect" }, "kind" | "status">, location: string]>([
    ["nothing", {}, "//shop.example:8080/a/b?x=1"],
    ["a scheme", { scheme: "https", port: "" }, "https://shop.example/a/b?x=1"],
    ["a name and a port", { hostname: "b.example", port: "81" }, "//b.example:81/a/b?x=1"],
    ["a path", { path: { path: "/new path" } }, "//shop.example:8080/new%20path?x=1"],
    ["a prefix", { path: { path: "/new", prefix: "/a" } }, "//shop.example:8080/new/b?x=1"],
    ["no prefix", { path: { path: "/", prefix: "/a" } }, "//shop.example:8080/b?x=1"],
  ])("is sent elsewhere with %s of its own", (_what, filter, location) => {
    expect(through("/a/b?x=1", { kind: "redirect", status: 301, ...filter }).redirect).toEqual({
      status: 301,
      location,
    });
  });

  it("keeps the slash at its end when the prefix is replaced, and its escapes when nothing is", () => {
    const prefix: Filter = { kind: "rewrite", path: { path: "/", prefix: "/api" } };
    expect(through("/api/", prefix).target).toBe("/");
    expect(through("/api/v%20/?q=%2F", prefix).target).toBe("/v%20/?q=%2F");
    expect(through("/a%2Fb", { kind: "rewrite", hostname: "b" })).toMatchObject({ target: "/a%2Fb", host: "b" });
  });

  it("has headers set, added and taken away", () => {
    const change = { set: [["x-new", "2"]], add: [["X-Old", "3"]], remove: ["x-new"] } as const;
    const { headers } = through("/", {
      kind: "request-headers",
      change: { set: [...change.set].map(([a, b]) => [a, b]), add: [["x-old", "3"]], remove: [...change.remove] },
    });
    expect([...headers]).toEqual([["X-Old", ["1", "3"]]]);
  });
});

describe("a running proxy", () => {
  let running: RunningProxy;
  const proxies: TraefikProxy[] = [];

  beforeEach(async () => {
    running = await new RunningProxy().start();
  });
  afterEach(() => {
    running.close();
    for (const proxy of proxies.splice(0)) proxy.close();
  });

  /** The port of a proxy that routes all that matches to these shares: the index of who answered is the body. */
  async function routed(
    children: WeightedService[],
    { match = {}, filters = [] }: { match?: RouteMatch; filters?: Filter[] } = {},
  ): Promise<number> {
    const services: Record<string, { servers: Router[] & never[]; passHostHeader: boolean }> = {};
    const named = await Promise.all(
      children.map(async (child, index) => {
        if (child.status !== undefined) return child;
        const port = await running.serve((request, response) => {
          response.setHeader("x-seen", String(request.headers["x-new"] ?? ""));
          response.end(`${index} ${request.url ?? ""} ${request.headers.host ?? ""}`);
        });
        const server = { scheme: "http", address: "127.0.0.1", port, isFenced: false };
        Object.assign(services, { [`s${index}`]: { servers: [server], passHostHeader: true } });
        return { ...child, service: `s${index}` };
      }),
    );
    const { connect } = await import("node:net");
    const proxy = new TraefikProxy({
      statics: { ...statics, gatewayProvider: {} },
      hostname: "traefik-1",
      connect: (host, port) => connect({ host, port }),
      log: () => undefined,
    });
    proxies.push(proxy);
    const made = matchRule(["shop.example"], match);
    const router: Router = {
      name: "r@kubernetesgateway",
      rule: made.rule,
      priority: made.priority,
      entryPoints: ["http"],
      middlewares: [],
      isTls: false,
      service: "w",
      filters,
    };
    const gateway = { routers: [router], services, weighted: { w: named }, certificates: [], errors: [] };
    proxy.route({ routers: [], services: {}, certificates: [], errors: [], gateway });
    return running.listen(proxy.server("http"));
  }

  const host = { host: "shop.example" };

  it("gives nine of ten requests to the weight of nine, and none to that of 0", async () => {
    const port = await routed([{ weight: 9 }, { weight: 1 }, { weight: 0 }]);
    const counts = [0, 0, 0];
    for (let sent = 0; sent < 40; sent++) {
      const { body } = await ask(port, { headers: host });
      counts[Number(body[0])] = (counts[Number(body[0])] ?? 0) + 1;
    }
    expect(counts).toEqual([36, 4, 0]);
  });

  it("answers the share of what cannot be resolved with 500, and with 503 where nobody has a weight", async () => {
    const half = await routed([{ weight: 1 }, { weight: 1, status: 500 }]);
    const statuses = [await ask(half, { headers: host }), await ask(half, { headers: host })].map(
      ({ status }) => status,
    );
    expect(statuses.toSorted((one, other) => one - other)).toEqual([200, 500]);
    expect(await ask(await routed([{ weight: 0 }]), { headers: host })).toMatchObject({
      status: 503,
      body: "no available server\n",
    });
  });

  it.each<[what: string, match: RouteMatch, options: object, status: number]>([
    ["the path itself", { path: { value: "/api" } }, { path: "/api" }, 200],
    ["what is below it", { path: { value: "/api" } }, { path: "/api/x" }, 200],
    ["no other path element", { path: { value: "/api" } }, { path: "/apiary" }, 404],
    ["a header", { headers: [{ name: "X-Beta", value: "yes" }] }, { headers: { ...host, "x-beta": "yes" } }, 200],
    ["no other value", { headers: [{ name: "X-Beta", value: "yes" }] }, { headers: { ...host, "x-beta": "no" } }, 404],
    ["a parameter", { queryParams: [{ name: "v", value: "2" }] }, { path: "/?v=1&v=2" }, 200],
    ["not without it", { queryParams: [{ name: "v", value: "2" }] }, { path: "/" }, 404],
    ["its method", { method: "POST" }, { method: "POST" }, 200],
    ["no other", { method: "POST" }, {}, 404],
    ["no other host", {}, { headers: { host: "other.example" } }, 404],
    [
      "what Traefik says of the client, not the client",
      { headers: [{ name: "x-forwarded-proto", value: "https" }] },
      { headers: { ...host, "x-forwarded-proto": "https" } },
      404,
    ],
  ])("serves %s", async (_what, match, options, status) => {
    const port = await routed([{ weight: 1 }], { match });
    expect((await ask(port, { headers: host, ...options })).status).toBe(status);
  });

  it("rewrites path and host, and changes headers of requests and of all answers", async () => {
    const change = { set: [], add: [], remove: [] };
    const filters: Filter[] = [
      { kind: "request-headers", change: { ...change, set: [["X-New", "1"]] } },
      { kind: "response-headers", change: { ...change, set: [["X-Said", "2"]], remove: ["Date"] } },
      { kind: "rewrite", hostname: "in.example", path: { path: "/", prefix: "/api" } },
    ];
    const port = await routed([{ weight: 1 }, { weight: 1, status: 500 }], { filters });
    const answers = [
      await ask(port, { path: "/api/a", headers: host }),
      await ask(port, { path: "/api/a", headers: host }),
    ];
    const [good, bad] = answers.toSorted((one, other) => one.status - other.status);
    expect(good).toMatchObject({ body: "0 /a in.example", headers: { "x-seen": "1", "x-said": "2" } });
    expect(bad).toMatchObject({ status: 500, headers: { "x-said": "2" } });
  });

  it("redirects without asking anybody", async () => {
    const port = await routed([], { filters: [{ kind: "redirect", status: 301, scheme: "https", port: "" }] });
    expect(await ask(port, { path: "/a", headers: host })).toMatchObject({
      status: 301,
      headers: { location: "https://shop.example/a" },
      body: "Moved Permanently",
    });
  });

  it("reads the Gateway API only where its flags say so", async () => {
    const port = await routed([{ weight: 1 }]);
    expect((await ask(port, { headers: host })).status).toBe(200);
    const { rule, priority } = matchRule([], {});
    const router: Router = { name: "r", rule, priority, entryPoints: [], middlewares: [], isTls: false, service: "w" };
    const gateway = { routers: [router], services: {}, weighted: { w: [] }, certificates: [], errors: [] };
    running.proxy.route({ routers: [], services: {}, certificates: [], errors: [], gateway });
    expect((await ask(running.ports["http"] ?? 0, { headers: host })).status).toBe(404);
  });
});
