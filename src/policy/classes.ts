import { namespaceLabels, type Labels } from "../kube/selectors.ts";
import { BlockIndex } from "./block-index.ts";
import { compileAdminPolicies, type CompiledAdminPolicy, type CompiledAdminRule } from "./compile-admin.ts";
import { compilePolicy, type CompiledPeer, type CompiledPolicy, type CompiledRule } from "./compile.ts";
import type { AnyRule } from "./match.ts";
import { SelectorIndex } from "./selector-index.ts";
import type { OraclePod, OracleWorld } from "./types.ts";

/** An end of many flows: a pod under policy, or an address that no pod of the world has. */
export type ClassEnd = { pod: OraclePod } | { address: string };

/** Ends that no policy of the world can tell apart. */
export interface EndClass {
  /** Numbers of its ends, ascending. */
  members: number[];
  /** Numbers of the policies that isolate it. */
  egress: readonly number[];
  ingress: readonly number[];
  /** Numbers of the cluster-wide policies whose subject it is, by precedence. */
  admin: readonly number[];
  /** Numbers of the peers that pick it, those by selectors and those by ipBlock. */
  podPeers: readonly number[];
  blockPeers: readonly number[];
  /** Of the port names that rules mention: `name/protocol/number`. */
  namedPorts: readonly string[];
}

/** A rule by its peers' numbers; undefined where it is for everyone. */
export interface ClassRule<Rule extends AnyRule = CompiledRule> {
  rule: Rule;
  peers: readonly number[] | undefined;
}

/** A rule of either sort of policy. */
export type AnyClassRule = ClassRule<AnyRule>;

/** A cluster-wide policy with its peers numbered. */
export interface ClassAdminPolicy {
  policy: CompiledAdminPolicy;
  egress: readonly ClassRule<CompiledAdminRule>[];
  ingress: readonly ClassRule<CompiledAdminRule>[];
}

/** What classes depend on; nodes only where cluster-wide policies pick them. */
export type ClassWorld = Pick<OracleWorld, "namespaces" | "policies" | "adminPolicies" | "nodes">;

/** The ends by class, and policies with their peers numbered. */
export interface Classes {
  classes: readonly EndClass[];
  /** By end: the number of its class. */
  classOf: Int32Array;
  policies: readonly CompiledPolicy[];
  /** By policy. */
  rules: readonly { egress: readonly ClassRule[]; ingress: readonly ClassRule[] }[];
  /** Cluster-wide policies by precedence. */
  admin: readonly ClassAdminPolicy[];
}

/**
 * Puts ends into classes: two are in one when the same policies isolate them, the same peers of rules pick them, and they
 * give the same numbers to the port names that rules mention. `family` is that of the flows to be judged, for ipBlocks.
 * Time grows with ends + policies + classes, not with their products. Throws POLICY_INVALID, POLICY_DOMAIN_NAMES.
 */
export function classify(world: ClassWorld, ends: readonly ClassEnd[], family: 4 | 6): Classes {
  const policies = world.policies.map(compilePolicy);
  const index = indexPolicies(policies, compileAdminPolicies(world), family);
  const namespaces = indexNamespaces(world, index);
  const groups = new Map<string, Group>();
  const classIds = new Map<string, number>();
  const classes: EndClass[] = [];
  const classOf = new Int32Array(ends.length);
  const lists = new Interner();

  for (const [number, end] of ends.entries()) {
    const pod = "pod" in end ? end.pod : undefined;
    let group = OUTSIDE;
    if (pod !== undefined) {
      const labels = projectLabels(pod.labels, index.selectors.keys);
      const key = `${pod.namespace}\n${labels.text}`;
      group = groups.get(key) ?? groupOf(pod.namespace, labels.labels, index, namespaces(pod.namespace), lists);
      groups.set(key, group);
    }
    const blockPeers = index.blocks.holding("pod" in end ? end.pod.addresses : [end.address]);
    const namedPorts = pod === undefined ? NOTHING : namedPortsOf(pod, index.portNames);
    const key = `${group.signature}|${lists.idOf(blockPeers)}|${namedPorts.join(",")}`;
    let id = classIds.get(key);
    if (id === undefined) {
      const { egress, ingress, admin, podPeers } = group;
      id = classes.push({ members: [], egress, ingress, admin, podPeers, blockPeers, namedPorts }) - 1;
      classIds.set(key, id);
    }
    (classes[id] as EndClass).members.push(number);
    classOf[number] = id;
  }
  return { classes, classOf, policies, rules: index.rules, admin: index.admin };
}

