import { formatIp, parseIp } from "../../core/ip.ts";
import { reverseAddress } from "./reverse-name.ts";
import type { PortFacts, ServiceFacts, ZoneFacts } from "./zone-facts.ts";

/** A resource record of the types that the cluster's zone has. Names have no dot at the end. */
export type DnsRecord = { name: string; ttlSeconds: number } & (
  | { type: "A" | "AAAA"; address: string }
  | { type: "CNAME" | "PTR" | "NS"; target: string }
  | { type: "SRV"; priority: number; weight: number; port: number; target: string }
  | { type: "TXT"; text: string }
  | { type: "SOA"; primary: string; mailbox: string; serial: number; minimumSeconds: number }
);

/** NXDOMAIN: no such name. NOERROR without answers: the name is there, but nothing of this type (NODATA). */
export interface DnsAnswer {
  rcode: "NOERROR" | "NXDOMAIN" | "SERVFAIL";
  isAuthoritative: boolean;
  answers: DnsRecord[];
  authority: DnsRecord[];
  additional: DnsRecord[];
}

/** kubeadm's Corefile says `ttl 30`; the plugin's own default is 5. */
const TTL_SECONDS = 30;
const SCHEMA_VERSION = "1.1.0";
const VERSION_TTL_SECONDS = 28_800;

/** One thing a name stands for: an address with a port, under the name that an SRV record gives as its target. */
interface Found {
  target: string;
  host: string;
  /** Undefined for a Service without ports: it has addresses but no SRV records. */
  port?: number;
}

/** Facts made ready for look-ups. */
export interface Zone {
  facts: ZoneFacts;
  namespaces: ReadonlySet<string>;
  services: ReadonlyMap<string, ServiceFacts>;
  /** Canonical address → names; made when it is first asked for, since it goes through every endpoint and few ask. */
  reverse(): ReadonlyMap<string, string[]>;
}

/** Indexes a zone. */
export function buildZone(facts: ZoneFacts): Zone {
  let reverse: ReadonlyMap<string, string[]> | undefined;
  return {
    facts,
    namespaces: new Set(facts.namespaces),
    services: new Map(facts.services.map((service) => [`${service.namespace}/${service.name}`, service])),
    reverse: () => (reverse ??= namesOfAddresses(facts)),
  };
}

/** A ClusterIP has one name; an endpoint has one a Service, from its address where it has no hostname (github.com/coredns/coredns/pull/7194). */
function namesOfAddresses(facts: ZoneFacts): ReadonlyMap<string, string[]> {
  const names = new Map<string, string[]>();
  const add = (address: string, name: string): void => {
    const parsed = parseIp(address);
    const key = parsed === undefined ? address : formatIp(parsed);
    const present = names.get(key);
    if (present === undefined) names.set(key, [name]);
    else present.push(name);
  };
  for (const service of facts.services)
    for (const address of service.clusterIPs) add(address, serviceName(service, facts));
  const clusterIPs = new Set(names.keys());
  for (const service of facts.services) {
    for (const { address, hostname } of service.endpoints) {
      if (!clusterIPs.has(address)) add(address, `${endpointLabel(address, hostname)}.${serviceName(service, facts)}`);
    }
  }
  return names;
}

/** An endpoint's name below its Service's; CoreDNS makes one of the address where the endpoint has none. */
function endpointLabel(address: string, hostname: string | undefined): string {
  return hostname === undefined || hostname === "" ? address.replaceAll(/[.:]/g, "-") : hostname;
}

function serviceName({ name, namespace }: ServiceFacts, { domain }: ZoneFacts): string {
  return `${name}.${namespace}.svc.${domain}`;
}

/**
 * Answers a question about the cluster's zone or an address by the Kubernetes DNS specification 1.1.0 as CoreDNS's
 * kubernetes plugin does; undefined for any other name. `name` may be of any case; answers repeat it as it came.
 */
