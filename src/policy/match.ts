import { cidrContains, type IpAddress } from "../core/ip.ts";
import { matchesSelector, namespaceLabels, type Labels } from "../kube/selectors.ts";
import type { CompiledPeer, CompiledPort, CompiledRule } from "./compile.ts";
import type { Party } from "./parties.ts";
import type { AdminRuleRef, OracleFlow, OraclePod, OracleWorld, RuleRef } from "./types.ts";

/** A rule of either sort of policy. */
export type AnyRule = CompiledRule<RuleRef | AdminRuleRef>;

/** Whether a rule's condition holds; `unknown` where it hangs on an address that the API leaves to the CNI. */
export type Truth = "yes" | "no" | "unknown";

/** Evaluates selectors once a class of pods: pods of one namespace with equal labels are alike to every policy. */
export interface PodClasses {
  /** Whether the peer's selectors pick the pod; what is no pod is picked by none. */
  picks(peer: PodPeer, pod: OraclePod | undefined): boolean;
}

/** Groups the world's pods by namespace and labels. */
export function classifyPods(world: OracleWorld): PodClasses {
  const namespaces = new Map(world.namespaces.map(({ name, labels }) => [name, namespaceLabels(name, labels)]));
  const classOf = new Map<OraclePod | undefined, PodClass>();
  const classes = new Map<string, PodClass>();
  for (const pod of world.pods) {
    const key = JSON.stringify([pod.namespace, Object.entries(pod.labels).map(String).toSorted()]);
    const known = classes.get(key) ?? {
      namespace: pod.namespace,
      namespaceLabels: namespaces.get(pod.namespace) ?? namespaceLabels(pod.namespace, undefined),
      labels: pod.labels,
    };
    classes.set(key, known);
    classOf.set(pod, known);
  }
  const picked = new Map<PodPeer, Set<PodClass | undefined>>();
  return {
    picks(peer, pod) {
      let set = picked.get(peer);
      if (set === undefined) {
        set = new Set([...classes.values()].filter((podClass) => peerPicks(peer, podClass)));
        picked.set(peer, set);
      }
      return set.has(classOf.get(pod));
    },
  };
}

/** {@link matchesPeers} that remembers its answers: a matrix asks about each party once a port and row. */
export function rememberPeers(classes: PodClasses): (rule: AnyRule, party: Party) => Truth {
  const answers = new Map<AnyRule, WeakMap<Party, Truth>>();
  return (rule, party) => {
    let ofRule = answers.get(rule);
    if (ofRule === undefined) answers.set(rule, (ofRule = new WeakMap()));
    let truth = ofRule.get(party);
    if (truth === undefined) ofRule.set(party, (truth = matchesPeers(rule, party, classes)));
    return truth;
  };
}

/** Whether one of the rule's peers is the party; a rule without peers is for everyone. */
function matchesPeers(rule: AnyRule, party: Party, classes: PodClasses): Truth {
  if (rule.peers === undefined) return "yes";
  const { pod } = party;
  const blocks: BlockPeer[] = [];
  for (const peer of rule.peers) {
    if (peer.kind === "block") {
      if (peer.block.family === party.family) blocks.push(peer);
    } else if (classes.picks(peer, pod)) return "yes";
  }
  return blocks.length === 0 ? "no" : holdParty(blocks, party);
}

type BlockPeer = CompiledPeer & { kind: "block" };
type PodPeer = CompiledPeer & { kind: "pods" };

/** Whether the blocks together hold every address that the party may have. */
function holdParty(blocks: readonly BlockPeer[], { addresses, isAddressCertain }: Party): Truth {
  if (!isAddressCertain) {
    return blocks.some(({ block, except }) => block.prefixLength === 0 && except.length === 0) ? "yes" : "unknown";
  }
  const held = addresses.filter((address) => blocks.some((peer) => blockPeerHolds(peer, address))).length;
  if (held === 0) return "no";
  return held === addresses.length ? "yes" : "unknown";
}

/**
 * Whether one of the rule's ports is the flow's; a rule without ports is for all, ICMP included.
 * A named port means the ports that the destination pod declares under that name and protocol. A destination that is no
 * pod has none, and neither has one that an egress rule reaches by ipBlock alone: "named port on a pod" (API reference).
 */
export function matchesPorts(rule: AnyRule, flow: OracleFlow, to: Party, classes: PodClasses): boolean {
  if (rule.ports === undefined) return true;
  return rule.ports.some((item) => {
    if (item.protocol !== flow.protocol) return false;
    if (item.port === undefined) return true;
    if (flow.port === undefined) return false;
    if ("from" in item.port) return item.port.from <= flow.port && flow.port <= item.port.to;
    return hasNamedPort(item, item.port.name, flow.port, rule, to, classes);
  });
}

interface PodClass {
  namespace: string;
  namespaceLabels: Labels;
  labels: Labels;
}

function peerPicks(peer: PodPeer, podClass: PodClass): boolean {
  const isNamespacePicked =
    typeof peer.namespace === "string"
      ? podClass.namespace === peer.namespace
      : matchesSelector(peer.namespace, podClass.namespaceLabels);
  return isNamespacePicked && matchesSelector(peer.pods, podClass.labels);
}

function blockPeerHolds(peer: BlockPeer, address: IpAddress): boolean {
  return cidrContains(peer.block, address) && !peer.except.some((except) => cidrContains(except, address));
}

function hasNamedPort(
  item: CompiledPort,
  name: string,
  port: number,
  rule: AnyRule,
  to: Party,
  classes: PodClasses,
): boolean {
  const { pod } = to;
  if (pod === undefined) return false;
  const declared = pod.ports.some(
    (candidate) => candidate.name === name && candidate.protocol === item.protocol && candidate.containerPort === port,
  );
  return declared && (rule.ref.direction === "ingress" || isReachedByPod(rule, pod, classes));
}

function isReachedByPod(rule: AnyRule, pod: OraclePod, classes: PodClasses): boolean {
  return rule.peers === undefined || rule.peers.some((peer) => peer.kind === "pods" && classes.picks(peer, pod));
}
