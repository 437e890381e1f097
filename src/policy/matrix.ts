import type { Protocol } from "../kube/types.ts";
import { forEachBit, hasBit, orInto, setBit } from "./class-bits.ts";
import { classify, type ClassEnd, type Classes, type AnyClassRule, type ClassWorld, type EndClass } from "./classes.ts";
import { tierRow } from "./matrix-tiers.ts";

/** What policies say of every pair of ends: worked out for classes of ends, looked up for ends. */
export interface PolicyMatrix {
  ends: readonly ClassEnd[];
  classes: readonly EndClass[];
  /** By end: the number of its class. */
  classOf: Int32Array;
  /** The verdicts on one port. */
  on(port: number, protocol: Protocol): PortMatrix;
}

/** The verdicts on one port of every destination. */
export interface PortMatrix {
  /** By numbers of ends. An end reaches itself, whatever the policies say. */
  allows(from: number, to: number): boolean;
  /** By numbers of classes, two different ends. */
  allowsClass(from: number, to: number): boolean;
  /** By numbers of ends, two different ones: what each side says, 1 for the source's egress and 2 for the destination's ingress. */
  sides(from: number, to: number): number;
  /** {@link sides} by numbers of classes. */
  sidesOfClasses(from: number, to: number): number;
  /** Pairs of different ends that may connect. */
  countAllowed(): number;
}

/**
 * The matrix of the ends under the world's policies. The world's pods are not looked at, nor its nodes but where
 * cluster-wide policies pick them: pods on the host network are no ends, since what their node sends is no matter of classes ({@link OracleWorld} and the oracle know).
 * Verdicts are those of the oracle for flows of that family. Throws POLICY_INVALID, POLICY_DOMAIN_NAMES.
 */
export function createPolicyMatrix(world: ClassWorld, ends: readonly ClassEnd[], family: 4 | 6 = 4): PolicyMatrix {
  const grouped = classify(world, ends, family);
  const { classes, classOf } = grouped;
  const peers = peerBits(grouped);
  const kinds = {
    egress: kindsOf(classes, ({ egress, admin }) => `${egress.join()}|${admin.join()}`),
    // What a rule with a named port lets in depends on the numbers that the destination gives to names.
    ingress: kindsOf(
      classes,
      ({ ingress, admin, namedPorts }) => `${ingress.join()}|${admin.join()}|${namedPorts.join()}`,
    ),
  };
  return {
    ends,
    classes,
    classOf,
    on: (port, protocol) => judgePort(grouped, peers, kinds, port, protocol),
  };
}

interface Kinds {
  /** By class: the number of its kind. */
  of: Int32Array;
  /** One class of each kind. */
  examples: EndClass[];
}

function kindsOf(classes: readonly EndClass[], keyOf: (each: EndClass) => string): Kinds {
  const ids = new Map<string, number>();
  const examples: EndClass[] = [];
  const of = Int32Array.from(classes, (each) => {
    const key = keyOf(each);
    let id = ids.get(key);
    if (id === undefined) {
      id = examples.push(each) - 1;
      ids.set(key, id);
    }
    return id;
  });
  return { of, examples };
}

interface PeerBits {
  /** By number of the peer: the classes that it picks. */
  picked: Map<number, Uint32Array>;
  /** Numbers of peers that pick by selectors. */
  byPod: Set<number>;
}

function peerBits({ classes }: Classes): PeerBits {
  const words = (classes.length + 31) >> 5;
  const picked = new Map<number, Uint32Array>();
  const byPod = new Set<number>();
  const add = (peer: number, id: number): void => {
    let bits = picked.get(peer);
    if (bits === undefined) picked.set(peer, (bits = new Uint32Array(words)));
    setBit(bits, id);
  };
  for (const [id, { podPeers, blockPeers }] of classes.entries()) {
    for (const peer of podPeers) {
      byPod.add(peer);
      add(peer, id);
    }
    for (const peer of blockPeers) add(peer, id);
  }
  return { picked, byPod };
}

