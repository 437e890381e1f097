import type { EndpointSlice, Protocol, Service } from "../../kube/types.ts";
import { canonicalAddress, familyOf } from "./address-ranges.ts";
import type { Family } from "./address-ranges.ts";

export interface Backend {
  address: string;
  port: number;
}

/** One port of one Service in one address family, with what answers for it. */
export interface ServicePortBackends {
  namespace: string;
  service: string;
  portName: string;
  protocol: Lowercase<Protocol>;
  clusterIp: string;
  port: number;
  /** Sorted, without duplicates. */
  backends: Backend[];
  /** What becomes of packets when there is no backend: a local-only Service that has some elsewhere stays silent. */
  withoutBackends: "reject" | "drop";
  /** Whether the ClusterIP keeps to the node's own endpoints (internalTrafficPolicy). */
  isLocal: boolean;
  /** How long a client is sent to the same backend; absent without sessionAffinity. */
  affinitySeconds?: number;
  /** Absent where nothing but the ClusterIP leads here. */
  external?: ExternalEntrance;
}

/** Where callers of outside the cluster come in, by externalTrafficPolicy. */
export interface ExternalEntrance extends Pick<ServicePortBackends, "backends" | "withoutBackends" | "isLocal"> {
  nodePort?: number;
  /** Of load balancers, and externalIPs; each is reached at the Service's own port. */
  addresses: readonly string[];
  /** Whom a load balancer's addresses are for (loadBalancerSourceRanges); absent: everybody. */
  guarded?: { addresses: readonly string[]; sources: readonly string[] };
}

const PROTOCOL_WORDS = { TCP: "tcp", UDP: "udp", SCTP: "sctp" } as const;

const SERVICE_NAME_LABEL = "kubernetes.io/service-name";

function clusterIpOf({ spec }: Service, family: Family): string | undefined {
  if (spec.type === "ExternalName") return undefined;
  const addresses = spec.clusterIPs ?? (spec.clusterIP === undefined ? [] : [spec.clusterIP]);
  return addresses.find((address) => address !== "" && address !== "None" && familyOf(address) === family);
}

/** The node that rules are for. */
export interface ProxyNode {
  name: string;
  /** Its topology.kubernetes.io/zone; absent: it has none. */
  zone?: string;
}

interface Candidate extends Backend {
  isReady: boolean;
  isServingTerminating: boolean;
  isLocal: boolean;
  forZones: readonly string[];
  forNodes: readonly string[];
}

function candidates(slices: readonly EndpointSlice[], portName: string, protocol: Protocol, node: string): Candidate[] {
  return slices.flatMap((slice) => {
    const found = (slice.ports ?? []).find(
      (port) => (port.name ?? "") === portName && (port.protocol ?? "TCP") === protocol,
    );
    const port = found?.port;
    if (port === undefined) return [];
    return slice.endpoints.flatMap(({ addresses, conditions, nodeName, hints }) =>
      addresses.slice(0, 1).map((address) => ({
        address: canonicalAddress(address),
        port,
        isReady: conditions?.ready !== false,
        isServingTerminating: conditions?.serving === true && conditions.terminating === true,
        isLocal: nodeName === node,
        forZones: (hints?.forZones ?? []).map(({ name }) => name),
        forNodes: (hints?.forNodes ?? []).map(({ name }) => name),
      })),
    );
  });
}

/** Ready endpoints; while there is none, those that still serve though they are terminating (KEP-1669). */
function usable(all: readonly Candidate[]): Backend[] {
  const ready = all.filter(({ isReady }) => isReady);
  const chosen = ready.length > 0 ? ready : all.filter(({ isServingTerminating }) => isServingTerminating);
  const byKey = new Map(chosen.map(({ address, port }) => [`${address}/${port}`, { address, port }]));
  return [...byKey].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, backend]) => backend);
}

/**
 * Those for callers of this node, else those for callers of its zone, else all: hints count where every ready endpoint has one, and where they leave
 * one (pkg/proxy/topology.go, topologyModeFromHints).
 */
function near(all: readonly Candidate[], { name, zone }: ProxyNode): readonly Candidate[] {
  const ready = all.filter(({ isReady }) => isReady);
  const hinted = (hint: "forNodes" | "forZones", place: string | undefined): readonly Candidate[] => {
    if (place === undefined || ready.some((candidate) => candidate[hint].length === 0)) return [];
    return ready.filter((candidate) => candidate[hint].includes(place));
  };
  const chosen = [hinted("forNodes", name), hinted("forZones", zone)].find((each) => each.length > 0);
  return chosen ?? all;
}

/** The backends that a traffic policy leaves: Local keeps to the node's own. */
function byPolicy(
  all: readonly Candidate[],
  policy: unknown,
  node: ProxyNode,
): Pick<ServicePortBackends, "backends" | "withoutBackends" | "isLocal"> {
  const isLocal = policy === "Local";
  return {
    backends: usable(isLocal ? all.filter((candidate) => candidate.isLocal) : near(all, node)),
    withoutBackends: isLocal && usable(all).length > 0 ? "drop" : "reject",
    isLocal,
  };
}

