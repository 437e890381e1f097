import { formatIp, parseIp } from "../../core/ip.ts";
import type { EndpointSlice, Namespace, Service } from "../../kube/types.ts";

/** A port as SRV names it: `_name._protocol`, both in lower case; the name is empty for an unnamed port. */
export interface ZonePort {
  name: string;
  protocol: string;
  port: number;
}

/** A ready endpoint of a Service; `hostname` is its label below the Service's name. */
export interface ZoneEndpoint {
  address: string;
  hostname: string;
  /** Empty where the Service declares no ports: the endpoint then has addresses but no SRV. */
  ports: ZonePort[];
}

/** What DNS tells of a Service. Endpoints of a ClusterIP Service have names too, as CoreDNS gives them. */
export type ZoneService =
  | { kind: "clusterIP"; addresses: string[]; ports: ZonePort[]; endpoints: ZoneEndpoint[] }
  | { kind: "headless"; endpoints: ZoneEndpoint[] }
  | { kind: "externalName"; target: string };

/** Everything the cluster's DNS answers from; plain JSON, to be posted to the thread that serves it. */
export interface ZoneSnapshot {
  /** The SOA serial; the store's version modulo 2^32. */
  version: number;
  /** Lower case, without a final dot. */
  domain: string;
  /** Where the DNS Service is reached, one address a family. */
  nameservers: string[];
  namespaces: Record<string, true>;
  /** By `name.namespace`. */
  services: Record<string, ZoneService>;
  /** The names that a reverse lookup of an address gives, by canonical address. */
  reverse: Record<string, string[]>;
}

/** What a zone is made from; a store's lists, of all namespaces. Pods are not needed: see docs/dns.md, `pods insecure`. */
export interface ZoneSource {
  namespaces: readonly Namespace[];
  services: readonly Service[];
  endpointSlices: readonly EndpointSlice[];
  dnsDomain: string;
  dnsAddresses: readonly string[];
  version: number;
}

/** The names of a cluster by the Kubernetes DNS-Based Service Discovery specification 1.1.0, read as CoreDNS reads it. */
export function buildZone(source: ZoneSource): ZoneSnapshot {
  const zone: ZoneSnapshot = {
    version: source.version % 2 ** 32,
    domain: normalName(source.dnsDomain),
    nameservers: source.dnsAddresses.map(canonical),
    namespaces: Object.fromEntries(source.namespaces.map(({ metadata }) => [metadata.name, true as const])),
    services: {},
    reverse: {},
  };
  const endpoints = endpointsByService(source.endpointSlices);
  const names: [string, ZoneService][] = source.services.flatMap((service) => {
    const key = `${service.metadata.name}.${service.metadata.namespace ?? "default"}`;
    const entry = zoneService(service, endpoints.get(key) ?? []);
    return entry === undefined ? [] : [[key, entry]];
  });
  zone.services = Object.fromEntries(names);
  zone.reverse = reverseNames(zone.domain, names);
  return zone;
}

/** A zone in which nothing exists yet but the domain itself; what a server answers from before its first snapshot. */
export function emptyZone(dnsDomain: string): ZoneSnapshot {
  return buildZone({ namespaces: [], services: [], endpointSlices: [], dnsDomain, dnsAddresses: [], version: 0 });
}

/** Undefined for what CoreDNS has no records for: no address yet, or an externalName that is an address or no DNS name. */
function zoneService({ spec }: Service, endpoints: ZoneEndpoint[]): ZoneService | undefined {
  if (spec.type === "ExternalName") {
    const target = normalName(spec.externalName ?? "");
    return isDnsName(target) && parseIp(target) === undefined ? { kind: "externalName", target } : undefined;
  }
  if (spec.clusterIP === "None") return { kind: "headless", endpoints };
  const addresses = (spec.clusterIPs ?? [spec.clusterIP ?? ""]).filter((address) => parseIp(address) !== undefined);
  if (addresses.length === 0) return undefined;
  const ports = (spec.ports ?? []).map(({ name = "", protocol = "TCP", port }) => zonePort(name, protocol, port));
  return { kind: "clusterIP", addresses, ports, endpoints };
}

function endpointsByService(slices: readonly EndpointSlice[]): Map<string, ZoneEndpoint[]> {
  const byService = new Map<string, ZoneEndpoint[]>();
  for (const { metadata, addressType, endpoints, ports } of slices) {
    const service = metadata.labels?.["kubernetes.io/service-name"];
    if (service === undefined || addressType === "FQDN") continue;
    const key = `${service}.${metadata.namespace ?? "default"}`;
    const list = byService.get(key) ?? [];
    byService.set(key, list);
    const zonePorts = (ports ?? []).flatMap(({ name = "", protocol = "TCP", port }) =>
      port === undefined ? [] : [zonePort(name, protocol, port)],
    );
    for (const { addresses, conditions, hostname } of endpoints) {
      // discovery.k8s.io/v1: a missing condition is unknown, to be taken as ready.
      if (conditions?.ready === false) continue;
      for (const address of addresses) {
        if (parseIp(address) === undefined) continue;
        list.push({
          address,
          hostname: (hostname ?? "") === "" ? dashedAddress(address) : (hostname as string).toLowerCase(),
          ports: zonePorts,
        });
      }
    }
  }
  return byService;
}

/** A ClusterIP's name hides those of endpoints, as in CoreDNS; the first Service of an address wins. */
function reverseNames(domain: string, services: readonly [string, ZoneService][]): Record<string, string[]> {
  const clusterIps = new Map<string, string[]>();
  const endpointNames = new Map<string, string[]>();
  for (const [key, service] of services) {
    if (service.kind === "externalName") continue;
    const name = `${key}.svc.${domain}`;
    if (service.kind === "clusterIP") {
      for (const address of service.addresses.map(canonical))
        if (!clusterIps.has(address)) clusterIps.set(address, [name]);
    }
    for (const { address, hostname } of service.endpoints) {
      const names = endpointNames.get(canonical(address)) ?? [];
      if (!names.includes(`${hostname}.${name}`)) names.push(`${hostname}.${name}`);
      endpointNames.set(canonical(address), names);
    }
  }
  return Object.fromEntries([...endpointNames, ...clusterIps]);
}

function zonePort(name: string, protocol: string, port: number): ZonePort {
  return { name: name.toLowerCase(), protocol: protocol.toLowerCase(), port };
}

/** CoreDNS's name for an endpoint without a hostname: its address, each dot or colon a dash. */
function dashedAddress(address: string): string {
  return address.replace(/[.:]/g, "-").toLowerCase();
}

function canonical(address: string): string {
  const parsed = parseIp(address);
  return parsed === undefined ? address : formatIp(parsed);
}

function normalName(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

/** Whether a name fits the wire (RFC 1035 2.3.4); the API allows longer labels in an externalName. */
function isDnsName(name: string): boolean {
  return name.length <= 253 && name.split(".").every((label) => /^[!-~]{1,63}$/.test(label));
}
