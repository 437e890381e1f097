import { partsOf } from "../../kernel/nft-parts.ts";
import type { NftPart } from "../../kernel/nft-parts.ts";
import type { EndpointSlice, Service } from "../../kube/types.ts";
import type { Family } from "./address-ranges.ts";
import { dependsOnNode, servicePorts } from "./proxy-backends.ts";
import type { ProxyNode, ServicePortBackends, ServiceSlices } from "./proxy-backends.ts";
import {
  affinitySets,
  externalChainName,
  firewallChainName,
  isExternallyServed,
  serviceChainName,
  serviceChains,
} from "./proxy-chains.ts";

/** The maps and sets that lead to Services, and what one port of a Service adds to each. */
export interface Lookups {
  "cluster-ips": string[];
  "service-ips": string[];
  "no-endpoint-services": string[];
  "service-nodeports": string[];
  "no-endpoint-nodeports": string[];
  "firewall-ips": string[];
}

/** What a port of a Service is in kube-proxy's table: parts of its own, and elements of what all share. */
export interface ServicePortParts {
  /** Orders ports in the table: namespace, Service, port, protocol. */
  key: string;
  parts: readonly NftPart[];
  lookups: Lookups;
}

function lookupsOf(port: ServicePortBackends): Lookups {
  const { clusterIp, protocol, backends, withoutBackends, external } = port;
  const keyAt = (address: string): string => `${address} . ${protocol} . ${port.port}`;
  const nodeKeys = external?.nodePort === undefined ? [] : [`${protocol} . ${external.nodePort}`];
  const externalKeys = (external?.addresses ?? []).map(keyAt);
  const isServed = backends.length > 0;
  const outside = isExternallyServed(port) ? [`goto ${externalChainName(port)}`] : [];
  const nobody = external?.backends.length === 0 ? [`goto ${external.withoutBackends}-chain`] : [];
  const every = (keys: readonly string[], verdicts: readonly string[]): string[] =>
    keys.flatMap((key) => verdicts.map((verdict) => `${key} : ${verdict}`));
  return {
    "cluster-ips": [clusterIp],
    "service-ips": [
      ...every([keyAt(clusterIp)], isServed ? [`goto ${serviceChainName(port)}`] : []),
      ...every(externalKeys, outside),
    ],
    "no-endpoint-services": [
      ...every([keyAt(clusterIp)], isServed ? [] : [`goto ${withoutBackends}-chain`]),
      ...every(externalKeys, nobody),
    ],
    "service-nodeports": every(nodeKeys, outside),
    "no-endpoint-nodeports": every(nodeKeys, nobody),
    "firewall-ips": every((external?.guarded?.addresses ?? []).map(keyAt), [`goto ${firewallChainName(port)}`]),
  };
}

interface Remembered {
  slices: readonly EndpointSlice[];
  ports: readonly ServicePortParts[];
}

/** Objects of the store never change: those that are the same as the last time have the same parts, on every node. */
const remembered = new WeakMap<Service, Map<string, Remembered>>();

/** The ports of a Service as parts of kube-proxy's `table`; equal input gives the same objects. Throws BAD_ADDRESS. */
export function servicePortParts(
  service: ServiceSlices,
  {
    table,
    family,
    node,
    clusterCidrs,
  }: { table: string; family: Family; node: ProxyNode; clusterCidrs: readonly string[] },
): readonly ServicePortParts[] {
  let known = remembered.get(service.service);
  if (known === undefined) {
    known = new Map();
    remembered.set(service.service, known);
  }
  const place = dependsOnNode(service.service, service.slices) ? `${node.name}/${node.zone ?? ""}` : "";
  const key = [family, place, ...clusterCidrs].join(" ");
  const before = known.get(key);
  if (before !== undefined && isSame(before.slices, service.slices)) return before.ports;
  const ports = servicePorts(service, family, node).map((port, index): ServicePortParts => {
    const lines = [...affinitySets(port, family), ...serviceChains(port, family, clusterCidrs)];
    const lookups = lookupsOf(port);
    // Endpoints come and go, and what leads to their Service stays: the same object, then, so that it is seen to be the same.
    const previous = before?.ports[index]?.lookups;
    return {
      key: [port.namespace, port.service, port.portName, port.protocol].join("/"),
      parts: partsOf(family, table, lines),
      lookups: previous !== undefined && hasSameElements(previous, lookups) ? previous : lookups,
    };
  });
  known.set(key, { slices: service.slices, ports });
  return ports;
}

function hasSameElements(left: Lookups, right: Lookups): boolean {
  return (Object.keys(left) as (keyof Lookups)[]).every((name) => isSame(left[name], right[name]));
}

function isSame<T>(left: readonly T[], right: readonly T[]): boolean {
  return left.length === right.length && left.every((each, index) => each === right[index]);
}
