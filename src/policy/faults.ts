import { cidrContains, formatCidr, parseIp } from "../core/ip.ts";
import { nearestName } from "../core/suggest.ts";
import { formatSelector, matchesSelector, namespaceLabels, type Labels } from "../kube/selectors.ts";
import type { LabelSelector, LabelSelectorRequirement } from "../kube/types.ts";
import type { CompiledPeer } from "./compile.ts";
import type { AnyRule } from "./match.ts";
import { policyName } from "./oracle.ts";
import type { OracleFlow, OraclePod, RuleRef } from "./types.ts";

/** One condition that does not hold. */
export interface Fault {
  code: string;
  text: string;
  /** Less is likelier to be a slip. */
  weight: number;
}

/** The other end of a flow, as a rule's peers see it. */
export interface OtherEnd {
  name: string;
  pod: OraclePod | undefined;
  addresses: readonly string[];
  namespaceLabels: Labels;
  /** The Service that was named instead of the pod. */
  translated?: { service: string; port: number; addresses: readonly string[] };
}

/** `shop/allow-web ingress rule 1`. */
export function ruleName({ placed, direction, index }: RuleRef): string {
  return `${policyName(placed)} ${direction} rule ${index + 1}`;
}

/** One fault for each requirement of a selector that labels do not meet. */
export function labelFaults(
  selector: LabelSelector,
  labels: Labels,
  { code, whose, asks }: { code: string; whose: string; asks: string },
): Fault[] {
  const requirements: LabelSelector[] = [
    ...Object.entries(selector.matchLabels ?? {}).map(([key, value]) => ({ matchLabels: { [key]: value } })),
    ...(selector.matchExpressions ?? []).map((each) => ({ matchExpressions: [each] })),
  ];
  return requirements
    .filter((each) => !matchesSelector(each, labels))
    .map((each) => {
      const key = keyOf(each);
      const has = describeLabel(key, labels);
      const wanted = Object.values(each.matchLabels ?? {})[0];
      const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
      const isSlip =
        (wanted !== undefined && value !== undefined && nearestName(wanted, [value]) !== undefined) ||
        (value === undefined && nearestName(key, Object.keys(labels)) !== undefined);
      return { code, text: `${whose} ${has}, ${asks} asks for ${formatSelector(each)}`, weight: isSlip ? 1 : 4 };
    });
}

function keyOf({ matchLabels, matchExpressions }: LabelSelector): string {
  const expression: LabelSelectorRequirement | undefined = matchExpressions?.[0];
  return Object.keys(matchLabels ?? {})[0] ?? expression?.key ?? "";
}

function describeLabel(key: string, labels: Labels): string {
  if (Object.hasOwn(labels, key)) return `has ${key}=${labels[key]}`;
  const near = nearestName(key, Object.keys(labels));
  return near === undefined ? `has no label ${key}` : `has no label ${key} (but ${near}=${labels[near]})`;
}

/** Why a peer does not pick the other end; empty where it does. */
export function peerFaults(peer: CompiledPeer, other: OtherEnd, family: 4 | 6 | undefined): Fault[] {
  if (peer.kind === "block") return blockFaults(peer, other, family);
  const { pod, name } = other;
  if (pod === undefined) {
    const text = `selectors pick pods only, and ${name} is none: an ipBlock would pick it`;
    return [{ code: "selector-for-address", text, weight: 2 }];
  }
  const faults = labelFaults(peer.pods, pod.labels, { code: "pod-label", whose: name, asks: "the rule" });
  if (typeof peer.namespace !== "string") {
    const asked = { code: "namespace-label", whose: `namespace ${pod.namespace}`, asks: "namespaceSelector" };
    const ofNamespace = labelFaults(peer.namespace, namespaceLabels(pod.namespace, other.namespaceLabels), asked);
    const isJoined =
      ofNamespace.length + faults.length === 1 && hasRequirements(peer.pods) && hasRequirements(peer.namespace);
    const more = isJoined ? "; one item asks for both its selectors, as two items of the list either would do" : "";
    return [...faults, ...ofNamespace].map((fault) => ({ ...fault, text: fault.text + more }));
  }
  if (peer.namespace === pod.namespace) return faults;
  const text = `podSelector alone means pods of namespace ${peer.namespace}, and ${name} is in ${pod.namespace}: add a namespaceSelector to the same item`;
  return [...faults, { code: "namespace-missing", text, weight: 1 }];
}

function hasRequirements({ matchLabels, matchExpressions }: LabelSelector): boolean {
  return Object.keys(matchLabels ?? {}).length + (matchExpressions ?? []).length > 0;
}

