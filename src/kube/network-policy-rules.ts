import { cidrContainsCidr, formatCidr, hasHostBits, parseCidr } from "../core/ip.ts";
import type { YamlPath } from "../core/yaml-document.ts";
import type { ManifestFindings } from "./manifest-findings.ts";
import { portNameProblem } from "./names.ts";
import { checkPortNumber, PROTOCOLS } from "./pod-rules.ts";
import { checkOneOf, checkSelector } from "./selector-rules.ts";
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from "./types.ts";

/**
 * Checks what the API server checks of a NetworkPolicy beyond its structure (networking validation.go). Values may be
 * missing where structure told so.
 */
export function checkNetworkPolicy({ spec }: NetworkPolicy, findings: ManifestFindings): void {
  if (spec === undefined) return;
  checkSelector(spec.podSelector, ["spec", "podSelector"], findings);
  for (const [index, type] of (spec.policyTypes ?? []).entries()) {
    checkOneOf(type, ["Ingress", "Egress"], ["spec", "policyTypes", index], findings);
  }
  for (const [index, rule] of (spec.ingress ?? []).entries()) {
    checkRule(rule?.from, "from", rule?.ports, ["spec", "ingress", index], findings);
  }
  for (const [index, rule] of (spec.egress ?? []).entries()) {
    checkRule(rule?.to, "to", rule?.ports, ["spec", "egress", index], findings);
  }
  warnOfIdleRules(spec, findings);
}

function checkRule(
  peers: NetworkPolicyPeer[] | undefined,
  field: "from" | "to",
  ports: NetworkPolicyPort[] | undefined,
  path: YamlPath,
  findings: ManifestFindings,
): void {
  for (const [index, peer] of (peers ?? []).entries())
    if (peer !== undefined) checkPeer(peer, [...path, field, index], findings);
  for (const [index, port] of (ports ?? []).entries())
    if (port !== undefined) checkPort(port, [...path, "ports", index], findings);
}

function checkPeer(peer: NetworkPolicyPeer, path: YamlPath, findings: ManifestFindings): void {
  checkSelector(peer.podSelector, [...path, "podSelector"], findings);
  checkSelector(peer.namespaceSelector, [...path, "namespaceSelector"], findings);
  const { ipBlock } = peer;
  if (ipBlock === undefined) {
    if (peer.podSelector === undefined && peer.namespaceSelector === undefined) {
      const hint = "podSelector: {} means every pod of the namespace, namespaceSelector: {} every pod of the cluster";
      findings.error("MANIFEST_EMPTY_PEER", path, "a peer needs podSelector, namespaceSelector or ipBlock", hint);
    }
    return;
  }
  if (peer.podSelector !== undefined || peer.namespaceSelector !== undefined) {
    findings.error(
      "MANIFEST_MIXED_PEER",
      [...path, "ipBlock"],
      "ipBlock cannot stand beside a selector in one peer",
      `begin another item with "- ipBlock:"`,
      "key",
    );
  }
  const cidr = checkCidr(ipBlock.cidr, [...path, "ipBlock", "cidr"], findings);
  for (const [index, text] of (ipBlock.except ?? []).entries()) {
    const at = [...path, "ipBlock", "except", index];
    const except = checkCidr(text, at, findings);
    if (cidr === undefined || except === undefined) continue;
    if (!cidrContainsCidr(cidr, except) || cidr.prefixLength === except.prefixLength) {
      findings.error("MANIFEST_BAD_CIDR", at, `${text} is not a smaller network inside ${ipBlock.cidr}`);
    }
  }
}

/** The network that a text means, host bits cleared with a warning; undefined, with the error told, where it is none. */
export function checkCidr(text: unknown, path: YamlPath, findings: ManifestFindings): ReturnType<typeof parseCidr> {
  if (typeof text !== "string") return undefined;
  const cidr = parseCidr(text);
  if (cidr === undefined) {
    const hint = text.includes("/") ? undefined : "add a prefix length: /32 is one IPv4 address";
    findings.error("MANIFEST_BAD_CIDR", path, `${JSON.stringify(text)} is no CIDR`, hint);
  } else if (hasHostBits(text)) {
    findings.warn("MANIFEST_CIDR_HOST_BITS", path, `${text} means ${formatCidr(cidr)}`, `write ${formatCidr(cidr)}`);
  }
  return cidr;
}

function checkPort(port: NetworkPolicyPort, path: YamlPath, findings: ManifestFindings): void {
  checkOneOf(port.protocol, PROTOCOLS, [...path, "protocol"], findings);
  checkPortNumber(port.port, [...path, "port"], findings);
  if (typeof port.port === "string") {
    const problem = portNameProblem(port.port);
    const hint = /^\d+$/.test(port.port) ? "write the number without quotes" : undefined;
    if (problem !== undefined)
      findings.error("MANIFEST_BAD_NAME", [...path, "port"], `port name ${JSON.stringify(port.port)} ${problem}`, hint);
  }
  if (port.endPort === undefined) return;
  checkPortNumber(port.endPort, [...path, "endPort"], findings);
  if (port.port === undefined) {
    findings.error(
      "MANIFEST_BAD_PORT",
      [...path, "endPort"],
      "endPort needs port, the first of the range",
      undefined,
      "key",
    );
  } else if (typeof port.port === "string") {
    findings.error(
      "MANIFEST_BAD_PORT",
      [...path, "endPort"],
      "endPort needs a number as port, not a name",
      undefined,
      "key",
    );
  } else if (port.endPort < port.port) {
    findings.error("MANIFEST_BAD_PORT", [...path, "endPort"], `endPort ${port.endPort} is below port ${port.port}`);
  }
}

/** Valid, but not what anyone means: rules of a direction that the policy does not isolate. */
function warnOfIdleRules(spec: NetworkPolicy["spec"], findings: ManifestFindings): void {
  if (spec.policyTypes === undefined || spec.policyTypes.length === 0) return;
  for (const [field, type] of [
    ["ingress", "Ingress"],
    ["egress", "Egress"],
  ] as const) {
    if (spec[field] === undefined || spec.policyTypes.includes(type)) continue;
    findings.warn(
      "MANIFEST_RULES_IGNORED",
      ["spec", field],
      `these ${field} rules have no effect: policyTypes has no ${type}`,
      `add ${type} to policyTypes`,
      "key",
    );
  }
}
