import { formatCidr, parseCidr } from "../core/ip.ts";
import type { YamlPath } from "../core/yaml-document.ts";
import type { LabelSelector, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from "../kube/types.ts";
import type { ObjectMutant } from "./mutants.ts";
import { valueAt, withValue, without } from "./object-edits.ts";

const NOBODY: LabelSelector = { matchLabels: { "cnilab.dev/mutant": "nobody" } };

type Change = ObjectMutant["change"];

/** Makes the mutants of one policy: `path` is where the manifest says what is changed. */
class Mutator {
  readonly made: ObjectMutant[] = [];
  private readonly policy: NetworkPolicy;

  constructor(policy: NetworkPolicy) {
    this.policy = policy;
  }

  set(change: Change, what: string, path: YamlPath, value: unknown): void {
    this.made.push({ change, what, path, object: withValue(this.policy, path, value) });
  }

  /** Puts several items where one item of a list is. */
  replace(change: Change, what: string, path: YamlPath, items: readonly unknown[]): void {
    const list = path.slice(0, -1);
    const old = valueAt(this.policy, list);
    if (!Array.isArray(old)) return;
    const object = withValue(this.policy, list, old.toSpliced(Number(path.at(-1)), 1, ...items));
    this.made.push({ change, what, path, object });
  }

  remove(change: Change, what: string, path: YamlPath): void {
    this.made.push({ change, what, path, object: without(this.policy, path) });
  }
}

/**
 * Every way in which one place of a policy can be wrong that people get wrong: a direction, the selected pods, a rule, its
 * peers, its ports. In the order of the fields; some may mean the same as the policy.
 */
export function policyMutants(policy: NetworkPolicy): ObjectMutant[] {
  const mutator = new Mutator(policy);
  const { podSelector, ingress = [], egress = [] } = policy.spec;
  const at: YamlPath = ["spec", "podSelector"];
  if (!isEmpty(podSelector)) mutator.set("loosened", "podSelector emptied: every pod of the namespace", at, {});
  mutator.set("changed", "podSelector selects nobody", at, NOBODY);
  mutateParts(podSelector, "podSelector", at, mutator);
  mutateTypes(policy, mutator);
  for (const [direction, rules] of [
    ["ingress", ingress],
    ["egress", egress],
  ] as const) {
    const field = direction === "ingress" ? "from" : "to";
    for (const [index, rule] of rules.entries()) {
      const path: YamlPath = ["spec", direction, index];
      const name = `${direction} rule ${index + 1}`;
      const peers: readonly NetworkPolicyPeer[] | undefined = "from" in rule ? rule.from : "to" in rule ? rule.to : [];
      mutator.remove("left out", `${name} left out`, path);
      if (peers !== undefined && peers.length > 0) {
        mutator.remove("loosened", `${name} without ${field}: everyone`, [...path, field]);
        for (const [number, peer] of peers.entries())
          mutatePeer(peer, peers.length, `${name}, peer ${number + 1}`, [...path, field, number], mutator);
      }
      mutatePorts(rule.ports, name, [...path, "ports"], mutator);
    }
  }
  return mutator.made;
}

/** Which directions a policy isolates where it does not say: ingress, and egress if it has rules of it. */
function typesOf({ spec }: NetworkPolicy): ("Ingress" | "Egress")[] {
  const { policyTypes = [], egress = [] } = spec;
  if (policyTypes.length > 0) return [...new Set(policyTypes)];
  return egress.length > 0 ? ["Ingress", "Egress"] : ["Ingress"];
}

function mutateTypes(policy: NetworkPolicy, mutator: Mutator): void {
  const path: YamlPath = ["spec", "policyTypes"];
  const types = typesOf(policy);
  const [only] = types;
  if (types.length > 1) {
    for (const type of types) {
      const left = types.filter((each) => each !== type);
      mutator.set("loosened", `policyTypes without ${type}`, path, left);
    }
  } else if (only !== undefined) {
    const other = only === "Ingress" ? "Egress" : "Ingress";
    mutator.set("changed", `policyTypes ${other} in place of ${only}`, path, [other]);
    mutator.set("tightened", `policyTypes with ${other}, too`, path, [only, other]);
  }
}

/** A selector of several conditions, less each of them. */
function mutateParts(selector: LabelSelector, what: string, path: YamlPath, mutator: Mutator): void {
  const labels = Object.keys(selector.matchLabels ?? {});
  const expressions = selector.matchExpressions ?? [];
  if (labels.length + expressions.length < 2) return;
  for (const label of labels)
    mutator.remove("loosened", `${what} without the label ${label}`, [...path, "matchLabels", label]);
  for (const [index, { key, operator }] of expressions.entries())
    mutator.remove("loosened", `${what} without ${key} ${operator}`, [...path, "matchExpressions", index]);
}

function mutatePeer(peer: NetworkPolicyPeer, peerCount: number, what: string, path: YamlPath, mutator: Mutator): void {
  // The last peer left out is a rule without peers, which is another mutant.
  if (peerCount > 1) mutator.remove("left out", `${what} left out`, path);
  const { podSelector, namespaceSelector, ipBlock } = peer;
  if (ipBlock !== undefined) return mutateBlock(ipBlock, what, [...path, "ipBlock"], mutator);
  for (const [field, selector] of Object.entries({ podSelector, namespaceSelector })) {
    if (selector === undefined) continue;
    const at = [...path, field];
    if (!isEmpty(selector)) mutator.set("loosened", `${what}: ${field} emptied`, at, {});
    mutator.set("tightened", `${what}: ${field} selects nobody`, at, NOBODY);
    mutateParts(selector, `${what}: ${field}`, at, mutator);
  }
  if (namespaceSelector === undefined) {
    const inAll = { ...peer, namespaceSelector: {} };
    mutator.set("loosened", `${what}: namespaceSelector: {} added, pods of every namespace`, path, inAll);
  } else if (podSelector !== undefined) {
    mutator.set("changed", `${what}: namespaceSelector left out, the policy's own namespace`, path, { podSelector });
    const split = [{ namespaceSelector }, { podSelector }];
    mutator.replace("loosened", `${what}: the selectors as two peers, "or" in place of "and"`, path, split);
  }
}

function mutateBlock(
  { cidr, except = [] }: NonNullable<NetworkPolicyPeer["ipBlock"]>,
  what: string,
  path: YamlPath,
  mutator: Mutator,
): void {
  const block = parseCidr(cidr);
  if (block === undefined) return;
  const everything = block.family === 4 ? "0.0.0.0/0" : "::/0";
  if (block.prefixLength > 0)
    mutator.set("loosened", `${what}: ipBlock widened to ${everything}`, path, { cidr: everything });
  const longest = block.family === 4 ? 32 : 128;
  if (block.prefixLength < longest) {
    const first = formatCidr({ ...block, prefixLength: longest });
    mutator.set("tightened", `${what}: ipBlock narrowed to ${first}`, path, { cidr: first });
  }
  for (const [index, text] of except.entries())
    mutator.remove("loosened", `${what}: ipBlock without except ${text}`, [...path, "except", index]);
}

function mutatePorts(
  ports: readonly NetworkPolicyPort[] | undefined,
  what: string,
  path: YamlPath,
  mutator: Mutator,
): void {
  if (ports === undefined || ports.length === 0) return;
  mutator.remove("loosened", `${what} without ports: every port`, path);
  for (const [index, item] of ports.entries()) {
    const { port, endPort, protocol = "TCP" } = item;
    const at = [...path, index];
    const name = `${what}, port ${port ?? "any"}/${protocol}`;
    if (ports.length > 1) mutator.remove("left out", `${name} left out`, at);
    if (port === undefined) continue;
    mutator.set("loosened", `${name}: every port of ${protocol}`, at, { protocol });
    const other = typeof port === "number" ? (port === 65_535 ? port - 1 : port + 1) : "nobody";
    const changed = {
      ...item,
      port: other,
      ...(typeof other === "number" && endPort !== undefined ? { endPort: Math.max(other, endPort) } : {}),
    };
    mutator.set("tightened", `${name} changed to ${other}`, at, changed);
    if (endPort !== undefined) mutator.remove("tightened", `${name} without endPort ${endPort}`, [...at, "endPort"]);
    const otherProtocol = protocol === "UDP" ? "TCP" : "UDP";
    mutator.set("changed", `${name} with ${otherProtocol} in place of ${protocol}`, at, {
      ...item,
      protocol: otherProtocol,
    });
  }
}

function isEmpty({ matchLabels = {}, matchExpressions = [] }: LabelSelector): boolean {
  return Object.keys(matchLabels).length + matchExpressions.length === 0;
}
