import { buildZone, type Zone } from "../../../../src/engine/nameserver/records.ts";
import { zoneFacts } from "../../../../src/engine/nameserver/zone-facts.ts";
import { ObjectStore } from "../../../../src/engine/store/store.ts";
import type { EndpointSlice, Namespace, Service } from "../../../../src/kube/types.ts";

/** What a test's zone is made from. */
export interface ClusterObjects {
  services?: Service[];
  endpointSlices?: EndpointSlice[];
  dnsDomain?: string;
}

/** A namespace object. */
export function namespace(name: string): Namespace {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name } };
}

/** A Service in the namespace shop. */
export function service(name: string, spec: Service["spec"]): Service {
  return { apiVersion: "v1", kind: "Service", metadata: { name, namespace: "shop" }, spec };
}

/** An EndpointSlice of a Service in the namespace shop. */
export function slice(
  serviceName: string,
  endpoints: EndpointSlice["endpoints"],
  ports: EndpointSlice["ports"] = [{ name: "http", port: 8080, protocol: "TCP" }],
  addressType: EndpointSlice["addressType"] = "IPv4",
): EndpointSlice {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: `${serviceName}-${addressType.toLowerCase()}`,
      namespace: "shop",
      labels: { "kubernetes.io/service-name": serviceName },
    },
    addressType,
    endpoints,
    ports,
  };
}

/** A zone of cluster.local with the namespaces shop and empty, served at 10.96.0.10, read from a store. */
export function zoneOf({ services = [], endpointSlices = [], dnsDomain = "cluster.local" }: ClusterObjects): Zone {
  const store = new ObjectStore();
  for (const object of [namespace("shop"), namespace("empty"), ...services, ...endpointSlices]) store.create(object);
  return buildZone(zoneFacts(store, { dnsAddress: "10.96.0.10", dnsDomain }));
}

/** The zone that most tests ask: a dual-stack ClusterIP Service, headless ones, external names. */
export function shopZone(): Zone {
  return zoneOf({
    services: [
      service("web", {
        clusterIP: "10.96.0.20",
        clusterIPs: ["10.96.0.20", "fd00:96::20"],
        ports: [
          { name: "http", port: 80, protocol: "TCP" },
          { name: "metrics", port: 9090 },
        ],
      }),
      service("db", { clusterIP: "None", ports: [{ name: "sql", port: 5432 }] }),
      service("nobody", { clusterIP: "None", ports: [{ name: "sql", port: 5432 }] }),
      service("portless", { clusterIP: "None" }),
      service("outside", { type: "ExternalName", externalName: "www.example.com" }),
      service("inside", { type: "ExternalName", externalName: "db.shop.svc.cluster.local." }),
      service("loop", { type: "ExternalName", externalName: "pool.shop.svc.cluster.local" }),
      service("pool", { type: "ExternalName", externalName: "loop.shop.svc.cluster.local" }),
      service("address", { type: "ExternalName", externalName: "192.0.2.1" }),
    ],
    endpointSlices: [
      slice("web", [{ addresses: ["10.244.1.2"], conditions: { ready: true } }]),
      slice(
        "db",
        [
          { addresses: ["10.244.1.3"], conditions: { ready: true }, hostname: "db-0" },
          { addresses: ["10.244.2.3"], conditions: {} },
          { addresses: ["10.244.2.4"], conditions: { ready: false, serving: true, terminating: true } },
        ],
        [{ name: "sql", port: 5433 }],
      ),
      slice("nobody", [{ addresses: ["10.244.2.9"], conditions: { ready: false } }]),
      slice("portless", [{ addresses: ["10.244.3.3"], conditions: { ready: true } }], []),
    ],
  });
}

/** A zone with one headless Service, `many`, of so many endpoints. */
export function manyEndpoints(count: number): Zone {
  const endpoints = Array.from({ length: count }, (_, index) => ({ addresses: [`10.244.1.${index + 1}`] }));
  return zoneOf({
    services: [service("many", { clusterIP: "None", ports: [{ name: "http", port: 80 }] })],
    endpointSlices: [slice("many", endpoints)],
  });
}
