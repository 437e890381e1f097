import { partsOf } from "../../kernel/nft-parts.ts";
import type { NftPart } from "../../kernel/nft-parts.ts";
import type { EndpointSlice, Service } from "../../kube/types.ts";
import type { Family } from "./address-ranges.ts";
import { dependsOnNode, servicePorts } from "./proxy-backends.ts";
import type { ServicePortBackends, ServiceSlices } from "./proxy-backends.ts";
import {
  affinitySets,
  externalChainName,
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
}

/** What a port of a Service is in kube-proxy's table: parts of its own, and elements of what all share. */
export interface ServicePortParts {
  /** Orders ports in the table: namespace, Service, port, protocol. */
  key: string;
  parts: readonly NftPart[];
  lookups: Lookups;
}

function lookupsOf(port: ServicePortBackends): Lookups {
  const { clusterIp, protocol, backends, withoutBackends, nodePort } = port;
  const key = `${clusterIp} . ${protocol} . ${port.port}`;
  const nodeKey = `${protocol} . ${nodePort?.port}`;
  const isServed = backends.length > 0;
  return {
    "cluster-ips": [clusterIp],
    "service-ips": isServed ? [`${key} : goto ${serviceChainName(port)}`] : [],
    "no-endpoint-services": isServed ? [] : [`${key} : goto ${withoutBackends}-chain`],
    "service-nodeports": isExternallyServed(port) ? [`${nodeKey} : goto ${externalChainName(port)}`] : [],
    "no-endpoint-nodeports":
      nodePort?.backends.length === 0 ? [`${nodeKey} : goto ${nodePort.withoutBackends}-chain`] : [],
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
  }: { table: string; family: Family; node: string; clusterCidrs: readonly string[] },
): readonly ServicePortParts[] {
  const known = remembered.get(service.service) ?? new Map<string, Remembered>();
  remembered.set(service.service, known);
  const key = [family, dependsOnNode(service.service) ? node : "", ...clusterCidrs].join(" ");
  const before = known.get(key);
  if (before !== undefined && isSame(before.slices, service.slices)) return before.ports;
  const ports = servicePorts(service, family, node).map((port): ServicePortParts => {
    const lines = [...affinitySets(port, family), ...serviceChains(port, family, clusterCidrs)];
    return {
      key: [port.namespace, port.service, port.portName, port.protocol].join("/"),
      parts: partsOf(family, table, lines),
      lookups: lookupsOf(port),
    };
  });
  known.set(key, { slices: service.slices, ports });
  return ports;
}

function isSame<T>(left: readonly T[], right: readonly T[]): boolean {
  return left.length === right.length && left.every((each, index) => each === right[index]);
}
