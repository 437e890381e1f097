import type { EndpointSlice, Service } from "../../kube/types.ts";
import type { ObjectStore } from "../store/store.ts";

/** A port of a Service or of its endpoints, as SRV records need it. */
export interface PortFacts {
  name: string;
  protocol: string;
  port: number;
}

/** A Service as cluster DNS sees it. */
export interface ServiceFacts {
  name: string;
  namespace: string;
  kind: "cluster-ip" | "headless" | "external-name";
  clusterIPs: string[];
  externalName?: string;
  ports: PortFacts[];
  /** Ready endpoints only; `hostname` is set where the pod (hostname and subdomain) or the user gave one. */
  endpoints: { address: string; hostname?: string; ports: PortFacts[] }[];
}

/** What cluster DNS answers from, as plain data, of one version of the store. */
export interface ZoneFacts {
  version: number;
  /** Without a dot at the end: `cluster.local`. */
  domain: string;
  dnsAddress: string;
  namespaces: string[];
  services: ServiceFacts[];
}

/** Kinds whose changes change {@link zoneFacts}. */
export const ZONE_KINDS = ["Namespace", "Service", "EndpointSlice"] as const;

/** Reads the zone's content from the store; endpoints come from EndpointSlices, as CoreDNS takes them. */
export function zoneFacts(store: ObjectStore, cluster: { dnsAddress: string; dnsDomain: string }): ZoneFacts {
  const slices = new Map<string, EndpointSlice[]>();
  for (const slice of store.list("EndpointSlice")) {
    const key = `${slice.metadata.namespace}/${slice.metadata.labels?.["kubernetes.io/service-name"]}`;
    const present = slices.get(key);
    if (present === undefined) slices.set(key, [slice]);
    else present.push(slice);
  }
  return {
    version: store.version,
    domain: cluster.dnsDomain.toLowerCase(),
    dnsAddress: cluster.dnsAddress,
    namespaces: store.list("Namespace").map(({ metadata }) => metadata.name),
    services: store
      .list("Service")
      .map((service) =>
        serviceFacts(service, slices.get(`${service.metadata.namespace}/${service.metadata.name}`) ?? []),
      ),
  };
}

function serviceFacts(service: Service, slices: readonly EndpointSlice[]): ServiceFacts {
  const { spec, metadata } = service;
  const base = { name: metadata.name, namespace: metadata.namespace ?? "default" };
  if (spec.type === "ExternalName")
    return {
      ...base,
      kind: "external-name",
      clusterIPs: [],
      externalName: spec.externalName ?? "",
      ports: [],
      endpoints: [],
    };
  const isHeadless = spec.clusterIP === "None";
  return {
    ...base,
    kind: isHeadless ? "headless" : "cluster-ip",
    clusterIPs: isHeadless ? [] : (spec.clusterIPs ?? []),
    ports: (spec.ports ?? []).map(({ name = "", protocol = "TCP", port }) => ({ name, protocol, port })),
    endpoints: slices.flatMap(endpointsOf),
  };
}

function endpointsOf(slice: EndpointSlice): ServiceFacts["endpoints"] {
  // Names cannot stand in address records.
  if (slice.addressType === "FQDN") return [];
  const ports = (slice.ports ?? []).map(({ name = "", protocol = "TCP", port = 0 }) => ({ name, protocol, port }));
  return slice.endpoints
    .filter(({ conditions }) => conditions?.ready !== false)
    .flatMap(({ addresses, hostname }) =>
      addresses.map((address) => ({ address, ...(hostname === undefined ? {} : { hostname }), ports })),
    );
}
