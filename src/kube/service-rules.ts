import { cidrContains, formatCidr, parseCidr, parseIp } from "../core/ip.ts";
import type { YamlPath } from "../core/yaml-document.ts";
import type { ManifestFindings } from "./manifest-findings.ts";
import { dnsLabelProblem, portNameProblem } from "./names.ts";
import { checkPortNumber, PROTOCOLS } from "./pod-rules.ts";
import { checkLabels, checkOneOf } from "./selector-rules.ts";
import type { Endpoints, EndpointSlice, Service } from "./types.ts";

/** Facts of the lab's cluster that a Service is checked against; absent ones are not checked. */
export interface ServiceNetwork {
  /** One a family. */
  serviceCidrs?: readonly string[];
  /** The cluster DNS address, which no Service of the lab may take. */
  dnsAddress?: string;
}

/** kube-apiserver's --service-node-port-range. */
export const NODE_PORTS = { first: 30_000, last: 32_767 } as const;

/** Checks what the API server checks of a Service beyond its structure. */
export function checkService({ spec }: Service, network: ServiceNetwork, findings: ManifestFindings): void {
  if (spec === undefined) return;
  checkOneOf(spec.type, ["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"], ["spec", "type"], findings);
  checkOneOf(spec.sessionAffinity, ["None", "ClientIP"], ["spec", "sessionAffinity"], findings);
  checkFamilies(spec, network, findings);
  checkLabels(spec.selector, ["spec", "selector"], findings);
  if (spec.type === "ExternalName") {
    if (!spec.externalName)
      findings.error(
        "MANIFEST_MISSING_FIELD",
        ["spec", "externalName"],
        "a Service of type ExternalName needs externalName",
        undefined,
        "missing",
      );
  } else if ((spec.ports ?? []).length === 0 && spec.clusterIP !== "None") {
    findings.error(
      "MANIFEST_MISSING_FIELD",
      ["spec", "ports"],
      "a Service needs at least one port",
      "only a headless Service (clusterIP: None) may have none",
      "missing",
    );
  }
  checkPorts(spec.ports ?? [], findings);
  checkNodePorts(spec, findings);
  checkAffinity(spec, findings);
  checkExternalAddresses(spec, findings);
  if (spec.clusterIP !== undefined) checkClusterIp(spec.clusterIP, ["spec", "clusterIP"], network, findings);
  for (const [index, address] of (spec.clusterIPs ?? []).entries()) {
    if (typeof address === "string") checkClusterIp(address, ["spec", "clusterIPs", index], network, findings);
  }
}

function checkPorts(ports: NonNullable<Service["spec"]["ports"]>, findings: ManifestFindings): void {
  const names = new Set<string>();
  const numbers = new Set<string>();
  for (const [index, port] of ports.entries()) {
    if (port === undefined) continue;
    const at = ["spec", "ports", index];
    checkPortNumber(port.port, [...at, "port"], findings);
    // 0 and an empty name are as good as none to the API.
    const targetPort = port.targetPort === 0 || port.targetPort === "" ? undefined : port.targetPort;
    checkPortNumber(targetPort, [...at, "targetPort"], findings);
    checkOneOf(port.protocol, PROTOCOLS, [...at, "protocol"], findings);
    if (typeof targetPort === "string") {
      const problem = portNameProblem(targetPort);
      const hint = /^\d+$/.test(targetPort) ? "write the number without quotes" : undefined;
      if (problem !== undefined)
        findings.error(
          "MANIFEST_BAD_NAME",
          [...at, "targetPort"],
          `port name ${JSON.stringify(targetPort)} ${problem}`,
          hint,
        );
    }
    if (port.name === undefined || port.name === "") {
      if (ports.length > 1)
        findings.error(
          "MANIFEST_MISSING_FIELD",
          [...at, "name"],
          "each port needs a name where a Service has several",
          undefined,
          "missing",
        );
    } else {
      const problem = dnsLabelProblem(port.name);
      if (problem !== undefined)
        findings.error("MANIFEST_BAD_NAME", [...at, "name"], `port name ${JSON.stringify(port.name)} ${problem}`);
      if (names.has(port.name))
        findings.error(
          "MANIFEST_DUPLICATE_NAME",
          [...at, "name"],
          `two ports of this Service are called ${JSON.stringify(port.name)}`,
        );
      names.add(port.name);
    }
    const key = `${port.port}/${port.protocol ?? "TCP"}`;
    if (numbers.has(key)) findings.error("MANIFEST_BAD_PORT", [...at, "port"], `this Service has port ${key} twice`);
    numbers.add(key);
  }
}

