import { describe, expect, it } from "vitest";
import { commonHostnames } from "../../../../src/engine/traefik/gateway/hostnames.ts";
import { matchRule } from "../../../../src/engine/traefik/gateway/match-rule.ts";
import type { BackendRef, Listener, RouteFilter, RouteMatch } from "../../../../src/kube/gateway/gateway-types.ts";
import type { KubeObject } from "../../../../src/kube/types.ts";
import { service } from "../store/objects.ts";
import { gateway, grant, http, loadedGateways, route, toWeb } from "./gateway-objects.ts";

describe("rules", () => {
  it.each<[what: string, hosts: string[], match: RouteMatch, text: string, priority: number]>([
    ["nothing", [], {}, "PathPrefix(`/`)", 1],
    ["a prefix", [], { path: { value: "/api" } }, "(Path(`/api`) || PathPrefix(`/api/`))", 10_400],
    ["a prefix with a slash", [], { path: { value: "/api/" } }, "(Path(`/api`) || PathPrefix(`/api/`))", 10_500],
    [
      "an exact path",
      ["a.example"],
      { path: { type: "Exact", value: "/a" } },
      "Host(`a.example`) && Path(`/a`)",
      100_009,
    ],
    ["an expression", [], { path: { type: "RegularExpression", value: "^/v\\d" } }, "PathRegexp(`^/v\\d`)", 10_500],
    [
      "all else",
      [],
      {
        method: "GET",
        headers: [{ name: "x-a", value: "1" }],
        queryParams: [{ name: "q", value: "2", type: "RegularExpression" }],
      },
      "PathPrefix(`/`) && Method(`GET`) && Header(`x-a`,`1`) && QueryRegexp(`q`,`2`)",
      1111,
    ],
    [
      "two hosts",
      ["a.example", "*.b.example"],
      {},
      "(Host(`a.example`) || HostRegexp(`^[a-z0-9-\\.]+\\.b\\.example$`)) && PathPrefix(`/`)",
      12,
    ],
  ])("of %s", (_what, hosts, match, text, priority) => {
    expect(matchRule(hosts, match)).toMatchObject({ rule: { text }, priority });
  });

  it("earlier rules come first where all else is the same", () => {
    const rules = ["web", "api"].map((name) => ({ backendRefs: [{ name, port: 80 }], filters: [] }));
    const { routers } = loadedGateways(gateway(), route({ rules })).configuration;
    expect(routers.map(({ priority }) => priority)).toEqual([3, 2]);
    const paths = ["/a", "/b"].map((value) => ({ matches: [{ path: { value } }], backendRefs: toWeb }));
    const both = loadedGateways(gateway(), route({ rules: paths })).configuration.routers;
    expect(both.map(({ priority }) => priority)).toEqual([10_202, 10_201]);
  });

  it("an expression that is none has no router, and a line in the log", () => {
    const rules = [{ matches: [{ path: { type: "RegularExpression" as const, value: "(" } }], backendRefs: toWeb }];
    const { routers, errors } = loadedGateways(gateway(), route({ rules })).configuration;
    expect(routers).toEqual([]);
    expect(errors.map(({ error }) => error)).toEqual([
      "error while adding rule PathRegexp: compiling PathPrefix matcher: error parsing regexp: (",
    ]);
  });
});

it.each<[listener: string | undefined, routes: string[], common: string[] | undefined]>([
  [undefined, ["a.example"], ["a.example"]],
  ["a.example", [], ["a.example"]],
  ["a.example", ["b.example"], undefined],
  ["*.example", ["a.example", "a.b.example", "a.test"], ["a.example", "a.b.example"]],
  ["a.example", ["*.example"], ["a.example"]],
  ["*.example", ["example"], undefined],
  ["*.a.example", ["*.example"], ["*.a.example"]],
])("listener %s and route %j have %j in common", (listener, routes, common) => {
  expect(commonHostnames(listener, routes)).toEqual(common);
});

/** Status and reason of what is said of the route's first parent, by type. */
function said(...objects: KubeObject[]): Record<string, string> {
  const [first] = loadedGateways(...objects).routes;
  const conditions = first?.parents[0]?.conditions ?? [];
  return Object.fromEntries(conditions.map(({ type, status, reason }) => [type, `${status} ${reason}`]));
}

