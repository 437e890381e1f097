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
}

/**
 * Pods on their node's own network and pods that have ended are left out: the former are no pods to a CNI, the latter's
 * addresses may already belong to others. A namespace without an object has the label of its name alone.
 */
export function policyWorld(pods: readonly Pod[], namespaces: readonly Namespace[]): PolicyWorld {
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
  return { pods: named, namespaces: labels };
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

/** Elements for an address set of each family: the union of what the peers name, `except` taken out of its own block only. */
export function peerElements(
  peers: readonly NetworkPolicyPeer[],
  policyNamespace: string,
  world: PolicyWorld,
): Record<Family, string[]> {
  const ranges: Record<Family, AddressRange[]> = { ip: [], ip6: [] };
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
  const format = (family: Family): string[] => unionRanges(ranges[family]).map((range) => formatRange(family, range));
  return { ip: format("ip"), ip6: format("ip6") };
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