function affinityOf({ spec }: Service): number | undefined {
  if (spec.sessionAffinity !== "ClientIP") return undefined;
  const config = spec["sessionAffinityConfig"] as { clientIP?: { timeoutSeconds?: number } } | undefined;
  return config?.clientIP?.timeoutSeconds ?? 10_800;
}

/** An address that the load balancer itself answers for never comes to the nodes (LoadBalancerIngress.ipMode). */
function balancerAddresses({ spec, status }: Service, family: Family): string[] {
  if (spec.type !== "LoadBalancer") return [];
  return (status?.loadBalancer?.ingress ?? [])
    .flatMap(({ ip, ipMode }) => (ip === undefined || ipMode === "Proxy" ? [] : [canonicalAddress(ip)]))
    .filter((address) => familyOf(address) === family);
}

/** What leads to the Service from outside beside its node ports. */
function entranceOf(service: Service, family: Family): Pick<ExternalEntrance, "addresses" | "guarded"> {
  const { externalIPs = [], loadBalancerSourceRanges = [] } = service.spec;
  const balanced = balancerAddresses(service, family);
  const others = externalIPs.map(canonicalAddress).filter((address) => familyOf(address) === family);
  const sources = loadBalancerSourceRanges.map((range) => range.trim()).filter((range) => familyOf(range) === family);
  return {
    addresses: [...new Set([...balanced, ...others])],
    // Ranges of the other family alone shut this one's callers out, as kube-proxy does it.
    ...(loadBalancerSourceRanges.length === 0 || balanced.length === 0
      ? {}
      : { guarded: { addresses: balanced, sources } }),
  };
}

/** A Service with those of the slices that are its own, in the family. */
export interface ServiceSlices {
  service: Service;
  slices: readonly EndpointSlice[];
}

/** Every Service with its slices of the family, in the order of the Services. */
export function withSlices(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  family: Family,
): ServiceSlices[] {
  const addressType = family === "ip" ? "IPv4" : "IPv6";
  const slicesOf = new Map<string, EndpointSlice[]>();
  for (const slice of slices) {
    if (slice.addressType !== addressType) continue;
    const key = `${slice.metadata.namespace ?? "default"}/${slice.metadata.labels?.[SERVICE_NAME_LABEL] ?? ""}`;
    const known = slicesOf.get(key);
    if (known === undefined) slicesOf.set(key, [slice]);
    else known.push(slice);
  }
  return services.map((service) => ({
    service,
    slices: slicesOf.get(`${service.metadata.namespace ?? "default"}/${service.metadata.name}`) ?? [],
  }));
}

/** Whether the Service's endpoints are not the same ones on every node. */
export function dependsOnNode({ spec }: Service, slices: readonly EndpointSlice[]): boolean {
  if (spec["externalTrafficPolicy"] === "Local" || spec["internalTrafficPolicy"] === "Local") return true;
  return slices.some(hasHints);
}

/** Of slices that were looked at: objects of the store never change. */
const hinted = new WeakMap<EndpointSlice, boolean>();

/** Whether an endpoint of the slice is meant for some callers more than for others. */
export function hasHints(slice: EndpointSlice): boolean {
  let has = hinted.get(slice);
  if (has === undefined) {
    has = slice.endpoints.some(({ hints }) => hints !== undefined);
    hinted.set(slice, has);
  }
  return has;
}

/**
 * Every ClusterIP port of a Service in the family, in their order. Headless and ExternalName Services have none. Throws
 * BAD_ADDRESS. `node` decides where the Service {@link dependsOnNode}.
 */
export function servicePorts(
  { service, slices }: ServiceSlices,
  family: Family,
  node: ProxyNode,
): ServicePortBackends[] {
  const found = clusterIpOf(service, family);
  if (found === undefined) return [];
  const clusterIp = canonicalAddress(found);
  const namespace = service.metadata.namespace ?? "default";
  const affinitySeconds = affinityOf(service);
  const entrance = entranceOf(service, family);
  return (service.spec.ports ?? []).map(({ name = "", protocol = "TCP", port, nodePort }): ServicePortBackends => {
    const all = candidates(slices, name, protocol, node.name);
    const external = byPolicy(all, service.spec["externalTrafficPolicy"], node);
    return {
      namespace,
      service: service.metadata.name,
      portName: name,
      protocol: PROTOCOL_WORDS[protocol],
      clusterIp,
      port,
      ...byPolicy(all, service.spec["internalTrafficPolicy"], node),
      ...(affinitySeconds === undefined ? {} : { affinitySeconds }),
      ...(nodePort === undefined && entrance.addresses.length === 0
        ? {}
        : { external: { ...external, ...entrance, ...(nodePort === undefined ? {} : { nodePort }) } }),
    };
  });
}
