import type { EndpointSlice, KubeObject } from "../../kube/types.ts";

type Hints = EndpointSlice["endpoints"][number]["hints"];

/** Values of a Service's spec.trafficDistribution (KEP-2433, KEP-3015); PreferClose is the older name of PreferSameZone. */
export const TRAFFIC_DISTRIBUTIONS: readonly string[] = ["PreferClose", "PreferSameZone", "PreferSameNode"];

/** The zone that a node is in, by its label. */
export function zoneOf(node: KubeObject | undefined): string | undefined {
  return node?.metadata.labels?.["topology.kubernetes.io/zone"];
}

/**
 * Whose callers a ready endpoint is for: those of its zone, and with PreferSameNode those of its node before them; undefined without
 * trafficDistribution, and where neither is known (k8s.io/endpointslice/trafficdist).
 */
export function hintsFor(
  distribution: string | undefined,
  { zone, nodeName }: { zone?: string; nodeName?: string },
): Hints | undefined {
  if (distribution === undefined || !TRAFFIC_DISTRIBUTIONS.includes(distribution)) return undefined;
  const hints = {
    ...(zone === undefined ? {} : { forZones: [{ name: zone }] }),
    ...(distribution === "PreferSameNode" && nodeName !== undefined ? { forNodes: [{ name: nodeName }] } : {}),
  };
  return Object.keys(hints).length === 0 ? undefined : hints;
}
