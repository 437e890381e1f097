import { isRecord } from "../core/is-record.ts";
import type { YamlPath } from "../core/yaml-document.ts";
import type {
  AdminPeer,
  AdminPolicy,
  AdminPort,
  AdminProtocol,
  AdminRule,
  AdminSubject,
} from "./admin-policy-types.ts";
import { formatPath, type ManifestFindings } from "./manifest-findings.ts";
import { checkCidr } from "./network-policy-rules.ts";
import { checkPortNumber, PROTOCOLS } from "./pod-rules.ts";
import { checkOneOf, checkSelector } from "./selector-rules.ts";

/** What the kinds' definitions allow; `most` is of rules a direction, and of items of each list in a rule. */
const FACTS = {
  AdminNetworkPolicy: { actions: ["Allow", "Deny", "Pass"], most: 100 },
  BaselineAdminNetworkPolicy: { actions: ["Allow", "Deny"], most: 100 },
  ClusterNetworkPolicy: { actions: ["Accept", "Deny", "Pass"], most: 25 },
} as const;

const MOST_PRIORITY = 1000;
const MOST_NETWORKS = 25;
const LONGEST_NAME = 100;

type Facts = (typeof FACTS)[keyof typeof FACTS];

/**
 * Checks what the definitions of policy.networking.k8s.io demand of a cluster-wide policy beyond its structure, and refuses
 * `domainNames`, which no model of manifests can resolve. Values may be missing where structure told so.
 */
export function checkAdminPolicy({ kind, metadata, spec }: AdminPolicy, findings: ManifestFindings): void {
  const facts = FACTS[kind];
  if (kind === "BaselineAdminNetworkPolicy" && typeof metadata.name === "string" && metadata.name !== "default") {
    const message = "the one BaselineAdminNetworkPolicy of a cluster is named default";
    findings.error("MANIFEST_BAD_NAME", ["metadata", "name"], message, "write name: default");
  }
  if (spec === undefined) return;
  checkOneOf(spec.tier, ["Admin", "Baseline"], ["spec", "tier"], findings);
  if (typeof spec.priority === "number" && (spec.priority < 0 || spec.priority > MOST_PRIORITY)) {
    const message = `priority ${spec.priority} is not between 0 and ${MOST_PRIORITY}`;
    findings.error("MANIFEST_BAD_VALUE", ["spec", "priority"], message);
  }
  if (isRecord(spec.subject)) checkEnd(spec.subject, ["namespaces", "pods"], ["spec", "subject"], findings);
  for (const direction of ["ingress", "egress"] as const) {
    checkLength(spec[direction], facts.most, ["spec", direction], findings);
    for (const [index, rule] of (spec[direction] ?? []).entries()) {
      if (isRecord(rule)) checkRule(rule, direction, facts, ["spec", direction, index], findings);
    }
  }
}

function checkRule(
  rule: AdminRule,
  direction: "ingress" | "egress",
  facts: Facts,
  path: YamlPath,
  findings: ManifestFindings,
): void {
  checkOneOf(rule.action, facts.actions, [...path, "action"], findings);
  if (typeof rule.name === "string" && rule.name.length > LONGEST_NAME) {
    const message = `the rule's name is longer than ${LONGEST_NAME} characters`;
    findings.error("MANIFEST_BAD_NAME", [...path, "name"], message);
  }
  const field = direction === "ingress" ? "from" : "to";
  const kinds: readonly string[] =
    direction === "ingress" ? ["namespaces", "pods"] : ["namespaces", "pods", "nodes", "networks"];
  checkLength(rule[field], facts.most, [...path, field], findings, 1);
  for (const [index, peer] of (rule[field] ?? []).entries()) {
    if (isRecord(peer)) checkPeer(peer, kinds, [...path, field, index], findings);
  }
  for (const list of ["ports", "protocols"] as const) {
    checkLength(rule[list], facts.most, [...path, list], findings, 1);
  }
  for (const [index, port] of (rule.ports ?? []).entries()) {
    if (isRecord(port)) checkPort(port, [...path, "ports", index], findings);
  }
  for (const [index, protocol] of (rule.protocols ?? []).entries()) {
    if (isRecord(protocol)) checkProtocol(protocol, [...path, "protocols", index], findings);
  }
  refuseNamesOfAddresses(rule, path, findings);
}

function checkPeer(peer: AdminPeer, kinds: readonly string[], path: YamlPath, findings: ManifestFindings): void {
  if (peer.domainNames !== undefined) {
    findings.error(
      "POLICY_DOMAIN_NAMES",
      [...path, "domainNames"],
      "domainNames is not modelled: which addresses a name stands for is known to no manifest",
      "write the networks in its place",
      "key",
    );
    return;
  }
  checkEnd(peer, kinds, path, findings);
  checkSelector(peer.nodes, [...path, "nodes"], findings);
  checkLength(peer.networks, MOST_NETWORKS, [...path, "networks"], findings, 1);
  for (const [index, text] of (peer.networks ?? []).entries()) {
    checkCidr(text, [...path, "networks", index], findings);
  }
}

