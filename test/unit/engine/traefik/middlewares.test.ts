import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { applyFilters } from "../../../../src/engine/traefik/apply-filters.ts";
import { loadConfiguration } from "../../../../src/engine/traefik/configuration.ts";
import { regexOf, replaceAll } from "../../../../src/engine/traefik/go-regexp.ts";
import { Routing } from "../../../../src/engine/traefik/routing.ts";
import type { MiddlewareFilter } from "../../../../src/engine/traefik/types.ts";
import type { RouteFilter, RouteRule } from "../../../../src/kube/gateway/gateway-types.ts";
import type { KubeObject } from "../../../../src/kube/types.ts";
import { gateway, route, storeWithGateways, toWeb } from "./gateway-objects.ts";
import { ingress, middleware, path, statics, storeWithTraefik } from "./objects.ts";
import { ask, RunningProxy } from "./running-proxy.ts";

const ANNOTATION = "traefik.ingress.kubernetes.io/router.middlewares";
const shop = { rules: [{ host: "shop.example", http: { paths: [path("/")] } }] };

/** What a router with this annotation does, or why there is none. */
function built(names: string, ...objects: KubeObject[]): unknown {
  const store = storeWithTraefik(...objects, ingress("shop", shop, { [ANNOTATION]: names }));
  const of = new Routing(loadConfiguration(store), statics);
  const service = of.find({ entryPoint: "http", isTls: false, host: "shop.example", path: "/" });
  return typeof service === "object" ? service.filters : of.errors[0]?.error;
}

