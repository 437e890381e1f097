import { formatIp, parseIp } from "../../core/ip.ts";
import type { ZonePort, ZoneService, ZoneSnapshot } from "./zone.ts";

/** An address at a name, with the port that SRV gives it. */
export interface Host {
  /** The name that SRV points to. */
  owner: string;
  address: string;
  /** Undefined where no port is declared: no SRV. */
  port: number | undefined;
}

/** What stands at a name of the cluster domain; hosts of `pod` and `dns` are no Services and have no SRV. */
export type Found =
  | { kind: "missing" }
  | { kind: "empty" }
  | { kind: "version" }
  | { kind: "alias"; target: string }
  | { kind: "hosts"; hosts: Host[]; hasServices: boolean };

const MISSING: Found = { kind: "missing" };
const EMPTY: Found = { kind: "empty" };

/** What stands at a name, by the labels left of the cluster domain. */
export function find(zone: ZoneSnapshot, relative: readonly string[]): Found {
  const [tree, namespace, name, ...rest] = relative.toReversed();
  if (tree === undefined) return EMPTY;
  if (tree === "dns-version" && relative.length === 1) return { kind: "version" };
  if (tree === "dns") return findNameserver(zone, relative);
  if (tree !== "svc" && tree !== "pod") return MISSING;
  if (namespace === undefined) return EMPTY;
  if (!Object.hasOwn(zone.namespaces, namespace)) return MISSING;
  if (name === undefined) return EMPTY;
  if (tree === "pod") return rest.length === 0 ? findPod(zone, namespace, name) : MISSING;
  const key = `${name}.${namespace}`;
  const service = Object.hasOwn(zone.services, key) ? zone.services[key] : undefined;
  return service === undefined ? MISSING : findService(service, `${key}.svc.${zone.domain}`, rest);
}

function findNameserver(zone: ZoneSnapshot, relative: readonly string[]): Found {
  if (relative.length === 1) return EMPTY;
  if (relative.length !== 2 || relative[0] !== "ns") return MISSING;
  const owner = `ns.dns.${zone.domain}`;
  const hosts = zone.nameservers.map((address) => ({ owner, address, port: undefined }));
  return { kind: "hosts", hosts, hasServices: false };
}

/** `pods insecure`: any address written with dashes is answered, whether a pod has it or not. */
function findPod(zone: ZoneSnapshot, namespace: string, name: string): Found {
  const isIpv4 = name.split("-").length === 4 && !name.includes("--");
  const address = parseIp(name.replaceAll("-", isIpv4 ? "." : ":"));
  if (address === undefined) return MISSING;
  const owner = `${name}.${namespace}.pod.${zone.domain}`;
  return { kind: "hosts", hosts: [{ owner, address: formatIp(address), port: undefined }], hasServices: false };
}

/** `below` are the labels left of the Service's name, nearest first: none, an endpoint's, or a protocol's and a port's. */
function findService(service: ZoneService, serviceName: string, below: readonly string[]): Found {
  if (below.length > 2) return MISSING;
  if (service.kind === "externalName") return below.length === 0 ? { kind: "alias", target: service.target } : MISSING;
  const endpoint = below.length === 1 ? below[0] : undefined;
  const [protocol, portName] = below.length === 2 ? below.map(withoutUnderscore) : [];
  const matching = (ports: readonly ZonePort[]): (number | undefined)[] => {
    if (protocol === undefined) return ports.length === 0 ? [undefined] : ports.map(({ port }) => port);
    return ports.filter((port) => port.protocol === protocol && port.name === portName).map(({ port }) => port);
  };
  const hosts =
    service.kind === "headless" || endpoint !== undefined
      ? service.endpoints
          .filter(({ hostname }) => endpoint === undefined || hostname === endpoint)
          .flatMap(({ address, hostname, ports }) =>
            matching(ports).map((port) => ({ owner: `${hostname}.${serviceName}`, address, port })),
          )
      : matching(service.ports).flatMap((port) =>
          service.addresses.map((address) => ({ owner: serviceName, address, port })),
        );
  // A headless Service without a ready endpoint does not exist for DNS (specification 2.4.1).
  return hosts.length === 0 ? MISSING : { kind: "hosts", hosts, hasServices: true };
}

function withoutUnderscore(label: string): string {
  return label.startsWith("_") ? label.slice(1) : label;
}
