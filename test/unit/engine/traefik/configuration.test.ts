import { describe, expect, it } from "vitest";
import { loadConfiguration } from "../../../../src/engine/traefik/configuration.ts";
import type { Configuration } from "../../../../src/engine/traefik/types.ts";
import type { Ingress } from "../../../../src/kube/ingress.ts";
import type { KubeObject } from "../../../../src/kube/types.ts";
import { service } from "../store/objects.ts";
import { ingress, path, slice, storeWithTraefik } from "./objects.ts";

const PREFIX = "traefik.ingress.kubernetes.io/";

function loaded(...objects: KubeObject[]): Configuration {
  return loadConfiguration(storeWithTraefik(...objects));
}

function rulesOf({ routers }: Configuration): string[] {
  return routers.map(({ rule }) => rule.text);
}

const only = (name: string, ...paths: ReturnType<typeof path>[]): Ingress =>
  ingress(name, { rules: [{ host: "shop.example", http: { paths } }] });

describe("rules", () => {
  it.each<[host: string | undefined, text: string, type: string, rule: string]>([
    ["shop.example", "/", "Prefix", "Host(`shop.example`) && PathPrefix(`/`)"],
    ["shop.example", "/api", "Exact", "Host(`shop.example`) && Path(`/api`)"],
    ["shop.example", "/api", "ImplementationSpecific", "Host(`shop.example`) && PathPrefix(`/api`)"],
    ["shop.example", "", "ImplementationSpecific", "Host(`shop.example`)"],
    ["*.shop.example", "/", "Prefix", "HostRegexp(`^[a-zA-Z0-9-]+\\.shop\\.example$`) && PathPrefix(`/`)"],
    [undefined, "/", "Prefix", "PathPrefix(`/`)"],
  ])("of host %s and %s of type %s", (host, text, type, rule) => {
    const rules = [{ ...(host === undefined ? {} : { host }), http: { paths: [path(text, "web", type)] } }];
    expect(rulesOf(loaded(ingress("web", { rules })))).toEqual([rule]);
  });

  it("an annotation names the matcher of paths that say nothing, and of no other", () => {
    const paths = [path("/a.c", "web", "ImplementationSpecific"), path("/b", "web", "Prefix")];
    const rules = [{ http: { paths } }];
    const regexp = ingress("web", { rules }, { [`${PREFIX}router.pathmatcher`]: "PathRegexp" });
    expect(rulesOf(loaded(regexp))).toEqual(["PathRegexp(`/a.c`)", "PathPrefix(`/b`)"]);
  });

  it("without host and path, and with a matcher that is none, there is no router", () => {
    const free = ingress("free", { rules: [{ http: { paths: [path("", "web", "ImplementationSpecific")] } }] });
    const odd = ingress(
      "odd",
      { rules: [{ http: { paths: [path("/", "web", "ImplementationSpecific")] } }] },
      { [`${PREFIX}router.pathmatcher`]: "Paht" },
    );
    const { routers, errors } = loaded(free, odd);
    expect(routers).toEqual([]);
    expect(errors.map(({ error }) => error)).toEqual([
      "error while parsing rule : 1:1: expected operand, found 'EOF'",
      "error while parsing rule Paht(`/`): unsupported function: Paht",
    ]);
  });
});

describe("classes", () => {
  const other = { apiVersion: "networking.k8s.io/v1", kind: "IngressClass", metadata: { name: "other" } };
  const rules = [{ http: { paths: [path("/")] } }];

  it.each<[what: string, ingressClassName: string | undefined, annotation: string | undefined, isServed: boolean]>([
    ["the default class, which it is given", undefined, undefined, true],
    ["its own class", "traefik", undefined, true],
    ["a class of somebody else", "other", undefined, false],
    ["a class that does not exist", "nginx", undefined, false],
    ["the annotation with its name", undefined, "traefik", true],
    ["the annotation with another", undefined, "nginx", false],
  ])("%s: %s", (_what, ingressClassName, annotation, isServed) => {
    const spec = { rules, ...(ingressClassName === undefined ? {} : { ingressClassName }) };
    const annotations = annotation === undefined ? {} : { "kubernetes.io/ingress.class": annotation };
    const { routers } = loaded(
      { ...other, spec: { controller: "example.com/other" } },
      ingress("web", spec, annotations),
    );
    expect(routers.length > 0).toBe(isServed);
  });

  it("any class whose controller is Traefik", () => {
    const spec = { controller: "traefik.io/ingress-controller" };
    const { routers } = loaded({ ...other, spec }, ingress("web", { ingressClassName: "other", rules }));
    expect(routers).toHaveLength(1);
  });
});