describe("the middlewares of a router", () => {
  it.each<[spec: object, filter: MiddlewareFilter]>([
    [{ addPrefix: { prefix: "/api" } }, { kind: "add-prefix", prefix: "/api" }],
    [{ stripPrefix: { prefixes: ["/a"] } }, { kind: "strip-prefix", prefixes: ["/a"], forceSlash: false }],
    [{ stripPrefixRegex: { regex: [" ^/v\\d "] } }, { kind: "strip-prefix-regex", regexes: ["^/v\\d"] }],
    [{ replacePath: { path: "/x" } }, { kind: "replace-path", path: "/x" }],
    [
      { replacePathRegex: { regex: "^/a/(.*)", replacement: "/b/$1" } },
      { kind: "replace-path-regex", regex: "^/a/(.*)", replacement: "/b/$1" },
    ],
    [
      { redirectScheme: { scheme: "https", permanent: true } },
      { kind: "redirect-scheme", scheme: "https", port: "", isPermanent: true },
    ],
    [
      { redirectRegex: { regex: "^http://a", replacement: "http://b" } },
      { kind: "redirect-regex", regex: "^http://a", replacement: "http://b", isPermanent: false },
    ],
    [
      { headers: { customRequestHeaders: { "X-A": "1" }, customResponseHeaders: { Server: "" } } },
      { kind: "custom-headers", request: [["X-A", "1"]], response: [["Server", ""]] },
    ],
    [
      { ipAllowList: { sourceRange: ["10.0.0.0/8"] } },
      { kind: "allow-addresses", ranges: ["10.0.0.0/8"], status: 403 },
    ],
  ])("%j", (spec, filter) => {
    expect(built("default-one@kubernetescrd", middleware("one", spec))).toEqual([filter]);
  });

  it("come in the order of the annotation, and chains where they stand", () => {
    const objects = [
      middleware("add", { addPrefix: { prefix: "/x" } }),
      middleware("both", { chain: { middlewares: [{ name: "path" }, { name: "add", namespace: "default" }] } }),
      middleware("path", { replacePath: { path: "/y" } }),
    ];
    const names = (annotation: string): unknown =>
      (built(annotation, ...objects) as MiddlewareFilter[]).map(({ kind }) => kind);
    expect(names("default-add@kubernetescrd, default-path@kubernetescrd")).toEqual(["add-prefix", "replace-path"]);
    expect(names("default-add@kubernetescrd,default-both@kubernetescrd")).toEqual([
      "add-prefix",
      "replace-path",
      "add-prefix",
    ]);
  });

  it.each<[what: string, names: string, objects: KubeObject[], error: string | RegExp]>([
    [
      "a name without its namespace",
      "strip@kubernetescrd",
      [middleware("strip", { stripPrefix: { prefixes: ["/a"] } })],
      'middleware "strip@kubernetescrd" does not exist',
    ],
    [
      "a name without its provider",
      "default-strip",
      [middleware("strip", { stripPrefix: { prefixes: ["/a"] } })],
      'middleware "default-strip@kubernetes" does not exist',
    ],
    [
      "two types in one",
      "default-m@kubernetescrd",
      [middleware("m", { addPrefix: { prefix: "/a" }, replacePath: { path: "/b" } })],
      /multi-types middleware not supported/,
    ],
    [
      "no type",
      "default-m@kubernetescrd",
      [middleware("m", {})],
      'invalid middleware "default-m@kubernetescrd" configuration: invalid middleware type or middleware does not exist',
    ],
    ["an empty prefix", "default-m@kubernetescrd", [middleware("m", { addPrefix: {} })], "prefix cannot be empty"],
    [
      "an expression that is none",
      "default-m@kubernetescrd",
      [middleware("m", { redirectRegex: { regex: "(", replacement: "" } })],
      "error parsing regexp: (",
    ],
    [
      "no range",
      "default-m@kubernetescrd",
      [middleware("m", { ipAllowList: {} })],
      "sourceRange is empty, IPAllowLister not created",
    ],
    [
      "a chain that comes back to itself",
      "default-a@kubernetescrd",
      [
        middleware("a", { chain: { middlewares: [{ name: "b" }] } }),
        middleware("b", { chain: { middlewares: [{ name: "a" }] } }),
      ],
      /recursion detected in default-a@kubernetescrd->default-b@kubernetescrd->default-a@kubernetescrd/,
    ],
    [
      "one that is not modelled",
      "default-m@kubernetescrd",
      [middleware("m", { headers: { frameDeny: true } })],
      'headers.frameDeny of middleware "default-m@kubernetescrd" is not modelled by cnilab',
    ],
  ])("leave no router with %s", (_what, names, objects, error) => {
    const told = built(names, ...objects);
    if (typeof error === "string") expect(told).toBe(error);
    else expect(told).toMatch(error);
  });

  it("are none where its own kinds are not read", () => {
    const objects = [middleware("m", { addPrefix: { prefix: "/a" } })];
    const store = storeWithTraefik(...objects, ingress("shop", shop, { [ANNOTATION]: "default-m@kubernetescrd" }));
    const { errors } = new Routing(loadConfiguration(store), { ...statics, hasCrdProvider: false });
    expect(errors[0]?.error).toBe('middleware "default-m@kubernetescrd" does not exist');
  });

  it("of another namespace are in no chain, and the log says so", () => {
    const chain = middleware("c", { chain: { middlewares: [{ name: "m", namespace: "other" }] } });
    const { errors, middlewares } = loadConfiguration(storeWithTraefik(chain));
    expect(middlewares).toEqual({});
    expect(errors).toEqual([
      {
        message: "Error while reading chain middleware",
        error: "middleware other/m is not in the chain namespace default",
        fields: { middlewareName: "default-c", providerName: "kubernetescrd" },
      },
    ]);
  });
});

describe("an HTTPRoute", () => {
  function routed(rule: RouteRule, ...objects: KubeObject[]): unknown {
    const store = storeWithGateways(gateway(), route({ rules: [rule] }), ...objects);
    const of = new Routing(loadConfiguration(store), statics);
    const service = of.find({ entryPoint: "http", isTls: false, host: "shop.example", path: "/" });
    return typeof service === "object" ? service.filters : of.errors[0]?.error;
  }
  const extension = (name: string): RouteFilter => ({
    type: "ExtensionRef",
    extensionRef: { group: "traefik.io", kind: "Middleware", name },
  });

  it("names a middleware of its namespace among its filters", () => {
    const redirect: RouteFilter = { type: "RequestHeaderModifier", requestHeaderModifier: { remove: ["X-A"] } };
    const filters = [redirect, extension("m")];
    expect(routed({ filters, backendRefs: toWeb }, middleware("m", { addPrefix: { prefix: "/a" } }))).toEqual([
      { kind: "request-headers", change: { set: [], add: [], remove: ["X-A"] } },
      { kind: "add-prefix", prefix: "/a" },
    ]);
  });

  it("is not there with one that does not exist, or a service of Traefik's own kind", () => {
    const error = 'middleware "default-m@kubernetescrd" does not exist';
    expect(routed({ filters: [extension("m")], backendRefs: toWeb })).toBe(error);
    const own = { group: "traefik.io", kind: "TraefikService", name: "s" };
    expect(routed({ backendRefs: [own] })).toBe('the service "default-s@kubernetescrd" does not exist');
  });
});

