import type { AdminPeer, AdminSubject } from "../../kube/admin-policy-types.ts";
import { isHostNetwork, isPodTerminal, podAddresses } from "../../kube/pods.ts";
import { formatSelector, matchesSelector, namespaceLabels } from "../../kube/selectors.ts";
import type { Namespace, NetworkPolicyPeer, Pod } from "../../kube/types.ts";
import { familyOf, formatRange, rangeOf, subtractRanges, unionRanges } from "./address-ranges.ts";
import type { AddressRange, Family } from "./address-ranges.ts";

/** A pod that a policy can name: one with addresses of its own. */
export interface PolicyPod {
  namespace: string;
  name: string;
  pod: Pod;
  addresses: { text: string; family: Family; range: AddressRange }[];
}

/** The cluster as policies see it. */
export interface PolicyWorld {
  pods: readonly PolicyPod[];
  /** Labels of each namespace, its name's label included. */
  namespaces: ReadonlyMap<string, Record<string, string>>;
  nodes: readonly PolicyNode[];
}

/** A node as peers of cluster-wide policies pick it: by its labels, and by every address of it. */
export interface PolicyNode {
  labels: Record<string, string>;
  addresses: readonly string[];
}

/**
 * Pods on their node's own network and pods that have ended are left out: the former are no pods to a CNI, the latter's
 * addresses may already belong to others. A namespace without an object has the label of its name alone.
 */
export function policyWorld(
  pods: readonly Pod[],
  namespaces: readonly Namespace[],
  nodes: readonly PolicyNode[],
): PolicyWorld {
  const labels = new Map(
    namespaces.map(({ metadata }) => [metadata.name, namespaceLabels(metadata.name, metadata.labels)]),
  );
  const named: PolicyPod[] = [];
  for (const pod of pods) {
    if (isHostNetwork(pod) || isPodTerminal(pod)) continue;
    const namespace = pod.metadata.namespace ?? "default";
    if (!labels.has(namespace)) labels.set(namespace, namespaceLabels(namespace, undefined));
    const addresses = podAddresses(pod).map((address) => {
      const family = familyOf(address);
      const range = rangeOf(address);
      return { text: formatRange(family, range), family, range };
    });
    named.push({ namespace, name: pod.metadata.name, pod, addresses });
  }
  return { pods: named, namespaces: labels, nodes };
}

/**
 * Whether a peer names the pod by selectors: podSelector alone looks in the policy's namespace, namespaceSelector alone
 * takes all pods of the namespaces it matches, both together must both match (networking.k8s.io/v1 NetworkPolicyPeer).
 */
function selectsPod(
  peer: NetworkPolicyPeer,
  policyNamespace: string,
  candidate: PolicyPod,
  world: PolicyWorld,
): boolean {
  if (peer.podSelector === undefined && peer.namespaceSelector === undefined) return false;
  const isInNamespace =
    peer.namespaceSelector === undefined
      ? candidate.namespace === policyNamespace
      : matchesSelector(peer.namespaceSelector, world.namespaces.get(candidate.namespace));
  return (
    isInNamespace &&
    (peer.podSelector === undefined || matchesSelector(peer.podSelector, candidate.pod.metadata.labels))
  );
}

/** Whether the subject or peer of a cluster-wide policy picks the pod by its labels and its namespace's. */
export function selectsByAdmin({ namespaces, pods }: AdminSubject, candidate: PolicyPod, world: PolicyWorld): boolean {
  const ofNamespace = world.namespaces.get(candidate.namespace);
  if (namespaces !== undefined) return matchesSelector(namespaces, ofNamespace);
  if (pods === undefined) return false;
  return (
    matchesSelector(pods.namespaceSelector ?? {}, ofNamespace) &&
    matchesSelector(pods.podSelector, candidate.pod.metadata.labels)
  );
}

type Ranges = Record<Family, AddressRange[]>;

/** Elements of a set a family. */
function elementsOf(ranges: Ranges): Record<Family, string[]> {
  const format = (family: Family): string[] => unionRanges(ranges[family]).map((range) => formatRange(family, range));
  return { ip: format("ip"), ip6: format("ip6") };
}

/** Elements for an address set of each family: the union of what the peers name, `except` taken out of its own block only. */
export function peerElements(
  peers: readonly NetworkPolicyPeer[],
  policyNamespace: string,
  world: PolicyWorld,
): Record<Family, string[]> {
  const ranges: Ranges = { ip: [], ip6: [] };
  for (const peer of peers) {
    if (peer.ipBlock !== undefined) {
      const { cidr, except = [] } = peer.ipBlock;
      ranges[familyOf(cidr)].push(...subtractRanges(rangeOf(cidr), except.map(rangeOf)));
      continue;
    }
    for (const candidate of world.pods) {
      if (!selectsPod(peer, policyNamespace, candidate, world)) continue;
      for (const { family, range } of candidate.addresses) ranges[family].push(range);
    }
  }
  return elementsOf(ranges);
}

/**
 * The same for peers of cluster-wide policies. Nodes stand for their addresses, whoever answers there; `domainNames` is refused where
 * manifests are checked, and names nobody here.
 */
export function adminPeerElements(peers: readonly AdminPeer[], world: PolicyWorld): Record<Family, string[]> {
  const ranges: Ranges = { ip: [], ip6: [] };
  for (const peer of peers) {
    for (const candidate of world.pods) {
      if (!selectsByAdmin(peer, candidate, world)) continue;
      for (const { family, range } of candidate.addresses) ranges[family].push(range);
    }
    for (const cidr of peer.networks ?? []) ranges[familyOf(cidr)].push(rangeOf(cidr));
    const { nodes } = peer;
    if (nodes === undefined) continue;
    for (const { labels, addresses } of world.nodes) {
      if (!matchesSelector(nodes, labels)) continue;
      for (const address of addresses) ranges[familyOf(address)].push(rangeOf(address));
    }
  }
  return elementsOf(ranges);
}

/** One line for the set's comment. */
export function describePeers(peers: readonly NetworkPolicyPeer[], policyNamespace: string): string {
  return peers.map((peer) => describePeer(peer, policyNamespace)).join(" or ");
}

function describePeer({ ipBlock, podSelector, namespaceSelector }: NetworkPolicyPeer, policyNamespace: string): string {
  if (ipBlock !== undefined) {
    return ipBlock.except === undefined ? ipBlock.cidr : `${ipBlock.cidr} but ${ipBlock.except.join(",")}`;
  }
  const where = namespaceSelector === undefined ? policyNamespace : formatSelector(namespaceSelector);
  return `${where}/${podSelector === undefined ? "<all>" : formatSelector(podSelector)}`;
}

/** {@link describePeers} of a cluster-wide policy. */
export function describeAdminPeers(peers: readonly AdminPeer[]): string {
  return peers.map(describeAdminPeer).join(" or ");
}

function describeAdminPeer({ namespaces, pods, nodes, networks }: AdminPeer): string {
  if (namespaces !== undefined) return `${formatSelector(namespaces)}/<all>`;
  if (pods !== undefined) return `${formatSelector(pods.namespaceSelector ?? {})}/${formatSelector(pods.podSelector)}`;
  return nodes === undefined ? (networks ?? []).join(",") : `nodes ${formatSelector(nodes)}`;
}