describe("backends", () => {
  it.each<[what: string, objects: KubeObject[], backend: [name: string, port: object], why: string | undefined]>([
    ["a Service that is not there", [], ["nobody", { number: 80 }], "service not found"],
    ["a port that the Service has not", [], ["web", { number: 8080 }], "service port not found"],
    ["a name that is no port of it", [], ["web", { name: "https" }], "service port not found"],
    [
      "an ExternalName",
      [service("out", { type: "ExternalName", externalName: "example.com", ports: [{ port: 80 }] })],
      ["out", { number: 80 }],
      "externalName services not allowed: default/out",
    ],
    ["no endpoints", [service("empty")], ["empty", { number: 80 }], undefined],
    [
      "endpoints that are not ready",
      [service("busy"), slice("busy", ["10.0.0.9"], { ready: false, serving: false }, { port: 80 })],
      ["busy", { number: 80 }],
      undefined,
    ],
  ])("%s: its path has no router", (_what, objects, [name, port], why) => {
    const { routers, errors } = loaded(...objects, only("shop", path("/", name, "Prefix", port), path("/web")));
    expect(routers.map(({ service: to }) => to)).toEqual(["default-web-80"]);
    expect(errors).toHaveLength(1);
    const message = why === undefined ? "Skipping service: no endpoints found" : "Cannot create service";
    expect(errors[0]).toMatchObject({ message, ...(why === undefined ? {} : { error: why }) });
  });

  it("pods' addresses and ports, by the name of the Service's port", () => {
    const { services } = loaded(only("shop", path("/", "web", "Prefix", { name: "http" })));
    expect(services["default-web-http"]).toEqual({
      servers: [{ scheme: "http", address: "10.0.0.1", port: 8080, isFenced: false }],
      passHostHeader: true,
    });
  });

  it("one that ends and still serves is fenced, one that ends and does not is left out", () => {
    const ending = slice("web", ["10.0.0.7"], { ready: false, serving: true, terminating: true });
    const gone = slice("web", ["10.0.0.8"], { ready: false, serving: false, terminating: true });
    const { services } = loaded(ending, gone, only("shop", path("/")));
    const servers = services["default-web-80"]?.servers.map(({ address, isFenced }) => [address, isFenced]);
    expect(servers).toEqual([
      ["10.0.0.1", false],
      ["10.0.0.7", true],
    ]);
  });

  it.each([
    [{ name: "web", port: 443 }, "https"],
    [{ name: "https-web", port: 8443 }, "https"],
    [{ name: "web", port: 80 }, "http"],
  ])("port %o is called by %s", (port, scheme) => {
    const objects = [
      service("tls", { ports: [port] }),
      slice("tls", ["10.0.0.5"], undefined, { name: port.name, port: 1 }),
    ];
    const ready = { ...slice("tls", ["10.0.0.5"], { ready: true }, { name: port.name, port: 1 }) };
    const { services } = loaded(
      objects[0] as KubeObject,
      ready,
      only("shop", path("/", "tls", "Prefix", { name: port.name })),
    );
    expect(services[`default-tls-${port.name}`]?.servers[0]?.scheme).toBe(scheme);
  });

  it("annotations of the Service: its own address, a cookie, another scheme", () => {
    const said = { "service.nativelb": "true", "service.sticky.cookie": "true", "service.serversscheme": "https" };
    const annotations = Object.fromEntries(Object.entries(said).map(([name, value]) => [PREFIX + name, value]));
    const object = service("own", { ports: [{ port: 80 }], clusterIP: "10.96.0.77" });
    const own = { ...object, metadata: { ...object.metadata, annotations } };
    const { services } = loaded(own, only("shop", path("/", "own")));
    expect(services["default-own-80"]).toMatchObject({
      servers: [{ scheme: "https", address: "10.96.0.77", port: 80 }],
      sticky: { name: expect.stringMatching(/^_[0-9a-f]{5}$/), path: "/" },
    });
  });
});