export function answerFrom(zone: Zone, name: string, type: string): DnsAnswer | undefined {
  const asked = name.toLowerCase();
  const { domain, dnsAddress } = zone.facts;
  const reversed = reverseAddress(asked);
  if (reversed !== undefined) return reverseAnswer(zone, name, type, reversed);
  if (asked !== domain && !asked.endsWith(`.${domain}`)) return undefined;
  const base = asked === domain ? "" : asked.slice(0, -domain.length - 1);
  if (base === "" && type === "SOA") return positive([soa(zone)]);
  if (base === "" && type === "NS")
    return positive(
      [{ name, ttlSeconds: TTL_SECONDS, type: "NS", target: `ns.dns.${domain}` }],
      addressRecords(`ns.dns.${domain}`, [dnsAddress], ["A", "AAAA"]),
    );
  if (base === "ns.dns") return orNoData(zone, addressRecords(name, [dnsAddress], [type]));
  if (base === "dns-version")
    return orNoData(
      zone,
      type === "TXT" ? [{ name, ttlSeconds: VERSION_TTL_SECONDS, type: "TXT", text: SCHEMA_VERSION }] : [],
    );
  const found = lookUp(zone, base);
  if (found === undefined) return negative(zone, "NXDOMAIN");
  if ("externalName" in found) return orNoData(zone, externalRecords(zone, name, type, found.externalName, 0));
  if (type === "SRV") return serviceRecords(zone, name, found);
  return orNoData(
    zone,
    addressRecords(
      name,
      found.map(({ host }) => host),
      [type],
    ),
  );
}

/** What a name below the domain stands for: nothing to find (undefined), an empty list where the name only exists, or things. */
function lookUp(zone: Zone, base: string): Found[] | { externalName: string } | undefined {
  const labels = base === "" ? [] : base.split(".");
  const branch = labels.pop();
  if (branch === undefined) return [];
  if (branch !== "svc" && branch !== "pod") return undefined;
  const namespace = labels.pop();
  if (namespace === undefined) return [];
  if (!zone.namespaces.has(namespace)) return undefined;
  const name = labels.pop();
  if (name === undefined) return [];
  if (branch === "pod") return labels.length === 0 ? podAddress(name) : undefined;
  const service = zone.services.get(`${namespace}/${name}`);
  if (service === undefined || labels.length > 2) return undefined;
  const [port, protocol] = labels.length === 2 ? labels.map((label) => label.replace(/^_/, "")) : [];
  const endpoint = labels.length === 1 ? labels[0] : undefined;
  if (service.kind === "external-name") {
    const { externalName = "" } = service;
    return labels.length === 0 && isAliasTarget(externalName) ? { externalName } : undefined;
  }
  const found =
    service.kind === "headless" || endpoint !== undefined
      ? endpointsFound(zone, service, endpoint, port, protocol)
      : clusterIPsFound(zone, service, port, protocol);
  return found.length === 0 ? undefined : found;
}

/** CoreDNS has no record for an externalName that is an address; the API allows labels too long for the wire (RFC 1035 2.3.4). */
function isAliasTarget(name: string): boolean {
  const labels = name.replace(/\.$/, "").split(".");
  return (
    parseIp(name) === undefined && name.length <= 253 && labels.every((label) => label.length > 0 && label.length <= 63)
  );
}

/** `10-244-1-2` is 10.244.1.2, whether a pod has it or not (kubeadm's `pods insecure`). */
function podAddress(label: string): Found[] | undefined {
  const isIpv4 = /^\d+-\d+-\d+-\d+$/.test(label);
  const parsed = parseIp(isIpv4 ? label.replaceAll("-", ".") : label.replaceAll("-", ":"));
  return parsed === undefined ? undefined : [{ target: "", host: formatIp(parsed) }];
}

function endpointsFound(
  zone: Zone,
  service: ServiceFacts,
  endpoint: string | undefined,
  port: string | undefined,
  protocol: string | undefined,
): Found[] {
  return service.endpoints.flatMap(({ address, hostname, ports }) => {
    const label = endpointLabel(address, hostname);
    if (endpoint !== undefined && label.toLowerCase() !== endpoint) return [];
    const target = `${label}.${serviceName(service, zone.facts)}`;
    return portsMatching(ports, port, protocol).map((match) => ({ target, host: address, ...match }));
  });
}

function clusterIPsFound(
  zone: Zone,
  service: ServiceFacts,
  port: string | undefined,
  protocol: string | undefined,
): Found[] {
  const target = serviceName(service, zone.facts);
  return portsMatching(service.ports, port, protocol).flatMap((match) =>
    service.clusterIPs.map((host) => ({ target, host, ...match })),
  );
}

/** Ports of the name and protocol asked for. A Service without ports has one without a number, for its addresses. */
function portsMatching(
  ports: readonly PortFacts[],
  name: string | undefined,
  protocol: string | undefined,
): { port?: number }[] {
  if (ports.length === 0) return name === undefined ? [{}] : [];
  return ports
    .filter(
      (port) =>
        (name === undefined || port.name.toLowerCase() === name) &&
        (protocol === undefined || port.protocol.toLowerCase() === protocol),
    )
    .map(({ port }) => ({ port }));
}

