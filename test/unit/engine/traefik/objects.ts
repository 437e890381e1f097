import { createStore } from "../../../../src/engine/control-plane.ts";
import type { ObjectStore } from "../../../../src/engine/store/store.ts";
import type { EntryPoint, StaticConfiguration } from "../../../../src/engine/traefik/types.ts";
import type { Ingress, IngressPath } from "../../../../src/kube/ingress.ts";
import { traefikObjects } from "../../../../src/kube/traefik.ts";
import type { EndpointSlice, KubeObject } from "../../../../src/kube/types.ts";
import { namespace, service } from "../store/objects.ts";

const cluster = { serviceCidrs: ["10.96.0.0/16"], dnsAddress: "10.96.0.10", dnsDomain: "cluster.local" };

/** A store with what the add-on installs, the namespace default and its Services `web` and `api` of one endpoint each. */
export function storeWithTraefik(...objects: KubeObject[]): ObjectStore {
  const store = createStore({ cluster });
  store.create(namespace("default"));
  for (const object of traefikObjects({ hasBalancers: false })) store.create(object);
  for (const [index, name] of ["web", "api"].entries()) {
    store.create(service(name, { ports: [{ name: "http", port: 80, targetPort: 8080 }] }));
    store.create(slice(name, [`10.0.0.${index + 1}`]));
  }
  for (const object of objects) store.create(object);
  return store;
}

type Conditions = EndpointSlice["endpoints"][number]["conditions"];

export function slice(
  name: string,
  addresses: readonly string[],
  conditions: Conditions = { ready: true, serving: true, terminating: false },
  port: { name?: string; port: number } = { name: "http", port: 8080 },
): EndpointSlice {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: `${name}-${addresses.join("-") || "none"}`,
      namespace: "default",
      labels: { "kubernetes.io/service-name": name },
    },
    addressType: "IPv4",
    endpoints: addresses.map((address) => ({
      addresses: [address],
      ...(conditions === undefined ? {} : { conditions }),
    })),
    ports: [port],
  };
}

export function path(text: string, name = "web", pathType = "Prefix", port: object = { number: 80 }): IngressPath {
  return { path: text, pathType, backend: { service: { name, port } } };
}

export function middleware(name: string, spec: object, namespace = "default"): KubeObject {
  return { apiVersion: "traefik.io/v1alpha1", kind: "Middleware", metadata: { name, namespace }, spec };
}

export function ingress(name: string, spec: Ingress["spec"], annotations: Record<string, string> = {}): Ingress {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    metadata: { name, namespace: "default", annotations },
    spec,
  };
}

const entryPoint = (name: string, hasTls: boolean): EntryPoint => ({ name, port: 1, hasTls, isDefault: false });

/** As the add-on's flags have it. */
export const statics: StaticConfiguration = {
  entryPoints: [entryPoint("http", false), entryPoint("https", true), entryPoint("ping", false)],
  ping: "ping",
  hasIngressProvider: true,
  hasCrdProvider: true,
};