describe("default backend", () => {
  const defaultBackend = { service: { name: "web", port: { number: 80 } } };

  it("is the last of all routes, of an Ingress without rules", () => {
    const { routers } = loaded(ingress("all", { defaultBackend }));
    expect(routers).toMatchObject([{ rule: { text: "PathPrefix(`/`)" }, priority: -2_147_483_648 }]);
  });

  it("is not read where there are rules, too", () => {
    const both = ingress("both", { defaultBackend, rules: [{ host: "shop.example", http: { paths: [path("/")] } }] });
    expect(rulesOf(loaded(both))).toEqual(["Host(`shop.example`) && PathPrefix(`/`)"]);
  });

  it("is one for the cluster: the first counts", () => {
    const { routers, errors } = loaded(ingress("a", { defaultBackend }), ingress("b", { defaultBackend }));
    expect(routers).toHaveLength(1);
    expect(errors).toMatchObject([{ message: "The default backend already exists.", fields: { ingress: "b" } }]);
  });
});

describe("annotations of an Ingress", () => {
  const rules = [{ http: { paths: [path("/")] } }];
  const annotated = (name: string, value: string): Configuration =>
    loaded(ingress("web", { rules }, { [PREFIX + name]: value }));

  it.each<[name: string, value: string, found: object]>([
    ["router.tls", "true", { isTls: true }],
    ["router.tls", "false", { isTls: false }],
    ["router.TLS", "TRUE", { isTls: true }],
    ["router.tls.certresolver", "le", { isTls: true }],
    ["router.tls.domains.0.main", "example.org", { isTls: true }],
    ["router.entrypoints", "http, https", { entryPoints: ["http", "https"] }],
    ["router.priority", "42", { priority: 42 }],
    ["router.middlewares", "shop-auth@kubernetescrd", { middlewares: ["shop-auth@kubernetescrd"] }],
    ["service.sticky", "true", { isTls: false }],
  ])("%s: %s", (name, value, found) => {
    expect(annotated(name, value).routers).toMatchObject([found]);
  });

  it.each<[name: string, value: string, error: string]>([
    ["router.entrypoint", "http", "field not found, node: entrypoint"],
    ["router.priority", "high", 'strconv.ParseInt: parsing "high": invalid syntax'],
    ["router..tls", "true", "invalid element: traefik.router..tls"],
    ["router.tls.option", "x", "field not found, node: option"],
  ])("%s: %s loses the Ingress", (name, value, error) => {
    const { routers, errors } = annotated(name, value);
    expect(routers).toEqual([]);
    expect(errors).toMatchObject([{ message: "Failed to parse annotations", error }]);
  });
});

describe("certificates", () => {
  const secret = (name: string, data: Record<string, string>): KubeObject => ({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace: "default" },
    type: "kubernetes.io/tls",
    data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString("base64")])),
  });
  const tls = (secretName: string): Ingress =>
    ingress(`of-${secretName}`, { tls: [{ secretName }], rules: [{ http: { paths: [path("/")] } }] });

  it("come from the Ingress's namespace, in the order of their names", () => {
    const pairs = ["b", "a"].flatMap((name) => [
      secret(name, { "tls.crt": `C${name}`, "tls.key": `K${name}` }),
      tls(name),
    ]);
    expect(loaded(...pairs).certificates).toEqual([
      { cert: "Ca", key: "Ka" },
      { cert: "Cb", key: "Kb" },
    ]);
  });

  it.each<[what: string, secrets: KubeObject[], error: string]>([
    ["is not there", [], "secret default/own does not exist"],
    [
      "has no key",
      [secret("own", { "tls.crt": "C" })],
      "secret default/own is missing the following TLS data entries: tls.key",
    ],
    [
      "has an empty certificate",
      [secret("own", { "tls.crt": "", "tls.key": "K" })],
      "secret default/own contains the following empty TLS data entries: tls.crt",
    ],
  ])("one that %s leaves the routes", (_what, secrets, error) => {
    const { routers, certificates, errors } = loaded(...secrets, tls("own"));
    expect([routers.length, certificates]).toEqual([1, []]);
    expect(errors).toMatchObject([{ message: "Error configuring TLS", error }]);
  });
});
