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
  nodePort?: ExternalPort;
}

/** What comes to a node port, by externalTrafficPolicy. */
export type ExternalPort = Pick<ServicePortBackends, "port" | "backends" | "withoutBackends" | "isLocal">;

const PROTOCOL_WORDS = { TCP: "tcp", UDP: "udp", SCTP: "sctp" } as const;

const SERVICE_NAME_LABEL = "kubernetes.io/service-name";

function clusterIpOf({ spec }: Service, family: Family): string | undefined {
  if (spec.type === "ExternalName") return undefined;
  const addresses = spec.clusterIPs ?? (spec.clusterIP === undefined ? [] : [spec.clusterIP]);
  return addresses.find((address) => address !== "" && address !== "None" && familyOf(address) === family);
}

interface Candidate extends Backend {
  isReady: boolean;
  isServingTerminating: boolean;
  isLocal: boolean;
}

function candidates(slices: readonly EndpointSlice[], portName: string, protocol: Protocol, node: string): Candidate[] {
  return slices.flatMap((slice) => {
    const found = (slice.ports ?? []).find(
      (port) => (port.name ?? "") === portName && (port.protocol ?? "TCP") === protocol,
    );
    const port = found?.port;
    if (port === undefined) return [];
    return slice.endpoints.flatMap(({ addresses, conditions, nodeName }) =>
      addresses.slice(0, 1).map((address) => ({
        address: canonicalAddress(address),
        port,
        isReady: conditions?.ready !== false,
        isServingTerminating: conditions?.serving === true && conditions.terminating === true,
        isLocal: nodeName === node,
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

/** The backends that a traffic policy leaves: Local keeps to the node's own. */
function byPolicy(all: readonly Candidate[], policy: unknown): Omit<ExternalPort, "port"> {
  const isLocal = policy === "Local";
  return {
    backends: usable(isLocal ? all.filter((candidate) => candidate.isLocal) : all),
    withoutBackends: isLocal && usable(all).length > 0 ? "drop" : "reject",
    isLocal,
  };
}

function affinityOf({ spec }: Service): number | undefined {
  if (spec.sessionAffinity !== "ClientIP") return undefined;
  const config = spec["sessionAffinityConfig"] as { clientIP?: { timeoutSeconds?: number } } | undefined;
  return config?.clientIP?.timeoutSeconds ?? 10_800;
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
export function dependsOnNode({ spec }: Service): boolean {
  return spec["externalTrafficPolicy"] === "Local" || spec["internalTrafficPolicy"] === "Local";
}

/**
 * Every ClusterIP port of a Service in the family, in their order. Headless and ExternalName Services have none. Throws
 * BAD_ADDRESS. `node` decides where the Service {@link dependsOnNode}.
 */
export function servicePorts({ service, slices }: ServiceSlices, family: Family, node: string): ServicePortBackends[] {
  const found = clusterIpOf(service, family);
  if (found === undefined) return [];
  const clusterIp = canonicalAddress(found);
  const namespace = service.metadata.namespace ?? "default";
  const affinitySeconds = affinityOf(service);
  return (service.spec.ports ?? []).map(({ name = "", protocol = "TCP", port, nodePort }): ServicePortBackends => {
    const all = candidates(slices, name, protocol, node);
    const external = byPolicy(all, service.spec["externalTrafficPolicy"]);
    return {
      namespace,
      service: service.metadata.name,
      portName: name,
      protocol: PROTOCOL_WORDS[protocol],
      clusterIp,
      port,
      ...byPolicy(all, service.spec["internalTrafficPolicy"]),
      ...(affinitySeconds === undefined ? {} : { affinitySeconds }),
      ...(nodePort === undefined ? {} : { nodePort: { port: nodePort, ...external } }),
    };
  });
}