function checkNodePorts(
  { type = "ClusterIP", ports = [], ...spec }: Service["spec"],
  findings: ManifestFindings,
): void {
  const isExposed = type === "NodePort" || type === "LoadBalancer";
  checkOneOf(spec["internalTrafficPolicy"], ["Cluster", "Local"], ["spec", "internalTrafficPolicy"], findings);
  const at = ["spec", "externalTrafficPolicy"];
  if (spec["externalTrafficPolicy"] !== undefined && !isExposed)
    findings.error(
      "MANIFEST_BAD_VALUE",
      at,
      `externalTrafficPolicy is not for a Service of type ${type}`,
      undefined,
      "key",
    );
  else checkOneOf(spec["externalTrafficPolicy"], ["Cluster", "Local"], at, findings);
  const seen = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const nodePort = port?.nodePort;
    if (nodePort === undefined || nodePort === 0) continue;
    const place = ["spec", "ports", index, "nodePort"];
    const key = `${nodePort}/${port.protocol ?? "TCP"}`;
    if (!isExposed) {
      const message = `a Service of type ${type} has no node ports`;
      findings.error("MANIFEST_BAD_VALUE", place, message, "write type: NodePort", "key");
    } else if (nodePort < NODE_PORTS.first || nodePort > NODE_PORTS.last) {
      const range = `${NODE_PORTS.first} and ${NODE_PORTS.last}`;
      findings.error("MANIFEST_BAD_PORT", place, `node port ${nodePort} is not between ${range}`);
    } else if (seen.has(key)) findings.error("MANIFEST_BAD_PORT", place, `this Service has node port ${key} twice`);
    seen.add(key);
  }
}

/** A day is the longest that a client is remembered. */
function checkAffinity({ sessionAffinity, ...spec }: Service["spec"], findings: ManifestFindings): void {
  const config = spec["sessionAffinityConfig"] as { clientIP?: { timeoutSeconds?: number } } | undefined;
  if (config === undefined) return;
  const at = ["spec", "sessionAffinityConfig"];
  if (sessionAffinity !== "ClientIP") {
    const message = "sessionAffinityConfig is dropped: it needs sessionAffinity: ClientIP";
    findings.warn("MANIFEST_BAD_VALUE", at, message, undefined, "key");
    return;
  }
  const seconds = config.clientIP?.timeoutSeconds;
  if (seconds !== undefined && (seconds < 1 || seconds > 86_400)) {
    const place = [...at, "clientIP", "timeoutSeconds"];
    findings.error("MANIFEST_BAD_VALUE", place, `timeoutSeconds ${seconds} is not between 1 and 86400`);
  }
}

/** What callers from outside are led by beside node ports. */
function checkExternalAddresses(spec: Service["spec"], findings: ManifestFindings): void {
  const { type, externalIPs, loadBalancerIP, loadBalancerSourceRanges, healthCheckNodePort } = spec;
  for (const [index, address] of (externalIPs ?? []).entries())
    if (typeof address === "string") checkAddress(address, ["spec", "externalIPs", index], findings);
  if (typeof loadBalancerIP === "string" && loadBalancerIP !== "" && parseIp(loadBalancerIP) === undefined)
    findings.error(
      "MANIFEST_BAD_ADDRESS",
      ["spec", "loadBalancerIP"],
      `${JSON.stringify(loadBalancerIP)} is no IP address`,
    );
  for (const [index, range] of (loadBalancerSourceRanges ?? []).entries()) {
    if (typeof range !== "string" || parseCidr(range.trim()) !== undefined) continue;
    const at = ["spec", "loadBalancerSourceRanges", index];
    findings.error(
      "MANIFEST_BAD_ADDRESS",
      at,
      `${JSON.stringify(range)} is no CIDR`,
      "one address is written with /32",
    );
  }
  const only = (field: string, isWritten: boolean, isMeant: boolean, whom: string): void => {
    if (isWritten && !isMeant)
      findings.error("MANIFEST_BAD_VALUE", ["spec", field], `${field} is for ${whom} alone`, undefined, "key");
  };
  const isBalanced = type === "LoadBalancer";
  const balanced = "Services of type LoadBalancer";
  only("loadBalancerClass", spec.loadBalancerClass !== undefined, isBalanced, balanced);
  only("loadBalancerSourceRanges", (loadBalancerSourceRanges ?? []).length > 0, isBalanced, balanced);
  only("allocateLoadBalancerNodePorts", spec["allocateLoadBalancerNodePorts"] !== undefined, isBalanced, balanced);
  const isLocal = spec["externalTrafficPolicy"] === "Local";
  const asked = healthCheckNodePort !== undefined && healthCheckNodePort !== 0;
  only("healthCheckNodePort", asked, isBalanced && isLocal, `${balanced} with externalTrafficPolicy: Local`);
}

/** The API server refuses a family that the cluster has no Service network of. */
function checkFamilies(
  { ipFamilies = [], ipFamilyPolicy }: Service["spec"],
  { serviceCidrs = [] }: ServiceNetwork,
  findings: ManifestFindings,
): void {
  const policies = ["SingleStack", "PreferDualStack", "RequireDualStack"];
  checkOneOf(ipFamilyPolicy, policies, ["spec", "ipFamilyPolicy"], findings);
  const isSingle = serviceCidrs.length === 1;
  const hint = "a lab has both families with cluster.ipFamily: dual";
  if (isSingle && ipFamilyPolicy === "RequireDualStack") {
    const message = "RequireDualStack, and the cluster has one address family";
    findings.error("MANIFEST_BAD_VALUE", ["spec", "ipFamilyPolicy"], message, hint);
  }
  for (const [index, family] of ipFamilies.entries()) {
    const at = ["spec", "ipFamilies", index];
    checkOneOf(family, ["IPv4", "IPv6"], at, findings);
    if (isSingle && family === "IPv6")
      findings.error("MANIFEST_BAD_VALUE", at, "IPv6, and the cluster has IPv4 alone", hint);
  }
}