interface Group {
  egress: readonly number[];
  ingress: readonly number[];
  admin: readonly number[];
  podPeers: readonly number[];
  signature: string;
}

const NOTHING: readonly string[] = [];
const OUTSIDE: Group = { egress: [], ingress: [], admin: [], podPeers: [], signature: "outside" };

interface PolicyIndex {
  /** Pod selectors of policies and of peers. */
  selectors: SelectorIndex;
  namespaceSelectors: SelectorIndex;
  /** By number of the selector, then by namespace: policies. */
  policiesBySelector: Map<number, Map<string, number[]>>;
  /** By number of the pod selector: the peer's number for a namespace, and for a namespace selector's number. */
  peersBySelector: Map<number, { inNamespace: Map<string, number>; bySelector: Map<number, number> }>;
  blocks: BlockIndex;
  portNames: Set<string>;
  rules: { egress: readonly ClassRule[]; ingress: readonly ClassRule[] }[];
  policies: readonly CompiledPolicy[];
  admin: ClassAdminPolicy[];
  /** By number of a peer: the cluster-wide policies whose subject picks the same pods. */
  adminBySubject: Map<number, number[]>;
}

function indexPolicies(
  policies: readonly CompiledPolicy[],
  adminPolicies: readonly CompiledAdminPolicy[],
  family: 4 | 6,
): PolicyIndex {
  const selectors = new SelectorIndex();
  const namespaceSelectors = new SelectorIndex();
  const policiesBySelector: PolicyIndex["policiesBySelector"] = new Map();
  const peersBySelector: PolicyIndex["peersBySelector"] = new Map();
  const blocks = new Map<string, readonly [number, CompiledPeer & { kind: "block" }]>();
  const portNames = new Set<string>();
  let peerCount = 0;

  const numberOf = (peer: CompiledPeer): number => {
    if (peer.kind === "block") {
      const key = [peer.block, ...peer.except]
        .map((each) => `${each.family}:${each.value}/${each.prefixLength}`)
        .join();
      const known = blocks.get(key) ?? ([peerCount++, peer] as const);
      blocks.set(key, known);
      return known[0];
    }
    const peers = getOrAdd(peersBySelector, selectors.add(peer.pods), () => ({
      inNamespace: new Map<string, number>(),
      bySelector: new Map<number, number>(),
    }));
    return typeof peer.namespace === "string"
      ? getOrAdd(peers.inNamespace, peer.namespace, () => peerCount++)
      : getOrAdd(peers.bySelector, namespaceSelectors.add(peer.namespace), () => peerCount++);
  };
  const numbered = <Rule extends AnyRule>(rule: Rule): ClassRule<Rule> => {
    for (const { port } of rule.ports ?? []) if (port !== undefined && "name" in port) portNames.add(port.name);
    return { rule, peers: rule.peers?.map(numberOf) };
  };

  const rules = policies.map(({ namespace, selector, egress = [], ingress = [] }, number) => {
    const ofSelector = getOrAdd(policiesBySelector, selectors.add(selector), () => new Map<string, number[]>());
    getOrAdd(ofSelector, namespace, () => []).push(number);
    return { egress: egress.map(numbered<CompiledRule>), ingress: ingress.map(numbered<CompiledRule>) };
  });
  const adminBySubject: PolicyIndex["adminBySubject"] = new Map();
  const admin = adminPolicies.map((policy, number): ClassAdminPolicy => {
    getOrAdd(adminBySubject, numberOf(policy.subject), () => []).push(number);
    const { egress, ingress } = policy;
    return {
      policy,
      egress: egress.map(numbered<CompiledAdminRule>),
      ingress: ingress.map(numbered<CompiledAdminRule>),
    };
  });
  const index = new BlockIndex([...blocks.values()], family);
  return {
    selectors,
    namespaceSelectors,
    policiesBySelector,
    peersBySelector,
    blocks: index,
    portNames,
    rules,
    policies,
    admin,
    adminBySubject,
  };
}