/** A subject or a peer: exactly one way to pick, and its selectors. */
function checkEnd(end: AdminSubject, kinds: readonly string[], path: YamlPath, findings: ManifestFindings): void {
  demandOne(end, kinds, ["MANIFEST_EMPTY_PEER", "MANIFEST_MIXED_PEER"], path, findings);
  checkSelector(end.namespaces, [...path, "namespaces"], findings);
  checkSelector(end.pods?.namespaceSelector, [...path, "pods", "namespaceSelector"], findings);
  checkSelector(end.pods?.podSelector, [...path, "pods", "podSelector"], findings);
}

function checkPort(port: AdminPort, path: YamlPath, findings: ManifestFindings): void {
  demandOne(port, ["portNumber", "portRange", "namedPort"], ["MANIFEST_BAD_PORT", "MANIFEST_BAD_PORT"], path, findings);
  const { portNumber, portRange } = port;
  checkOneOf(portNumber?.protocol, PROTOCOLS, [...path, "portNumber", "protocol"], findings);
  checkPortNumber(portNumber?.port, [...path, "portNumber", "port"], findings);
  checkOneOf(portRange?.protocol, PROTOCOLS, [...path, "portRange", "protocol"], findings);
  if (portRange !== undefined) checkRange(portRange, [...path, "portRange"], findings);
}

function checkProtocol(item: AdminProtocol, path: YamlPath, findings: ManifestFindings): void {
  const kinds = ["tcp", "udp", "sctp", "destinationNamedPort"];
  demandOne(item, kinds, ["MANIFEST_BAD_PORT", "MANIFEST_BAD_PORT"], path, findings);
  for (const protocol of ["tcp", "udp", "sctp"] as const) {
    const match = item[protocol];
    if (match === undefined) continue;
    const at = [...path, protocol];
    demandOne(match, ["destinationPort"], ["MANIFEST_BAD_PORT", "MANIFEST_BAD_PORT"], at, findings);
    const { destinationPort } = match;
    if (destinationPort === undefined) continue;
    const port = [...at, "destinationPort"];
    demandOne(destinationPort, ["number", "range"], ["MANIFEST_BAD_PORT", "MANIFEST_BAD_PORT"], port, findings);
    checkPortNumber(destinationPort.number, [...port, "number"], findings);
    if (destinationPort.range !== undefined) checkRange(destinationPort.range, [...port, "range"], findings);
  }
}

function checkRange({ start, end }: { start: number; end: number }, path: YamlPath, findings: ManifestFindings): void {
  checkPortNumber(start, [...path, "start"], findings);
  checkPortNumber(end, [...path, "end"], findings);
  if (start < end || findings.hasErrorBelow(path)) return;
  const hint = start === end ? "name one port by its number" : undefined;
  findings.error("MANIFEST_BAD_PORT", [...path, "end"], `end ${end} is not above start ${start}`, hint);
}

/** A port's name is a pod's: rules that pick addresses cannot have one (the definitions' own rule). */
function refuseNamesOfAddresses({ to, ports, protocols }: AdminRule, path: YamlPath, findings: ManifestFindings): void {
  const picksAddresses = (to ?? []).some((peer) => peer?.networks !== undefined || peer?.nodes !== undefined);
  if (!picksAddresses) return;
  const refuse = (at: YamlPath): void =>
    findings.error("MANIFEST_BAD_PORT", at, "networks and nodes have no named ports", "write the port's number", "key");
  for (const [index, port] of (ports ?? []).entries()) {
    if (port?.namedPort !== undefined) refuse([...path, "ports", index, "namedPort"]);
  }
  for (const [index, item] of (protocols ?? []).entries()) {
    if (item?.destinationNamedPort !== undefined) refuse([...path, "protocols", index, "destinationNamedPort"]);
  }
}

function demandOne(
  value: object,
  kinds: readonly string[],
  [whenEmpty, whenMixed]: readonly [string, string],
  path: YamlPath,
  findings: ManifestFindings,
): void {
  // A field that is unknown or of a wrong type was meant to be the one.
  if (findings.hasErrorBelow(path)) return;
  const given = kinds.filter((kind) => Object.hasOwn(value, kind));
  const choice = kinds.length === 1 ? (kinds[0] as string) : `exactly one of ${kinds.join(", ")}`;
  if (given.length === 0) findings.error(whenEmpty, path, `${formatPath(path)} needs ${choice}`);
  const second = given[1];
  if (second === undefined) return;
  const message = `${second} cannot stand beside ${given[0]}: ${formatPath(path)} needs ${choice}`;
  findings.error(whenMixed, [...path, second], message, "begin another item", "key");
}

function checkLength(list: unknown, most: number, path: YamlPath, findings: ManifestFindings, least = 0): void {
  if (!Array.isArray(list) || (list.length >= least && list.length <= most)) return;
  const message =
    list.length < least ? `${formatPath(path)} needs an item` : `${formatPath(path)} has more than ${most} items`;
  findings.error("MANIFEST_BAD_VALUE", path, message, undefined, "key");
}