describe("listeners", () => {
  it.each<[what: string, listener: Listener, faults: string[]]>([
    ["a port of an entry point", http, []],
    ["the Service's port", { ...http, port: 80 }, ["Accepted False PortUnavailable"]],
    ["HTTP where the entry point has TLS", { ...http, port: 8443 }, ["Accepted False PortUnavailable"]],
    ["TCP", { ...http, protocol: "TCP" }, ["Conflicted True ProtocolConflict"]],
    ["an unknown protocol", { ...http, protocol: "SCTP" }, ["Conflicted True UnsupportedProtocol"]],
    [
      "a kind of route that it does not serve",
      { ...http, allowedRoutes: { kinds: [{ kind: "TCPRoute" }] } },
      ["ResolvedRefs False InvalidRouteKinds"],
    ],
    [
      "a certificate that is not there",
      { name: "s", port: 8443, protocol: "HTTPS", tls: { certificateRefs: [{ name: "none" }] } },
      ["ResolvedRefs False InvalidCertificateRef", "Programmed False Invalid"],
    ],
    [
      "a certificate of another namespace",
      { name: "s", port: 8443, protocol: "HTTPS", tls: { certificateRefs: [{ name: "tls", namespace: "other" }] } },
      ["ResolvedRefs False RefNotPermitted"],
    ],
  ])("%s", (_what, listener, faults) => {
    const [first] = loadedGateways(gateway(listener)).gateways;
    const [loaded] = first?.listeners ?? [];
    expect(loaded?.conditions.map(({ type, status, reason }) => `${type} ${status} ${reason}`)).toEqual(faults);
    expect(first?.conditions[0]).toMatchObject({
      type: "Accepted",
      status: faults.length === 0 ? "True" : "False",
      reason: faults.length === 0 ? "Accepted" : "ListenersNotValid",
    });
  });

  it("a certificate that a grant lets in is served", () => {
    const secret = {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "tls", namespace: "other" },
      stringData: { "tls.crt": "CERT", "tls.key": "KEY" },
    };
    const tls = { certificateRefs: [{ name: "tls", namespace: "other" }] };
    const entry = gateway({ name: "s", port: 8443, protocol: "HTTPS", tls });
    const { configuration } = loadedGateways(secret, grant({ kind: "Gateway", to: "Secret" }), entry);
    expect(configuration.certificates).toEqual([{ cert: "CERT", key: "KEY" }]);
  });

  it("count the routes that are attached to them", () => {
    const spec = { rules: [{ backendRefs: toWeb }] };
    const { gateways } = loadedGateways(gateway(), route(spec), route(spec, "api"), route(spec, "far", "other"));
    expect(gateways[0]?.listeners.map(({ attachedRoutes }) => attachedRoutes)).toEqual([2]);
  });
});

describe("routes are attached", () => {
  const listeners: Listener[] = [
    { ...http, name: "shop", hostname: "shop.example" },
    { ...http, name: "all", hostname: "all.example", allowedRoutes: { namespaces: { from: "All" } } },
    {
      ...http,
      name: "some",
      hostname: "some.example",
      allowedRoutes: {
        namespaces: { from: "Selector", selector: { matchLabels: { "kubernetes.io/metadata.name": "other" } } },
      },
    },
  ];

  it.each<[what: string, where: string, section: string | undefined, hostnames: string[], accepted: string]>([
    ["by section", "default", "shop", [], "True Accepted"],
    ["wherever a hostname fits", "default", undefined, ["all.example"], "True Accepted"],
    ["not to a section that is not there", "default", "web", [], "False NoMatchingParent"],
    ["not to one of another name", "default", "shop", ["all.example"], "False NoMatchingListenerHostname"],
    ["not from another namespace", "other", "shop", [], "False NotAllowedByListeners"],
    ["from all where all are allowed", "other", "all", [], "True Accepted"],
    ["by the namespace's labels", "other", "some", [], "True Accepted"],
    ["not without them", "default", "some", [], "False NotAllowedByListeners"],
  ])("%s", (_what, where, section, hostnames, accepted) => {
    const parent = { name: "entry", namespace: "default", ...(section === undefined ? {} : { sectionName: section }) };
    const made = route({ parentRefs: [parent], hostnames, rules: [{ backendRefs: toWeb }] }, "web", where);
    expect(said(gateway(...listeners), made)["Accepted"]).toBe(accepted);
    const isServed = loadedGateways(gateway(...listeners), made).configuration.routers.length > 0;
    expect(isServed).toBe(accepted.startsWith("True"));
  });

  it("and nothing is said of those that name nobody's Gateway", () => {
    const spec = { parentRefs: [{ name: "elsewhere" }], rules: [{ backendRefs: toWeb }] };
    expect(loadedGateways(gateway(), route(spec)).routes).toEqual([]);
    const foreign = { ...gateway(), spec: { gatewayClassName: "other", listeners: [http] } };
    expect(loadedGateways(foreign, route({ rules: [] }))).toMatchObject({ gateways: [], routes: [] });
  });
});