describe("a request through a middleware", () => {
  const through = (target: string, filters: MiddlewareFilter[], more: object = {}) =>
    applyFilters(filters, {
      target,
      host: "shop.example",
      headers: new Map(),
      method: "GET",
      clientAddress: "192.0.2.1",
      isTls: false,
      ...more,
    });
  const strip = (prefixes: string[], forceSlash = false): MiddlewareFilter => ({
    kind: "strip-prefix",
    prefixes,
    forceSlash,
  });

  it.each<[target: string, filter: MiddlewareFilter, sent: string, header?: [name: string, value: string]]>([
    ["/api/v1?x=1", strip(["/api"]), "/v1?x=1", ["X-Forwarded-Prefix", "/api"]],
    ["/api", strip(["/api"]), "/", ["X-Forwarded-Prefix", "/api"]],
    ["/apiary", strip(["/api"]), "/ary", ["X-Forwarded-Prefix", "/api"]],
    ["/api/x", strip(["/api/"], true), "/x", ["X-Forwarded-Prefix", "/api/"]],
    ["/b/x", strip(["/a", "/b"]), "/x", ["X-Forwarded-Prefix", "/b"]],
    ["/c", strip(["/a", "/b"]), "/c"],
    ["/a/%2Fb/x'", strip(["/a"]), "/%2Fb/x'", ["X-Forwarded-Prefix", "/a"]],
    // What is left of the writing is no writing of what is left of the path.
    ["/a%2Fb/x'", strip(["/a"]), "/b/x%27", ["X-Forwarded-Prefix", "/a"]],
    ["/v2/x", { kind: "strip-prefix-regex", regexes: ["^/v\\d+"] }, "/x", ["X-Forwarded-Prefix", "/v2"]],
    ["/x/v2", { kind: "strip-prefix-regex", regexes: ["/v\\d+"] }, "/x/v2"],
    ["/%C3%A9/x%2Fy", { kind: "strip-prefix-regex", regexes: ["^/é"] }, "/x%2Fy", ["X-Forwarded-Prefix", "/é"]],
    ["/x?y=1", { kind: "add-prefix", prefix: "/api" }, "/api/x?y=1"],
    ["/x%2Fy", { kind: "add-prefix", prefix: "/api" }, "/api/x%2Fy"],
    ["/x?y=1", { kind: "replace-path", path: "/new" }, "/new?y=1", ["X-Replaced-Path", "/x?y=1"]],
    ["/x%2Fy?y=1", { kind: "replace-path", path: "/new" }, "/new?y=1", ["X-Replaced-Path", "/x%2Fy"]],
    [
      "/old/a/b",
      { kind: "replace-path-regex", regex: "^/old/(.*)/(?P<last>.*)$", replacement: "/new/${last}/$1" },
      "/new/b/a",
      ["X-Replaced-Path", "/old/a/b"],
    ],
    ["/other", { kind: "replace-path-regex", regex: "^/old/(.*)", replacement: "/new/$1" }, "/other"],
  ])("to %s, %j: %s", (target, filter, sent, header) => {
    const seen = through(target, [filter]);
    expect(seen.target).toBe(sent);
    expect([...seen.headers]).toEqual(header === undefined ? [] : [[header[0], [header[1]]]]);
  });

  it("that leaves no path at all, and then gets a prefix", () => {
    expect(through("/api", [strip(["/api"]), { kind: "add-prefix", prefix: "/v1" }]).target).toBe("/v1");
  });

  it("whose new path has an escape that is none", () => {
    const seen = through("/x", [{ kind: "replace-path", path: "/%zz" }]);
    expect(seen).toMatchObject({ refused: 500, why: 'invalid URL escape "%zz"' });
  });

  const toHttps = { kind: "redirect-scheme", scheme: "https", port: "", isPermanent: false } as const;
  it.each<[what: string, filter: MiddlewareFilter, asked: object, redirect: object | undefined]>([
    ["to the other scheme", toHttps, {}, { status: 302, location: "https://shop.example/a?b=1" }],
    ["of another method", toHttps, { method: "POST" }, { status: 307, location: "https://shop.example/a?b=1" }],
    [
      "for ever",
      { ...toHttps, isPermanent: true },
      { method: "PUT" },
      { status: 308, location: "https://shop.example/a?b=1" },
    ],
    [
      "from one port to another",
      { ...toHttps, port: "8443" },
      { host: "shop.example:8080" },
      { status: 302, location: "https://shop.example:8443/a?b=1" },
    ],
    ["that has its scheme", toHttps, { isTls: true }, undefined],
    [
      "by an expression",
      { kind: "redirect-regex", regex: "^http://(.*)/a", replacement: "http://www.$1/b c", isPermanent: true },
      {},
      { status: 301, location: "http://www.shop.example/b%20c?b=1" },
    ],
    [
      "by one that does not fit",
      { kind: "redirect-regex", regex: "^https:", replacement: "x", isPermanent: true },
      {},
      undefined,
    ],
  ])("is sent elsewhere: %s", (_what, filter, asked, redirect) => {
    expect(through("/a?b=1", [filter], asked).redirect).toEqual(redirect);
  });

  it.each([
    [["192.0.2.0/24"], undefined],
    [["192.0.2.1"], undefined],
    [["10.0.0.0/8", "2001:db8::/32"], 401],
  ])("is refused by its address or not: %j", (ranges, refused) => {
    expect(through("/", [{ kind: "allow-addresses", ranges, status: 401 }]).refused).toBe(refused);
  });

  it("has headers set and taken away, and another Host", () => {
    const request: [string, string][] = [
      ["x-a", "1"],
      ["X-Old", ""],
      ["Host", "other.example"],
    ];
    const headers = new Map([["X-Old", ["1"]]]);
    const seen = through("/", [{ kind: "custom-headers", request, response: [["server", ""]] }], { headers });
    expect(seen.host).toBe("other.example");
    expect([...seen.headers]).toEqual([["X-A", ["1"]]]);
    const answer = new Map([["Server", ["x"]]]);
    seen.change?.(answer);
    expect(answer.size).toBe(0);
  });
});

