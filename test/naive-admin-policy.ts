import type { AdminPeer, AdminPolicy, AdminRule } from "../src/kube/admin-policy-types.ts";
import {
  inCidr,
  labelsOfNamespace,
  type NaiveEnd,
  type NaiveFlow,
  type NaivePod,
  naiveSide,
  type NaiveWorld,
  selects,
} from "./naive-policy.ts";

/** A world with cluster-wide policies and the nodes that they may pick. */
export interface NaiveAdminWorld extends NaiveWorld {
  adminPolicies: AdminPolicy[];
  nodes: { address: string; labels: Record<string, string> }[];
}

/**
 * A second reading of policy.networking.k8s.io, slow and plain, that shares nothing with the oracle: the Admin tier by
 * priority, then NetworkPolicies, then the Baseline tier. Equal priorities go by name, as docs/policy.md says.
 */
export function naiveAllowsWithAdmin(world: NaiveAdminWorld, flow: NaiveFlow): boolean {
  for (const direction of ["Egress", "Ingress"] as const) {
    const own = direction === "Egress" ? flow.from.pod : flow.to.pod;
    if (own !== undefined && !sideAllows(world, flow, own, direction)) return false;
  }
  return true;
}

function sideAllows(world: NaiveAdminWorld, flow: NaiveFlow, own: NaivePod, direction: "Ingress" | "Egress"): boolean {
  const admin = firstAction(world, flow, own, direction, "Admin");
  if (admin === "Deny") return false;
  if (admin === "Allow") return true;
  const ofNetworkPolicies = naiveSide(world, flow, direction);
  if (ofNetworkPolicies !== "open") return ofNetworkPolicies === "allowed";
  return firstAction(world, flow, own, direction, "Baseline") !== "Deny";
}

function firstAction(
  world: NaiveAdminWorld,
  flow: NaiveFlow,
  own: NaivePod,
  direction: "Ingress" | "Egress",
  tier: "Admin" | "Baseline",
): "Allow" | "Deny" | "Pass" | undefined {
  const ofTier = world.adminPolicies.filter(({ kind, spec }) => {
    if (kind === "ClusterNetworkPolicy") return spec.tier === tier;
    return (kind === "AdminNetworkPolicy") === (tier === "Admin");
  });
  ofTier.sort((a, b) => {
    const [one = 9999, two = 9999] = [a.spec.priority, b.spec.priority];
    if (one !== two) return one - two;
    return a.metadata.name < b.metadata.name ? -1 : 1;
  });
  for (const { spec } of ofTier) {
    if (!isPicked(world, spec.subject, { pod: own, address: own.address })) continue;
    for (const rule of (direction === "Ingress" ? spec.ingress : spec.egress) ?? []) {
      if (matches(world, rule, flow, direction)) return rule.action === "Accept" ? "Allow" : rule.action;
    }
  }
  return undefined;
}

function matches(world: NaiveAdminWorld, rule: AdminRule, flow: NaiveFlow, direction: "Ingress" | "Egress"): boolean {
  const other = direction === "Ingress" ? flow.from : flow.to;
  const peers = (direction === "Ingress" ? rule.from : rule.to) ?? [];
  if (!peers.some((peer) => isPicked(world, peer, other))) return false;
  if (rule.ports === undefined && rule.protocols === undefined) return true;
  const { port, protocol, to } = flow;
  const isNamed = (name: string): boolean =>
    (to.pod?.ports ?? []).some(
      (each) => each.name === name && each.containerPort === port && each.protocol === protocol,
    );
  for (const { portNumber, portRange, namedPort } of rule.ports ?? []) {
    if (portNumber !== undefined && (portNumber.protocol ?? "TCP") === protocol && portNumber.port === port)
      return true;
    if (portRange !== undefined && (portRange.protocol ?? "TCP") === protocol) {
      if (portRange.start <= port && port <= portRange.end) return true;
    }
    if (namedPort !== undefined && isNamed(namedPort)) return true;
  }
  for (const { tcp, udp, sctp, destinationNamedPort } of rule.protocols ?? []) {
    const match = protocol === "TCP" ? tcp : protocol === "UDP" ? udp : sctp;
    const { number, range } = match?.destinationPort ?? {};
    if (number === port) return true;
    if (range !== undefined && range.start <= port && port <= range.end) return true;
    if (destinationNamedPort !== undefined && isNamed(destinationNamedPort)) return true;
  }
  return false;
}

function isPicked(world: NaiveAdminWorld, peer: AdminPeer, { pod, address }: NaiveEnd): boolean {
  if (peer.networks !== undefined) return peer.networks.some((network) => inCidr(address, network));
  const { nodes } = peer;
  if (nodes !== undefined) return world.nodes.some((node) => node.address === address && selects(nodes, node.labels));
  if (pod === undefined) return false;
  const ofNamespace = labelsOfNamespace(world, pod.namespace);
  if (peer.namespaces !== undefined) return selects(peer.namespaces, ofNamespace);
  if (peer.pods === undefined) return false;
  return selects(peer.pods.namespaceSelector ?? {}, ofNamespace) && selects(peer.pods.podSelector, pod.labels);
}