function judgePort(
  { classes, classOf, rules, admin }: Classes,
  peers: PeerBits,
  kinds: { egress: Kinds; ingress: Kinds },
  port: number,
  protocol: Protocol,
): PortMatrix {
  const words = (classes.length + 31) >> 5;
  const everyone = new Uint32Array(words);
  for (let each = 0; each < classes.length; each++) setBit(everyone, each);
  const names = namesOf(classes, port, protocol);

  const pickedBy = (list: readonly number[] | undefined): readonly (Uint32Array | undefined)[] =>
    list === undefined ? [everyone] : list.map((peer) => peers.picked.get(peer));
  const addEgress = (row: Uint32Array, { rule, peers: list }: AnyClassRule): void => {
    const match = portMatch(rule.ports, port, protocol);
    if (match === true) for (const bits of pickedBy(list)) orInto(row, bits);
    if (typeof match === "boolean") return;
    // A name is one of a pod's ports: whom only an ipBlock picks has none.
    const byPod = list?.filter((peer) => peers.byPod.has(peer));
    for (const name of match) for (const bits of pickedBy(byPod)) orInto(row, bits, names.get(name) ?? NO_BITS);
  };
  const addIngress = (row: Uint32Array, { rule, peers: list }: AnyClassRule, to: EndClass): void => {
    const match = portMatch(rule.ports, port, protocol);
    const isMatch =
      match === true ||
      (match !== false && match.some((name) => to.namedPorts.includes(`${name}/${protocol}/${port}`)));
    if (isMatch) for (const bits of pickedBy(list)) orInto(row, bits);
  };

  /** By kind of the source: the classes that its policies let it reach. */
  const egress = kinds.egress.examples.map((from) => {
    const row = from.egress.length === 0 ? undefined : new Uint32Array(words);
    if (row !== undefined)
      for (const policy of from.egress) for (const rule of rules[policy]?.egress ?? []) addEgress(row, rule);
    return tierRow(admin, from.admin, "egress", { everyone, byNetworkPolicies: row, add: addEgress });
  });
  /** By kind of the destination: the classes that its policies let in. */
  const ingress = kinds.ingress.examples.map((to) => {
    const add = (row: Uint32Array, rule: AnyClassRule): void => addIngress(row, rule, to);
    const row = to.ingress.length === 0 ? undefined : new Uint32Array(words);
    if (row !== undefined)
      for (const policy of to.ingress) for (const rule of rules[policy]?.ingress ?? []) add(row, rule);
    return tierRow(admin, to.admin, "ingress", { everyone, byNetworkPolicies: row, add });
  });
  const ingressOf = Array.from(kinds.ingress.of, (kind) => ingress[kind] as Uint32Array);
  const egressOf = Array.from(kinds.egress.of, (kind) => egress[kind] as Uint32Array);
  const allowsClass = (from: number, to: number): boolean =>
    hasBit(egressOf[from] as Uint32Array, to) && hasBit(ingressOf[to] as Uint32Array, from);
  const sidesOfClasses = (from: number, to: number): number =>
    (hasBit(egressOf[from] as Uint32Array, to) ? 1 : 0) | (hasBit(ingressOf[to] as Uint32Array, from) ? 2 : 0);
  return {
    allowsClass,
    sides: (from, to) => sidesOfClasses(classOf[from] as number, classOf[to] as number),
    sidesOfClasses,
    allows: (from, to) => from === to || allowsClass(classOf[from] as number, classOf[to] as number),
    countAllowed: () => countAllowed(classes, kinds, egress, ingress, everyone),
  };
}

const NO_BITS = new Uint32Array(0);

/** By port name: the classes in which it stands for this port. */
function namesOf(classes: readonly EndClass[], port: number, protocol: Protocol): Map<string, Uint32Array> {
  const names = new Map<string, Uint32Array>();
  const suffix = `/${protocol}/${port}`;
  for (const [id, { namedPorts }] of classes.entries()) {
    for (const text of namedPorts) {
      if (!text.endsWith(suffix)) continue;
      const name = text.slice(0, -suffix.length);
      const bits = names.get(name) ?? new Uint32Array((classes.length + 31) >> 5);
      names.set(name, bits);
      setBit(bits, id);
    }
  }
  return names;
}

/** Whether a rule's ports hold this one whatever the destination; else the names that might stand for it. */
function portMatch(ports: AnyClassRule["rule"]["ports"], port: number, protocol: Protocol): boolean | string[] {
  if (ports === undefined) return true;
  const names: string[] = [];
  for (const item of ports) {
    if (item.protocol !== protocol) continue;
    if (item.port === undefined) return true;
    if ("name" in item.port) names.push(item.port.name);
    else if (item.port.from <= port && port <= item.port.to) return true;
  }
  return names.length > 0 && names;
}

/** Sums sizes of destinations by kind once a kind of source, and then looks only at sources that a kind lets in. */
function countAllowed(
  classes: readonly EndClass[],
  kinds: { egress: Kinds; ingress: Kinds },
  egress: readonly Uint32Array[],
  ingress: readonly Uint32Array[],
  everyone: Uint32Array,
): number {
  /** By kind of source: ends that it may reach of each kind of destination, and of those open to everyone together. */
  const reachable = egress.map((row) => {
    const sizes = new Float64Array(ingress.length);
    let open = 0;
    for (const [to, { members }] of classes.entries()) {
      if (row !== everyone && !hasBit(row, to)) continue;
      const kind = kinds.ingress.of[to] as number;
      if (ingress[kind] === everyone) open += members.length;
      else sizes[kind] = (sizes[kind] as number) + members.length;
    }
    return { sizes, open };
  });
  const reached = Float64Array.from(classes, (_each, from) => reachable[kinds.egress.of[from] as number]?.open ?? 0);
  for (const [kind, row] of ingress.entries()) {
    if (row === everyone) continue;
    forEachBit(row, (from) => {
      const size = reachable[kinds.egress.of[from] as number]?.sizes[kind] ?? 0;
      reached[from] = (reached[from] as number) + size;
    });
  }
  return classes.reduce((count, { members }, from) => {
    const row = egress[kinds.egress.of[from] as number] as Uint32Array;
    const own = ingress[kinds.ingress.of[from] as number] as Uint32Array;
    const itself = hasBit(row, from) && hasBit(own, from) ? 1 : 0;
    return count + ((reached[from] as number) - itself) * members.length;
  }, 0);
}