describe("expressions of Go", () => {
  it.each([
    ["^http://a\\-b$", "http://a-b", true],
    ["(?i)^ABC$", "abc", true],
    ["[\\w\\._-]+", "a.b", true],
    ["\\\\-", "\\-", true],
  ])("%s", (text, tried, fits) => {
    expect(regexOf(text)?.test(tried)).toBe(fits);
  });

  it.each(["(", "[[:alpha:]]", "\\z"])("%s is none that is understood", (text) => {
    expect(regexOf(text)).toBeUndefined();
  });

  it.each([
    ["a(.)c", "abc abc", "<$1>", "<b> <b>"],
    ["a(.)c", "abc", "$1x-${1}x", "-bx"],
    ["a(?P<mid>.)c", "abc", "$mid$$9$2${none}", "b$9"],
  ])("%s in %s replaced by %s", (regex, text, replacement, result) => {
    expect(replaceAll(regexOf(regex) as RegExp, text, replacement)).toBe(result);
  });
});

describe("over the wire", () => {
  let running: RunningProxy;
  beforeEach(async () => {
    running = await new RunningProxy().start();
  });
  afterEach(() => running.close());

  it("a server sees the path without its prefix, a refused client the status's words, a redirected one where to", async () => {
    const port = await running.serve((request, response) => {
      response.end(`${request.url} ${String(request.headers["x-forwarded-prefix"])}`);
    });
    const routed = (filter: MiddlewareFilter): void => {
      running.route([port], {}, { middlewares: { "m@kubernetescrd": { filter } } }, ["m@kubernetescrd"]);
    };
    const http = running.ports["http"] ?? 0;
    routed({ kind: "strip-prefix", prefixes: ["/api"], forceSlash: false });
    expect(await ask(http, { path: "/api/v1" })).toMatchObject({ status: 200, body: "/v1 /api" });
    routed({ kind: "allow-addresses", ranges: ["192.0.2.0/24"], status: 403 });
    expect(await ask(http)).toMatchObject({ status: 403, body: "Forbidden" });
    routed({ kind: "redirect-scheme", scheme: "https", port: "", isPermanent: true });
    expect(await ask(http, { headers: { host: "shop.example" } })).toMatchObject({
      status: 301,
      headers: { location: "https://shop.example/" },
      body: "Moved Permanently",
    });
    routed({ kind: "replace-path", path: "/%zz" });
    expect(await ask(http)).toMatchObject({ status: 500, body: 'invalid URL escape "%zz"\n' });
  });
});
