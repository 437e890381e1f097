import type {
  MeshEndpoint,
  MeshFacts,
  MeshPort,
  MeshService,
  Workload,
} from "../../../../src/engine/mesh/mesh-facts.ts";
import type {
  AuthorizationPolicy,
  DestinationRule,
  HttpRoute,
  PeerAuthentication,
  TrafficPolicy,
  VirtualService,
} from "../../../../src/kube/mesh/mesh-types.ts";

/* Objects of a small mesh: namespace shop with web in two versions, db, and a client. */

export function workload(name: string, address: string, labels: Record<string, string> = {}, more = {}): Workload {
  return {
    name,
    namespace: "shop",
    addresses: [address],
    labels,
    serviceAccount: "default",
    hasSidecar: true,
    ...more,
  };
}

export function port(number: number, endpoints: MeshEndpoint[], protocol: MeshPort["protocol"] = "http"): MeshPort {
  return { port: number, name: protocol, protocol, endpoints };
}

export function service(name: string, address: string, ports: MeshPort[]): MeshService {
  return { name, namespace: "shop", addresses: address === "" ? [] : [address], ports };
}

export const v1 = { address: "10.0.0.1", port: 8080 };
export const v2 = { address: "10.0.0.2", port: 8080 };

export function facts(more: Partial<MeshFacts> = {}): MeshFacts {
  return {
    version: 1,
    domain: "cluster.local",
    services: [
      service("web", "10.96.0.1", [port(80, [v1, v2])]),
      service("db", "10.96.0.2", [port(5432, [v1], "tcp")]),
    ],
    workloads: [
      workload("v1", "10.0.0.1", { app: "web", version: "v1" }),
      workload("v2", "10.0.0.2", { app: "web", version: "v2" }),
      workload("client", "10.0.0.9", { app: "client" }, { serviceAccount: "shopper" }),
    ],
    virtualServices: [],
    destinationRules: [],
    peerAuthentications: [],
    authorizationPolicies: [],
    ...more,
  };
}

export function peers(namespace: string, spec: PeerAuthentication["spec"] & object): PeerAuthentication {
  const metadata = { name: "p", namespace };
  return { apiVersion: "security.istio.io/v1", kind: "PeerAuthentication", metadata, spec };
}

export function rules(
  trafficPolicy: TrafficPolicy,
  versions: string[] = [],
  host = "web",
  namespace = "shop",
): DestinationRule {
  const subsets = versions.map((version) => ({ name: version, labels: { version } }));
  const metadata = { name: "web", namespace };
  const spec = { host, trafficPolicy, subsets };
  return { apiVersion: "networking.istio.io/v1", kind: "DestinationRule", metadata, spec };
}

export function routes(http: HttpRoute[], hosts = ["web"], more: Partial<VirtualService["spec"]> = {}): VirtualService {
  const metadata = { name: "web", namespace: "shop" };
  return { apiVersion: "networking.istio.io/v1", kind: "VirtualService", metadata, spec: { hosts, http, ...more } };
}

export function policy(spec: AuthorizationPolicy["spec"] & object, namespace = "shop"): AuthorizationPolicy {
  const metadata = { name: spec.action ?? "ALLOW", namespace };
  return { apiVersion: "security.istio.io/v1", kind: "AuthorizationPolicy", metadata, spec };
}
