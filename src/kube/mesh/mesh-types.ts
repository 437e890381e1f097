import type { KubeObject } from "../types.ts";

/** Istio's own objects that are read here, as far as something reads them (istio.io/latest/docs/reference/config). */

export const NETWORKING_API = "networking.istio.io/v1";
export const SECURITY_API = "security.istio.io/v1";

/** Where objects are for the whole mesh (istio.io/latest/docs/reference/config/istio.mesh.v1alpha1, rootNamespace). */
export const ROOT_NAMESPACE = "istio-system";

export const MESH_KINDS = {
  VirtualService: NETWORKING_API,
  DestinationRule: NETWORKING_API,
  PeerAuthentication: SECURITY_API,
  AuthorizationPolicy: SECURITY_API,
} as const;
export type MeshKind = keyof typeof MESH_KINDS;

export function isMeshObject({ apiVersion, kind }: { apiVersion: string; kind: string }): boolean {
  return Object.hasOwn(MESH_KINDS, kind) && MESH_KINDS[kind as MeshKind] === apiVersion;
}

/** One of its fields; a regular expression is RE2's and has to match the whole text. */
export interface StringMatch {
  exact?: string;
  prefix?: string;
  regex?: string;
}

export interface HttpMatch {
  uri?: StringMatch;
  scheme?: StringMatch;
  method?: StringMatch;
  authority?: StringMatch;
  headers?: Record<string, StringMatch>;
  withoutHeaders?: Record<string, StringMatch>;
  queryParams?: Record<string, StringMatch>;
  port?: number;
  sourceLabels?: Record<string, string>;
  sourceNamespace?: string;
  gateways?: string[];
  ignoreUriCase?: boolean;
}

export interface Destination {
  host: string;
  subset?: string;
  port?: { number?: number };
}

export interface HeaderChanges {
  set?: Record<string, string>;
  add?: Record<string, string>;
  remove?: string[];
}

export interface HeaderOperations {
  request?: HeaderChanges;
  response?: HeaderChanges;
}

export interface WeightedDestination {
  destination: Destination;
  weight?: number;
  headers?: HeaderOperations;
}

export interface Retries {
  attempts?: number;
  perTryTimeout?: string;
  retryOn?: string;
}

export interface Fault {
  abort?: { httpStatus?: number; percentage?: { value?: number } };
  delay?: { fixedDelay?: string; percentage?: { value?: number } };
}

export interface HttpRoute {
  name?: string;
  match?: HttpMatch[];
  route?: WeightedDestination[];
  redirect?: { uri?: string; authority?: string; port?: number; scheme?: string; redirectCode?: number };
  directResponse?: { status: number; body?: { string?: string } };
  rewrite?: { uri?: string; authority?: string };
  timeout?: string;
  retries?: Retries;
  fault?: Fault;
  headers?: HeaderOperations;
}

export interface L4Match {
  destinationSubnets?: string[];
  port?: number;
  sourceLabels?: Record<string, string>;
  sourceNamespace?: string;
  gateways?: string[];
}

export interface TcpRoute {
  match?: L4Match[];
  route?: WeightedDestination[];
}

export interface VirtualService extends KubeObject {
  kind: "VirtualService";
  spec: { hosts?: string[]; gateways?: string[]; http?: HttpRoute[]; tcp?: TcpRoute[] };
}

export type BalancerName = "ROUND_ROBIN" | "RANDOM" | "LEAST_REQUEST";
export type ClientTlsMode = "DISABLE" | "ISTIO_MUTUAL";

export interface PortTrafficPolicy {
  port?: { number?: number };
  loadBalancer?: { simple?: BalancerName | "UNSPECIFIED" };
  tls?: { mode?: ClientTlsMode };
}

export interface TrafficPolicy extends Omit<PortTrafficPolicy, "port"> {
  portLevelSettings?: PortTrafficPolicy[];
}

export interface Subset {
  name: string;
  labels?: Record<string, string>;
  trafficPolicy?: TrafficPolicy;
}

export interface DestinationRule extends KubeObject {
  kind: "DestinationRule";
  spec: { host: string; trafficPolicy?: TrafficPolicy; subsets?: Subset[] };
}

export type MtlsMode = "STRICT" | "PERMISSIVE" | "DISABLE";

export interface MtlsSetting {
  mode?: MtlsMode | "UNSET";
}

export interface WorkloadSelector {
  matchLabels?: Record<string, string>;
}

export interface PeerAuthentication extends KubeObject {
  kind: "PeerAuthentication";
  spec?: { selector?: WorkloadSelector; mtls?: MtlsSetting; portLevelMtls?: Record<string, MtlsSetting> };
}

export interface AuthorizationSource {
  principals?: string[];
  notPrincipals?: string[];
  namespaces?: string[];
  notNamespaces?: string[];
  serviceAccounts?: string[];
  notServiceAccounts?: string[];
  ipBlocks?: string[];
  notIpBlocks?: string[];
}

export interface AuthorizationOperation {
  hosts?: string[];
  notHosts?: string[];
  ports?: string[];
  notPorts?: string[];
  methods?: string[];
  notMethods?: string[];
  paths?: string[];
  notPaths?: string[];
}

export interface AuthorizationCondition {
  key: string;
  values?: string[];
  notValues?: string[];
}

export interface AuthorizationRule {
  from?: { source?: AuthorizationSource }[];
  to?: { operation?: AuthorizationOperation }[];
  when?: AuthorizationCondition[];
}

export interface AuthorizationPolicy extends KubeObject {
  kind: "AuthorizationPolicy";
  spec?: { selector?: WorkloadSelector; action?: "ALLOW" | "DENY"; rules?: AuthorizationRule[] };
}

/** Keys of `when` that are known (istio.io/latest/docs/reference/config/security/conditions); of headers their beginning. */
export const CONDITION_KEYS = [
  "source.ip",
  "source.namespace",
  "source.principal",
  "source.serviceAccount",
  "destination.ip",
  "destination.port",
  "connection.sni",
] as const;
export const HEADER_KEY = /^request\.headers\[([^\]]+)\]$/;
