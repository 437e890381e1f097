import { expect, test } from "vitest";
import { createStore } from "../../../../src/engine/control-plane.ts";
import type { KubeObject } from "../../../../src/kube/types.ts";
import { namespace } from "../store/objects.ts";

const cluster = { serviceCidrs: ["10.96.0.0/16"], dnsAddress: "10.96.0.10", dnsDomain: "cluster.local" };
const backend = { service: { name: "web", port: { number: 80 } } };
const path = { path: "/", pathType: "Prefix", backend };

function created(spec: unknown, annotations: Record<string, string> = {}): KubeObject {
  const store = createStore({ cluster });
  store.create(namespace("default"));
  const metadata = { name: "web", namespace: "default", annotations };
  return store.create({ apiVersion: "networking.k8s.io/v1", kind: "Ingress", metadata, spec });
}

const withPath = (change: object): object => ({ rules: [{ http: { paths: [{ ...path, ...change }] } }] });
const at = "spec.rules[0].http.paths[0]";

test.each<[spec: unknown, message: string]>([
  [{}, "spec: either `defaultBackend` or `rules` must be specified"],
  [withPath({ pathType: undefined }), `${at}.pathType: pathType must be specified`],
  [withPath({ pathType: "Regex" }), `${at}.pathType: supported values: "Exact", "ImplementationSpecific", "Prefix"`],
  [withPath({ path: "api" }), `${at}.path: must be an absolute path`],
  [withPath({ path: undefined }), `${at}.path: must be an absolute path`],
  [withPath({ path: "/a//b" }), `${at}.path: must not contain '//'`],
  [withPath({ path: "/a/.." }), `${at}.path: cannot end with '/..'`],
  [withPath({ backend: {} }), `${at}.backend: resource or service backend is required`],
  [withPath({ backend: { service: { name: "web" } } }), `${at}.backend: port name or number is required`],
  [
    withPath({ backend: { service: { name: "web", port: { number: 80, name: "http" } } } }),
    `${at}.backend: cannot set both port name & port number`,
  ],
  [{ rules: [{ http: { paths: [] } }] }, "spec.rules[0].http.paths: is required"],
  [{ rules: [{ host: "192.0.2.1" }] }, "spec.rules[0].host: must be a DNS name, not an IP address"],
  [{ rules: [{ host: "Shop.example" }] }, "spec.rules[0].host: must be lower-case"],
  [{ rules: [{ host: "shop.*.example" }] }, "spec.rules[0].host: a wildcard stands first"],
  [{ rules: [{ host: "*" }] }, "spec.rules[0].host: a wildcard stands first"],
  [{ defaultBackend: backend, tls: [{ hosts: ["shop_example"] }] }, "spec.tls[0].hosts[0]: must be lower-case"],
])("%j is refused", (spec, message) => {
  expect(() => created(spec)).toThrow(message);
});

test.each([
  withPath({}),
  withPath({ path: undefined, pathType: "ImplementationSpecific" }),
  { defaultBackend: backend },
])("%j is taken", (spec) => {
  expect(created(spec)["spec"]).toEqual(spec);
});

test("a class that the annotation calls otherwise is refused", () => {
  const spec = { defaultBackend: backend, ingressClassName: "traefik" };
  expect(() => created(spec, { "kubernetes.io/ingress.class": "nginx" })).toThrow("must match `ingressClassName`");
});

test("the newest default class is given to those that name none", () => {
  const store = createStore({ cluster });
  store.create(namespace("default"));
  const annotations = { "ingressclass.kubernetes.io/is-default-class": "true" };
  for (const name of ["b", "a"]) {
    const metadata = { name, annotations };
    store.create({
      apiVersion: "networking.k8s.io/v1",
      kind: "IngressClass",
      metadata,
      spec: { controller: "x.io/y" },
    });
  }
  const make = (name: string, more: object = {}): unknown => {
    const metadata = { name, namespace: "default", ...more };
    const spec = { defaultBackend: backend };
    const { spec: made } = store.create({ apiVersion: "networking.k8s.io/v1", kind: "Ingress", metadata, spec });
    return (made as { ingressClassName?: string }).ingressClassName;
  };
  expect(make("one")).toBe("a");
  expect(make("two", { annotations: { "kubernetes.io/ingress.class": "nginx" } })).toBeUndefined();
});

test("a class keeps its controller", () => {
  const store = createStore({ cluster });
  const made = (controller: string): KubeObject => ({
    apiVersion: "networking.k8s.io/v1",
    kind: "IngressClass",
    metadata: { name: "a" },
    spec: { controller },
  });
  const { metadata } = store.create(made("x.io/y"));
  expect(() => store.update({ ...made("x.io/z"), metadata })).toThrow("spec.controller");
});
