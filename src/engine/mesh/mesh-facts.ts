import { isHostNetwork, isPodTerminal, podAddresses } from "../../kube/pods.ts";
import { splitApiVersion } from "../../kube/group-version.ts";
import {
  MESH_KINDS,
  type AuthorizationPolicy,
  type DestinationRule,
  type MeshKind,
  type PeerAuthentication,
  type VirtualService,
} from "../../kube/mesh/mesh-types.ts";
import type { EndpointSlice, KubeObject, Pod, Service } from "../../kube/types.ts";
import type { ObjectStore } from "../store/store.ts";
import { isInjected } from "./injection.ts";
import { portProtocol, type PortProtocol } from "./port-protocol.ts";

/** Where a port of a Service leads: a ready endpoint. */
export interface MeshEndpoint {
  address: string;
  port: number;
}

export interface MeshPort {
  port: number;
  name: string;
  protocol: PortProtocol;
  endpoints: MeshEndpoint[];
}

export interface MeshService {
  name: string;
  namespace: string;
  /** Cluster IPs; none of a headless Service. */
  addresses: string[];
  ports: MeshPort[];
}

/** A pod with a network of its own. */
export interface Workload {
  name: string;
  namespace: string;
  addresses: string[];
  labels: Record<string, string>;
  serviceAccount: string;
  hasSidecar: boolean;
}

/** What every sidecar is told, as istiod tells it: plain data, posted to the servers' thread. */
export interface MeshFacts {
  /** Of the store. */
  version: number;
  /** The cluster's DNS domain. */
  domain: string;
  services: MeshService[];
  workloads: Workload[];
  virtualServices: VirtualService[];
  destinationRules: DestinationRule[];
  peerAuthentications: PeerAuthentication[];
  authorizationPolicies: AuthorizationPolicy[];
}

/** What the store files a kind of the mesh under. */
export function meshKey(kind: MeshKind): string {
  return `${kind}.${splitApiVersion(MESH_KINDS[kind])[0]}`;
}

/** A change of one of these may change {@link meshFacts}. */
export const MESH_FACT_KINDS: readonly string[] = [
  "Service",
  "EndpointSlice",
  "Pod",
  ...(Object.keys(MESH_KINDS) as MeshKind[]).map(meshKey),
];

export function meshFacts(store: ObjectStore, domain: string): MeshFacts {
  return {
    version: store.version,
    domain,
    services: store.list("Service").flatMap((service) => serviceFacts(service, store)),
    workloads: store.list("Pod").flatMap(workloadFacts),
    virtualServices: oldestFirst(store, "VirtualService"),
    destinationRules: oldestFirst(store, "DestinationRule"),
    peerAuthentications: oldestFirst(store, "PeerAuthentication"),
    authorizationPolicies: oldestFirst(store, "AuthorizationPolicy"),
  };
}

/** Of two objects about the same thing Istio takes the older one. */
function oldestFirst<Kind extends KubeObject>(store: ObjectStore, kind: MeshKind): Kind[] {
  const objects = store.all({ kind: meshKey(kind) }).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  return objects.toSorted((one, other) => rank(one).localeCompare(rank(other))) as Kind[];
}

function rank({ metadata: { creationTimestamp = "", namespace = "", name } }: KubeObject): string {
  return `${creationTimestamp} ${namespace}/${name}`;
}

function serviceFacts({ metadata, spec }: Service, store: ObjectStore): MeshService[] {
  const { name, namespace = "default" } = metadata;
  if (spec.type === "ExternalName") return [];
  const addresses = (spec.clusterIPs ?? [spec.clusterIP ?? ""]).filter((ip) => ip !== "" && ip !== "None");
  // Of two families the first; a client that chose the endpoint itself may have chosen either.
  const family = addresses[0]?.includes(":") === true ? "IPv6" : "IPv4";
  const slices = store
    .indexed("EndpointSlice", `${namespace}/${name}`)
    .filter(({ addressType }) => addresses.length === 0 || addressType === family);
  const ports = (spec.ports ?? [])
    .filter(({ protocol = "TCP" }) => protocol === "TCP")
    .map((port): MeshPort => {
      const portName = port.name ?? "";
      const protocol = portProtocol(port);
      return {
        port: port.port,
        name: portName,
        protocol,
        endpoints: slices.flatMap((slice) => ready(slice, portName)),
      };
    });
  return [{ name, namespace, addresses, ports }];
}

function ready({ endpoints, ports }: EndpointSlice, name: string): MeshEndpoint[] {
  const port = ports?.find((each) => (each.name ?? "") === name && (each.protocol ?? "TCP") === "TCP")?.port;
  if (port === undefined) return [];
  return endpoints
    .filter(({ conditions }) => conditions?.ready ?? true)
    .flatMap(({ addresses: [address] }) => (address === undefined ? [] : [{ address, port }]));
}

function workloadFacts(pod: Pod): Workload[] {
  const addresses = podAddresses(pod);
  if (addresses.length === 0 || isHostNetwork(pod) || isPodTerminal(pod)) return [];
  const { name, namespace = "default", labels = {} } = pod.metadata;
  const serviceAccount = serviceAccountOf(pod);
  return [{ name, namespace, addresses, labels, serviceAccount, hasSidecar: isInjected(pod) }];
}

export function serviceAccountOf({ spec }: Pod): string {
  const { serviceAccountName } = spec as { serviceAccountName?: string };
  return serviceAccountName === undefined || serviceAccountName === "" ? "default" : serviceAccountName;
}
