import { describe, expect, it } from "vitest";
import { loadConfiguration } from "../../../../src/engine/traefik/configuration.ts";
import { requestTarget } from "../../../../src/engine/traefik/request-target.ts";
import { Routing } from "../../../../src/engine/traefik/routing.ts";
import { canonicalHost } from "../../../../src/engine/traefik/rule.ts";
import type { Ingress } from "../../../../src/kube/ingress.ts";
import { ingress, path, statics, storeWithTraefik } from "./objects.ts";

function routing(...ingresses: Ingress[]): Routing {
  return new Routing(loadConfiguration(storeWithTraefik(...ingresses)), statics);
}

function found(of: Routing, url: string, entryPoint = "http"): string | undefined {
  const { protocol, host, pathname } = new URL(url);
  const service = of.find({ entryPoint, isTls: protocol === "https:", host: canonicalHost(host), path: pathname });
  return typeof service === "object" ? service.name.replace(/^default-(\w+)-.*$/, "$1") : service;
}

const shop = (host: string, ...paths: ReturnType<typeof path>[]): Ingress["spec"] => ({
  rules: [{ host, http: { paths } }],
});

describe("which rule a request goes by", () => {
  it("the longest rule: a longer prefix before a shorter one", () => {
    const of = routing(ingress("shop", shop("shop.example", path("/"), path("/api", "api"))));
    expect(found(of, "http://shop.example/")).toBe("web");
    expect(found(of, "http://shop.example/api/orders")).toBe("api");
  });

  it("a prefix is one of characters, not of path elements", () => {
    const of = routing(ingress("shop", shop("shop.example", path("/api", "api"))));
    expect(found(of, "http://shop.example/apiary")).toBe("api");
  });

  it("the text's length counts: Path(`/api`) is shorter than PathPrefix(`/`) and never reached beside it", () => {
    const of = routing(ingress("shop", shop("shop.example", path("/"), path("/api", "api", "Exact"))));
    expect(found(of, "http://shop.example/api")).toBe("web");
    const alone = routing(ingress("shop", shop("shop.example", path("/api", "api", "Exact"))));
    expect(found(alone, "http://shop.example/api")).toBe("api");
    expect(found(alone, "http://shop.example/api/orders")).toBeUndefined();
  });

  it("a wildcard's rule is longer than that of the host itself, unless a priority says otherwise", () => {
    const all = ingress("all", shop("*.shop.example", path("/")));
    const own = shop("www.shop.example", path("/", "api"));
    expect(found(routing(all, ingress("own", own)), "http://www.shop.example/")).toBe("web");
    const first = ingress("own", own, { "traefik.ingress.kubernetes.io/router.priority": "1000" });
    expect(found(routing(all, first), "http://www.shop.example/")).toBe("api");
  });

  it("a wildcard is one label", () => {
    const of = routing(ingress("all", shop("*.shop.example", path("/"))));
    const hosts = ["shop.example", "a.shop.example", "a.b.shop.example", "a-b.SHOP.example"];
    expect(hosts.map((host) => found(of, `http://${host}/`))).toEqual([undefined, "web", undefined, "web"]);
  });

  it("hosts without their port, in any case, with a dot at the end", () => {
    const of = routing(ingress("shop", shop("shop.example", path("/"))));
    expect(["shop.example:8080", "SHOP.example", "shop.example."].map((host) => found(of, `http://${host}/`))).toEqual([
      "web",
      "web",
      "web",
    ]);
  });

  it("the default backend takes what nobody else does", () => {
    const defaultBackend = { service: { name: "api", port: { number: 80 } } };
    const of = routing(ingress("shop", shop("shop.example", path("/cart"))), ingress("rest", { defaultBackend }));
    expect(["shop.example/cart", "shop.example/", "nobody.example/"].map((url) => found(of, `http://${url}`))).toEqual([
      "web",
      "default-backend@kubernetes",
      "default-backend@kubernetes",
    ]);
  });
});

describe("entry points", () => {
  const spec = shop("shop.example", path("/"));
  const table = (of: Routing): (string | undefined)[] =>
    [
      ["http", "http"],
      ["https", "http"],
      ["http", "https"],
      ["https", "https"],
    ].map(([scheme, entryPoint]) => found(of, `${scheme}://shop.example/`, entryPoint));

  it("a router is at all of them: plain at http, TLS at https", () => {
    expect(table(routing(ingress("shop", spec)))).toEqual(["web", undefined, undefined, "web"]);
  });

  it("tls in the Ingress changes nothing of that", () => {
    const withTls = ingress("shop", { ...spec, tls: [{ hosts: ["shop.example"], secretName: "none" }] });
    expect(table(routing(withTls))).toEqual(["web", undefined, undefined, "web"]);
  });

  it("router.tls makes it one for TLS alone, at either", () => {
    const only = ingress("shop", spec, { "traefik.ingress.kubernetes.io/router.tls": "true" });
    expect(table(routing(only))).toEqual([undefined, "web", undefined, "web"]);
  });

  it("router.entrypoints chooses; one that is not there is told and chooses none", () => {
    const name = "traefik.ingress.kubernetes.io/router.entrypoints";
    expect(table(routing(ingress("shop", spec, { [name]: "https" })))).toEqual([
      undefined,
      undefined,
      undefined,
      "web",
    ]);
    const of = routing(ingress("shop", spec, { [name]: "websecure" }));
    expect(table(of)).toEqual([undefined, undefined, undefined, undefined]);
    expect(of.errors.map(({ message }) => message)).toEqual([
      "EntryPoint doesn't exist",
      "No valid entryPoint for this router",
    ]);
  });

  it("ping answers before every router", () => {
    const of = routing(ingress("all", { rules: [{ http: { paths: [path("/")] } }] }));
    expect([found(of, "http://a/ping", "ping"), found(of, "http://a/ping")]).toEqual(["ping", "web"]);
  });
});

it("a router whose middleware nobody makes is none", () => {
  const name = "traefik.ingress.kubernetes.io/router.middlewares";
  const of = routing(ingress("shop", shop("shop.example", path("/")), { [name]: "default-auth@kubernetescrd" }));
  expect(found(of, "http://shop.example/")).toBeUndefined();
  expect(of.errors[0]).toMatchObject({ error: 'middleware "default-auth@kubernetescrd" does not exist' });
});

describe("request targets", () => {
  it.each<[text: string, target: string, routingPath: string]>([
    ["/a?b=1;c=2", "/a?b=1&c=2", "/a"],
    ["/a/../b//c/./", "/b/c/", "/b/c/"],
    ["/%61dmin", "/admin", "/admin"],
    ["/a%2fb", "/a%2Fb", "/a%2Fb"],
    ["/gr%c3%bc%C3%9Fe", "/gr%C3%BC%C3%9Fe", "/grüße"],
    ["/../../etc", "/etc", "/etc"],
    ["/%2e%2e/etc", "/etc", "/etc"],
    ["http://other.example/x", "/x", "/x"],
  ])("%s", (text, target, routingPath) => {
    expect(requestTarget(text)).toMatchObject({ target, routingPath });
  });

  it.each(["/%", "/%g1", "/a#b", "relative", ""])("%s is none", (text) => {
    expect(requestTarget(text)).toBeUndefined();
  });
});