/** The namespace selectors that match a namespace, worked out once each. */
function indexNamespaces(
  { namespaces }: Pick<OracleWorld, "namespaces">,
  index: PolicyIndex,
): (name: string) => Set<number> {
  const labelsOf = new Map(namespaces.map(({ name, labels }) => [name, labels]));
  const known = new Map<string, Set<number>>();
  return (name) =>
    getOrAdd(known, name, () => new Set(index.namespaceSelectors.matching(namespaceLabels(name, labelsOf.get(name)))));
}

function groupOf(
  namespace: string,
  labels: Labels,
  index: PolicyIndex,
  namespaceSelectors: ReadonlySet<number>,
  lists: Interner,
): Group {
  const selecting: number[] = [];
  const podPeers: number[] = [];
  for (const selector of index.selectors.matching(labels)) {
    selecting.push(...(index.policiesBySelector.get(selector)?.get(namespace) ?? []));
    const peers = index.peersBySelector.get(selector);
    if (peers === undefined) continue;
    const own = peers.inNamespace.get(namespace);
    if (own !== undefined) podPeers.push(own);
    for (const [namespaceSelector, peer] of peers.bySelector) {
      if (namespaceSelectors.has(namespaceSelector)) podPeers.push(peer);
    }
  }
  const ascending = selecting.toSorted((a, b) => a - b);
  const isolating = (direction: "egress" | "ingress"): number[] =>
    ascending.filter((number) => index.policies[number]?.[direction] !== undefined);
  const egress = isolating("egress");
  const ingress = isolating("ingress");
  podPeers.sort((a, b) => a - b);
  // Subjects are among the peers, so that equal lists of peers have equal lists of these.
  const admin = podPeers.flatMap((peer) => index.adminBySubject.get(peer) ?? []).toSorted((a, b) => a - b);
  return {
    egress,
    ingress,
    admin,
    podPeers,
    signature: [egress, ingress, podPeers].map((list) => lists.idOf(list)).join(),
  };
}

/** The labels that some selector asks about, and one text for all of them. */
function projectLabels(labels: Labels, keys: ReadonlySet<string>): { labels: Labels; text: string } {
  const projected: Record<string, string> = {};
  const parts: string[] = [];
  for (const key of Object.keys(labels)) {
    if (!keys.has(key)) continue;
    const value = labels[key] as string;
    projected[key] = value;
    parts.push(`${key}=${value}`);
  }
  // Neither keys nor values of labels can have a comma.
  return { labels: projected, text: parts.length < 2 ? (parts[0] ?? "") : parts.toSorted().join() };
}

function namedPortsOf({ ports }: OraclePod, names: ReadonlySet<string>): readonly string[] {
  if (names.size === 0) return NOTHING;
  const mentioned = ports.filter(({ name }) => name !== undefined && names.has(name));
  if (mentioned.length === 0) return NOTHING;
  return mentioned.map(({ name, protocol, containerPort }) => `${name}/${protocol}/${containerPort}`).toSorted();
}

/** Gives equal lists of numbers one number. */
class Interner {
  readonly #ids = new Map<string, number>();
  readonly #known = new WeakMap<readonly number[], number>();

  idOf(list: readonly number[]): number {
    let id = this.#known.get(list);
    if (id === undefined) {
      id = getOrAdd(this.#ids, list.join(), () => this.#ids.size);
      this.#known.set(list, id);
    }
    return id;
  }
}

function getOrAdd<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