function addressRecords(name: string, hosts: readonly string[], types: readonly string[]): DnsRecord[] {
  return [...new Set(hosts)].flatMap((address): DnsRecord[] => {
    const type = address.includes(":") ? "AAAA" : "A";
    return types.includes(type) ? [{ name, ttlSeconds: TTL_SECONDS, type, address }] : [];
  });
}

/** SRV records share the weight of 100 evenly (CoreDNS plugin.SRV); their targets' addresses come along. */
function serviceRecords(zone: Zone, name: string, found: readonly Found[]): DnsAnswer {
  const withPorts = found.filter(({ port }) => port !== undefined);
  const weight = Math.max(1, Math.floor(100 / Math.max(1, withPorts.length)));
  const records = new Map<string, DnsRecord>();
  const additional = new Map<string, DnsRecord>();
  for (const { target, host, port = 0 } of withPorts) {
    records.set(`${target}:${port}`, { name, ttlSeconds: TTL_SECONDS, type: "SRV", priority: 0, weight, port, target });
    for (const record of addressRecords(target, [host], ["A", "AAAA"])) additional.set(`${target} ${host}`, record);
  }
  return records.size === 0 ? negative(zone, "NOERROR") : positive([...records.values()], [...additional.values()]);
}

/** The alias, and what it stands for where that is in the zone; out in the world nobody can be asked. */
function externalRecords(zone: Zone, name: string, type: string, externalName: string, depth: number): DnsRecord[] {
  if (!["A", "AAAA", "CNAME"].includes(type) || externalName === "") return [];
  const target = externalName.replace(/\.$/, "");
  const alias: DnsRecord = { name, ttlSeconds: TTL_SECONDS, type: "CNAME", target };
  const { domain } = zone.facts;
  const lower = target.toLowerCase();
  if (type === "CNAME" || !lower.endsWith(`.${domain}`)) return [alias];
  const found = depth > 7 ? undefined : lookUp(zone, lower.slice(0, -domain.length - 1));
  if (found === undefined) return [];
  const rest =
    "externalName" in found
      ? externalRecords(zone, target, type, found.externalName, depth + 1)
      : addressRecords(
          target,
          found.map(({ host }) => host),
          [type],
        );
  return rest.length === 0 ? [] : [alias, ...rest];
}

/**
 * Names of an address. One without a name falls through to the world outside: a resolver there knows that private
 * addresses have none (RFC 6303), and of public ones this lab can say nothing.
 */
function reverseAnswer(zone: Zone, name: string, type: string, address: string): DnsAnswer {
  const names = zone.reverse().get(address);
  if (names !== undefined) {
    if (type !== "PTR")
      return {
        ...negative(zone, "NOERROR"),
        authority: [soa(zone, address.includes(":") ? "ip6.arpa" : "in-addr.arpa")],
      };
    return positive(names.map((target) => ({ name, ttlSeconds: TTL_SECONDS, type: "PTR", target })));
  }
  const isPrivate = /^(10|127)\.|^192\.168\.|^169\.254\.|^172\.(1[6-9]|2\d|3[01])\.|^f[cd]|^fe[89ab]|^::1?$/.test(
    address,
  );
  return {
    rcode: isPrivate ? "NXDOMAIN" : "SERVFAIL",
    isAuthoritative: false,
    answers: [],
    authority: [],
    additional: [],
  };
}

function positive(answers: DnsRecord[], additional: DnsRecord[] = []): DnsAnswer {
  return { rcode: "NOERROR", isAuthoritative: true, answers, authority: [], additional };
}

function orNoData(zone: Zone, answers: DnsRecord[]): DnsAnswer {
  return answers.length > 0 ? positive(answers) : negative(zone, "NOERROR");
}

/** RFC 2308: the SOA record says how long the absence may be remembered. */
function negative(zone: Zone, rcode: "NOERROR" | "NXDOMAIN"): DnsAnswer {
  return { rcode, isAuthoritative: true, answers: [], authority: [soa(zone)], additional: [] };
}

/** `origin` is the zone's: the cluster's domain, or a reverse tree, which the server is authoritative for as well. */
function soa({ facts }: Zone, origin = facts.domain): DnsRecord {
  return {
    name: origin,
    ttlSeconds: TTL_SECONDS,
    type: "SOA",
    primary: `ns.dns.${origin}`,
    mailbox: `hostmaster.${origin}`,
    serial: facts.version,
    minimumSeconds: TTL_SECONDS,
  };
}