describe("backends", () => {
  const external: KubeObject = { ...service("far"), spec: { type: "ExternalName", externalName: "a.example" } };

  it.each<[what: string, ref: BackendRef, resolved: string, others: KubeObject[]]>([
    ["a Service", { name: "web", port: 80 }, "True ResolvedRefs", []],
    ["one that is not there", { name: "none", port: 80 }, "False BackendNotFound", []],
    ["a port that is not there", { name: "web", port: 81 }, "False BackendNotFound", []],
    ["an ExternalName", { name: "far", port: 80 }, "False BackendNotFound", [external]],
    ["another kind", { name: "web", port: 80, group: "example.com", kind: "Bucket" }, "False InvalidKind", []],
    ["another namespace", { name: "web", port: 80, namespace: "other" }, "False RefNotPermitted", []],
    ["with a grant", { name: "web", port: 80, namespace: "other" }, "True ResolvedRefs", [grant()]],
    ["with one for it", { name: "web", port: 80, namespace: "other" }, "True ResolvedRefs", [grant({ name: "web" })]],
    ["for another", { name: "web", port: 80, namespace: "other" }, "False RefNotPermitted", [grant({ name: "api" })]],
    ["at home", { name: "web", port: 80, namespace: "other" }, "False RefNotPermitted", [grant({ where: "default" })]],
    ["for others", { name: "web", port: 80, namespace: "other" }, "False RefNotPermitted", [grant({ from: "x" })]],
    [
      "for Gateways",
      { name: "web", port: 80, namespace: "other" },
      "False RefNotPermitted",
      [grant({ kind: "Gateway" })],
    ],
  ])("%s", (_what, ref, resolved, others) => {
    const objects = [...others, gateway(), route({ rules: [{ backendRefs: [ref] }] })];
    expect(said(...objects)).toEqual({ Accepted: "True Accepted", ResolvedRefs: resolved });
    const { weighted, errors } = loadedGateways(...objects).configuration;
    const [[child] = []] = Object.values(weighted);
    expect(child?.status).toBe(resolved.startsWith("True") ? undefined : 500);
    expect(errors).toHaveLength(resolved.startsWith("True") ? 0 : 1);
  });

  it("share by weight, which is one unless it is said", () => {
    const refs = [
      { name: "web", port: 80 },
      { name: "api", port: 80, weight: 0 },
    ];
    const { weighted, services } = loadedGateways(gateway(), route({ rules: [{ backendRefs: refs }] })).configuration;
    expect(Object.values(weighted)).toEqual([
      [
        { service: "default-web-http-80", weight: 1 },
        { service: "default-api-http-80", weight: 0 },
      ],
    ]);
    expect(services["default-web-http-80"]?.servers).toEqual([
      { scheme: "http", address: "10.0.0.1", port: 8080, isFenced: false },
    ]);
  });
});

describe("filters", () => {
  const of = (filter: RouteFilter): ReturnType<typeof loadedGateways>["configuration"] =>
    loadedGateways(
      gateway(),
      route({ rules: [{ matches: [{ path: { value: "/api" } }], filters: [filter], backendRefs: [] }] }),
    ).configuration;

  it("a redirect to a scheme is to that scheme's port", () => {
    const [router] = of({ type: "RequestRedirect", requestRedirect: { scheme: "https" } }).routers;
    expect(router?.filters).toEqual([{ kind: "redirect", status: 302, scheme: "https", port: "" }]);
  });

  it("a prefix that is replaced is the match's", () => {
    const path = { type: "ReplacePrefixMatch", replacePrefixMatch: "/" } as const;
    const [router] = of({ type: "URLRewrite", urlRewrite: { path } }).routers;
    expect(router?.filters).toEqual([{ kind: "rewrite", path: { path: "/", prefix: "/api" } }]);
  });

  it("one that Traefik does not have is answered with 500", () => {
    const mirror = { type: "RequestMirror", requestMirror: { backendRef: { name: "web", port: 80 } } };
    const { routers, weighted, errors } = of(mirror);
    expect(weighted[routers[0]?.service ?? ""]).toEqual([{ status: 500, weight: 1 }]);
    expect(errors.map(({ error }) => error)).toEqual(["unsupported filter RequestMirror"]);
  });
});
