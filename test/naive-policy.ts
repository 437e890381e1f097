import { isIPv4 } from "node:net";
import type { LabelSelector, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from "../src/kube/types.ts";

/**
 * A second reading of the NetworkPolicy text, slow and plain, to hold the oracle to account. It shares nothing with it:
 * selectors and CIDRs are read anew. IPv4, pods under policy and outside addresses only.
 */
export interface NaivePod {
  namespace: string;
  name: string;
  labels: Record<string, string>;
  address: string;
  ports: { name?: string; containerPort: number; protocol: string }[];
}

export interface NaiveWorld {
  namespaces: Record<string, Record<string, string>>;
  policies: NetworkPolicy[];
}

/** An end; without a pod it is outside the cluster. */
export interface NaiveEnd {
  pod?: NaivePod;
  address: string;
}

/** A new connection. */
export interface NaiveFlow {
  from: NaiveEnd;
  to: NaiveEnd;
  port: number;
  protocol: string;
}

/** Whether the policies let `from` open a connection to a port of `to`. */
export function naiveAllows(world: NaiveWorld, from: NaiveEnd, to: NaiveEnd, port: number, protocol: string): boolean {
  const flow = { from, to, port, protocol };
  return naiveSide(world, flow, "Egress") !== "blocked" && naiveSide(world, flow, "Ingress") !== "blocked";
}

/** What the policies of one end say; "open" where none isolates it. */
export function naiveSide(
  world: NaiveWorld,
  { from, to, port, protocol }: NaiveFlow,
  direction: "Ingress" | "Egress",
): "open" | "allowed" | "blocked" {
  const portMatches = (item: NetworkPolicyPort, canBeNamed: boolean): boolean => {
    if ((item.protocol ?? "TCP") !== protocol) return false;
    if (item.port === undefined) return true;
    if (typeof item.port === "number") return port >= item.port && port <= (item.endPort ?? item.port);
    if (!canBeNamed || to.pod === undefined) return false;
    for (const declared of to.pod.ports) {
      if (declared.name === item.port && declared.protocol === protocol && declared.containerPort === port) return true;
    }
    return false;
  };

  const peerMatches = (peer: NetworkPolicyPeer, policyNamespace: string, other: NaiveEnd): boolean => {
    if (peer.ipBlock !== undefined) {
      if (!inCidr(other.address, peer.ipBlock.cidr)) return false;
      for (const except of peer.ipBlock.except ?? []) if (inCidr(other.address, except)) return false;
      return true;
    }
    if (other.pod === undefined) return false;
    if (peer.namespaceSelector === undefined) {
      if (other.pod.namespace !== policyNamespace) return false;
    } else if (!selects(peer.namespaceSelector, labelsOfNamespace(world, other.pod.namespace))) return false;
    return peer.podSelector === undefined || selects(peer.podSelector, other.pod.labels);
  };

  const { pod: own } = direction === "Ingress" ? to : from;
  const other = direction === "Ingress" ? from : to;
  if (own === undefined) return "open";
  let isIsolated = false;
  for (const policy of world.policies) {
    const { spec } = policy;
    if (policy.metadata.namespace !== own.namespace || !selects(spec.podSelector, own.labels)) continue;
    let types: string[] = spec.policyTypes ?? [];
    if (types.length === 0)
      types = spec.egress !== undefined && spec.egress.length > 0 ? ["Ingress", "Egress"] : ["Ingress"];
    if (!types.includes(direction)) continue;
    isIsolated = true;
    const rules =
      direction === "Ingress"
        ? (spec.ingress ?? []).map((rule) => ({ peers: rule.from, ports: rule.ports }))
        : (spec.egress ?? []).map((rule) => ({ peers: rule.to, ports: rule.ports }));
    for (const { peers, ports } of rules) {
      const anyPeer = peers === undefined || peers.length === 0;
      const anyPort = ports === undefined || ports.length === 0;
      const matching = (peers ?? []).filter((peer) => peerMatches(peer, own.namespace, other));
      if (!anyPeer && matching.length === 0) continue;
      const canBeNamed = direction === "Ingress" || anyPeer || matching.some((peer) => peer.ipBlock === undefined);
      if (anyPort || ports.some((item) => portMatches(item, canBeNamed))) return "allowed";
    }
  }
  return isIsolated ? "blocked" : "open";
}

/** A namespace's labels, its name among them. */
export function labelsOfNamespace(world: NaiveWorld, name: string): Record<string, string> {
  return { ...world.namespaces[name], "kubernetes.io/metadata.name": name };
}

/** Whether a selector picks labels. */
export function selects(selector: LabelSelector, labels: Record<string, string>): boolean {
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) if (labels[key] !== value) return false;
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const isThere = key in labels;
    const isListed = isThere && values.includes(labels[key] as string);
    if (operator === "In" && !isListed) return false;
    if (operator === "NotIn" && isListed) return false;
    if (operator === "Exists" && !isThere) return false;
    if (operator === "DoesNotExist" && isThere) return false;
  }
  return true;
}

/** Whether an IPv4 address is in a network. */
export function inCidr(address: string, cidr: string): boolean {
  const [base = "", length = ""] = cidr.split("/");
  if (!isIPv4(address) || !isIPv4(base)) throw new Error(`not IPv4: ${address}, ${cidr}`);
  const bits = (text: string): string =>
    text
      .split(".")
      .map((octet) => Number(octet).toString(2).padStart(8, "0"))
      .join("");
  return bits(address).startsWith(bits(base).slice(0, Number(length)));
}
