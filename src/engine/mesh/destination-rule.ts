import { matchesLabels } from "../../kube/selectors.ts";
import {
  ROOT_NAMESPACE,
  type BalancerName,
  type ClientTlsMode,
  type DestinationRule,
  type PortTrafficPolicy,
  type Subset,
  type TrafficPolicy,
} from "../../kube/mesh/mesh-types.ts";
import { bestFit, fullHost, serviceHost } from "./host-names.ts";
import type { MeshEndpoint, MeshFacts, MeshPort, MeshService, Workload } from "./mesh-facts.ts";
import { mtlsMode } from "./mtls-mode.ts";

/** An endpoint with whether it is spoken to in mutual TLS. */
export interface UpstreamEndpoint extends MeshEndpoint {
  isMutual: boolean;
}

/** What Envoy calls a cluster: the endpoints that one destination means. */
export interface Cluster {
  /** As Istio names it, which is the name that TLS asks for, too. */
  name: string;
  balancer: BalancerName;
  endpoints: UpstreamEndpoint[];
}

/** Which workload has an address. */
export function workloadAt({ workloads }: Pick<MeshFacts, "workloads">, address: string): Workload | undefined {
  return workloads.find(({ addresses }) => addresses.includes(address));
}

/**
 * The rules for a Service as a client in this namespace has them: those of the client's namespace, else of the Service's, else of the
 * root namespace; all of the same host count together (istio.io/latest/docs/ops/best-practices/traffic-management).
 */
export function rulesFor(facts: MeshFacts, service: MeshService, clientNamespace: string): DestinationRule[] {
  const name = serviceHost(service, facts.domain);
  const hostOf = ({ metadata, spec }: DestinationRule): string =>
    fullHost(spec.host, metadata.namespace ?? "default", facts.domain);
  for (const namespace of [clientNamespace, service.namespace, ROOT_NAMESPACE]) {
    const rules = facts.destinationRules.filter(({ metadata }) => metadata.namespace === namespace);
    const best = bestFit(rules, name, (rule) => [hostOf(rule)]);
    if (best !== undefined) return rules.filter((rule) => hostOf(rule) === hostOf(best));
  }
  return [];
}

/** The endpoints of a Service's port, or of a subset of it; undefined where no rule has such a subset. */
export function clusterOf(
  facts: MeshFacts,
  { service, port, subset }: { service: MeshService; port: MeshPort; subset?: string | undefined },
  clientNamespace: string,
): Cluster | undefined {
  const rules = rulesFor(facts, service, clientNamespace);
  const meant = rules.flatMap(({ spec }) => spec.subsets ?? []).find(({ name }) => name === subset);
  if (subset !== undefined && meant === undefined) return undefined;
  const policies = [meant?.trafficPolicy, ...rules.map(({ spec }) => spec.trafficPolicy)];
  const setting = <Key extends "loadBalancer" | "tls">(key: Key): PortTrafficPolicy[Key] | undefined =>
    policies.map((policy) => settingOf(policy, port.port, key)).find((value) => value !== undefined);
  const simple = setting("loadBalancer")?.simple;
  const tls = setting("tls")?.mode;
  return {
    name: `outbound_.${port.port}_.${subset ?? ""}_.${serviceHost(service, facts.domain)}`,
    balancer: simple === undefined || simple === "UNSPECIFIED" ? "LEAST_REQUEST" : simple,
    endpoints: port.endpoints
      .filter(({ address }) => meant === undefined || isOf(meant, workloadAt(facts, address)))
      .map((endpoint) => ({ ...endpoint, isMutual: isMutual(facts, endpoint, tls) })),
  };
}

function settingOf<Key extends "loadBalancer" | "tls">(
  policy: TrafficPolicy | undefined,
  port: number,
  key: Key,
): PortTrafficPolicy[Key] | undefined {
  const ofPort = policy?.portLevelSettings?.find((each) => each.port?.number === port);
  // What is set for a port replaces all that is set beside it.
  return (ofPort ?? policy)?.[key];
}

function isOf({ labels }: Subset, workload: Workload | undefined): boolean {
  return workload !== undefined && matchesLabels(labels, workload.labels);
}

/**
 * Automatic mutual TLS: without a rule that says how, with endpoints that have a sidecar which takes it
 * (istio.io/latest/docs/ops/configuration/traffic-management/tls-configuration, auto mTLS).
 */
function isMutual(facts: MeshFacts, { address, port }: MeshEndpoint, mode: ClientTlsMode | undefined): boolean {
  if (mode !== undefined) return mode === "ISTIO_MUTUAL";
  const workload = workloadAt(facts, address);
  return workload?.hasSidecar === true && mtlsMode(facts.peerAuthentications, workload, port) !== "DISABLE";
}