function checkClusterIp(address: string, path: YamlPath, network: ServiceNetwork, findings: ManifestFindings): void {
  if (address === "" || address === "None") return;
  const ip = parseIp(address);
  const cidrs = (network.serviceCidrs ?? []).flatMap((text) => parseCidr(text) ?? []);
  const cidr = cidrs.find(({ family }) => family === ip?.family);
  if (ip === undefined) {
    findings.error(
      "MANIFEST_BAD_ADDRESS",
      path,
      `${JSON.stringify(address)} is no IP address`,
      "write an address, None for a headless Service, or leave it out",
    );
  } else if (cidrs.length > 0 && (cidr === undefined || !cidrContains(cidr, ip))) {
    const networks = cidrs.map(formatCidr).join(", ");
    findings.error("MANIFEST_BAD_ADDRESS", path, `${address} is not in the service network ${networks}`);
  } else if (cidr !== undefined && cidr === cidrs[0] && ip.value === cidr.value + 1n) {
    findings.error("MANIFEST_BAD_ADDRESS", path, `${address} belongs to the Service kubernetes`);
  } else if (address === network.dnsAddress) {
    findings.error("MANIFEST_BAD_ADDRESS", path, `${address} is the address of the cluster's DNS`);
  }
}

/** Checks addresses and ports of Endpoints written by hand. */
export function checkEndpoints({ subsets }: Endpoints, findings: ManifestFindings): void {
  for (const [index, subset] of (subsets ?? []).entries()) {
    for (const list of ["addresses", "notReadyAddresses"] as const) {
      for (const [position, entry] of (subset?.[list] ?? []).entries()) {
        if (entry?.ip !== undefined) checkAddress(entry.ip, ["subsets", index, list, position, "ip"], findings);
      }
    }
    for (const [position, port] of (subset?.ports ?? []).entries()) {
      checkPortNumber(port?.port, ["subsets", index, "ports", position, "port"], findings);
      checkOneOf(port?.protocol, PROTOCOLS, ["subsets", index, "ports", position, "protocol"], findings);
    }
  }
}

/** Checks addresses and ports of an EndpointSlice written by hand. */
export function checkEndpointSlice({ addressType, endpoints, ports }: EndpointSlice, findings: ManifestFindings): void {
  checkOneOf(addressType, ["IPv4", "IPv6", "FQDN"], ["addressType"], findings);
  for (const [index, endpoint] of (endpoints ?? []).entries()) {
    for (const [position, address] of (endpoint?.addresses ?? []).entries()) {
      if (addressType === "FQDN" || typeof address !== "string") continue;
      const path = ["endpoints", index, "addresses", position];
      const isChecked = checkAddress(address, path, findings);
      const family = `IPv${parseIp(address)?.family}`;
      if (isChecked && (addressType === "IPv4" || addressType === "IPv6") && family !== addressType) {
        findings.error("MANIFEST_BAD_ADDRESS", path, `${address} is not of the slice's addressType, ${addressType}`);
      }
    }
  }
  for (const [position, port] of (ports ?? []).entries()) {
    checkPortNumber(port?.port, ["ports", position, "port"], findings);
    checkOneOf(port?.protocol, PROTOCOLS, ["ports", position, "protocol"], findings);
  }
}

/** What no endpoint may have (API server, ValidateNonSpecialIP). */
const SPECIAL = [
  { what: "unspecified", cidrs: ["0.0.0.0/32", "::/128"] },
  { what: "loopback", cidrs: ["127.0.0.0/8", "::1/128"] },
  { what: "link-local", cidrs: ["169.254.0.0/16", "fe80::/10"] },
  { what: "link-local multicast", cidrs: ["224.0.0.0/24", "ff02::/16"] },
].flatMap(({ what, cidrs }) => cidrs.flatMap((text) => ({ what, cidr: parseCidr(text) })));

/** Whether it is an address that an endpoint may have. */
function checkAddress(address: string, path: YamlPath, findings: ManifestFindings): boolean {
  const ip = parseIp(address);
  if (ip === undefined) {
    findings.error("MANIFEST_BAD_ADDRESS", path, `${JSON.stringify(address)} is no IP address`);
    return false;
  }
  const special = SPECIAL.find(({ cidr }) => cidr?.family === ip.family && cidrContains(cidr, ip));
  if (special === undefined) return true;
  findings.error("MANIFEST_BAD_ADDRESS", path, `${address} is ${special.what}: no endpoint may have it`);
  return false;
}