function blockFaults(
  { block, except }: CompiledPeer & { kind: "block" },
  { name, pod, addresses, translated }: OtherEnd,
  family: 4 | 6 | undefined,
): Fault[] {
  const parsed = addresses.map(parseIp).filter((address) => address !== undefined);
  const address = parsed.find((each) => each.family === (family ?? each.family));
  const shown = addresses[address === undefined ? 0 : parsed.indexOf(address)] ?? "no address";
  const service = translated?.addresses.map(parseIp).find((each) => each !== undefined && cidrContains(block, each));
  const isHeld = address !== undefined && cidrContains(block, address);
  const cutBy = address === undefined ? undefined : except.find((each) => cidrContains(each, address));
  if (isHeld && cutBy === undefined) return [];
  if (service !== undefined && translated !== undefined) {
    const text = `${formatCidr(block)} holds the address of Service ${translated.service}, but policies see the pod's, ${shown}: name its pods by selectors`;
    return [{ code: "block-for-service", text, weight: 1 }];
  }
  if (cutBy !== undefined) {
    const text = `except ${formatCidr(cutBy)} takes ${shown} out of ${formatCidr(block)}${pod === undefined ? "" : `; ${name} is a pod: name pods by selectors`}`;
    return [{ code: "block-except", text, weight: 2 }];
  }
  if (address !== undefined && address.family !== block.family) {
    const text = `${formatCidr(block)} is IPv${block.family}, and ${shown} is IPv${address.family}`;
    return [{ code: "block-family", text, weight: 2 }];
  }
  const text =
    pod === undefined
      ? `${shown} is not in ${formatCidr(block)}`
      : `${shown} is not in ${formatCidr(block)}; ${name} is a pod: name pods by selectors`;
  return [{ code: pod === undefined ? "block-misses" : "block-for-pod", text, weight: 5 }];
}

/** At most one fault: why none of the rule's ports is the flow's; `verb` is what the rule does with it. */
export function portFault(
  { ports }: AnyRule,
  flow: OracleFlow,
  to: OraclePod | undefined,
  translated: OtherEnd["translated"],
  verb = "allows",
): Fault[] {
  if (ports === undefined) return [];
  const asked = flow.port === undefined ? flow.protocol : `${flow.port}/${flow.protocol}`;
  const aim = flow.port === undefined ? asked : `to ${asked}`;
  const faults: Fault[] = [];
  for (const { protocol, port } of ports) {
    const isProtocol = protocol === flow.protocol;
    if (port === undefined) {
      if (isProtocol) return [];
      faults.push({ code: "port-protocol", text: `${verb} ${protocol} only, the flow is ${aim}`, weight: 1 });
    } else if ("name" in port) {
      const named = (to?.ports ?? []).filter(({ name }) => name === port.name);
      const match = named.find((each) => each.containerPort === flow.port && each.protocol === protocol);
      if (match !== undefined && isProtocol) return [];
      faults.push({
        code: "port-name",
        text: `${verb} ${namedText(port.name, protocol, to, named, aim)}`,
        weight: 2,
      });
    } else {
      const isIn = flow.port !== undefined && port.from <= flow.port && flow.port <= port.to;
      if (isIn && isProtocol) return [];
      const range = `${port.from}${port.to === port.from ? "" : `-${port.to}`}/${protocol}`;
      const isServicePort =
        translated !== undefined && isProtocol && port.from <= translated.port && translated.port <= port.to;
      if (isServicePort) {
        const text = `${verb} ${range}, the port of Service ${translated.service}; policies see the pod's port: ${asked}`;
        faults.push({ code: "service-port", text, weight: 0 });
      } else {
        const code = isIn ? "port-protocol" : "port-number";
        const weight = isIn ? 1 : isProtocol ? 4 : 5;
        faults.push({ code, text: `${verb} ${range}, the flow is ${aim}`, weight });
      }
    }
  }
  const [best] = faults.toSorted((a, b) => a.weight - b.weight);
  if (best?.code !== "port-number" || ports.length === 1) return best === undefined ? [] : [best];
  return [{ ...best, text: `none of its ${ports.length} ports is ${asked}; ${best.text}` }];
}

function namedText(
  name: string,
  protocol: string,
  to: OraclePod | undefined,
  named: OraclePod["ports"],
  aim: string,
): string {
  if (to === undefined) return `the port named ${name}, and only pods have named ports`;
  const pod = `${to.namespace}/${to.name}`;
  if (named.length > 0) {
    const stands = named.map((each) => `${each.containerPort}/${each.protocol}`).join(", ");
    return `the port named ${name} with ${protocol}, which is ${stands} in ${pod}; the flow is ${aim}`;
  }
  const names = to.ports.flatMap((each) => (each.name === undefined ? [] : [each.name]));
  const has = names.length === 0 ? "names no port" : `names its ports ${names.join(", ")}`;
  return `the port named ${name}, and ${pod} ${has}`;
}

/** The shortest of several lists; none where there is no list. */
export function fewestFaults(lists: readonly Fault[][]): Fault[] {
  const [first, ...rest] = lists;
  return rest.reduce((best, list) => (list.length < best.length ? list : best), first ?? []);
}
