import type { EndFact, ServiceFact } from "../grade/layers.ts";
import type { PlannedNode } from "../plan/types.ts";
import type { Source } from "./types.ts";

/** What is known of a flow from the cluster's objects when its way is looked at. */
export interface WayRequest {
  /** Where it starts, with the address that it has there. */
  from: { source: Source; name: string; node?: string; address?: string };
  /** Where it may end. */
  ends: { source: Source; node?: string; isPod: boolean; fact: Omit<EndFact, "hops"> }[];
  nodes: readonly PlannedNode[];
  /** The nodes' networks' router, at each of its addresses: it knows no pod network. */
  routers: readonly string[];
  /** The address and port of a Service with ready endpoints, where kube-proxy's rules for it can be read off the source's node. */
  service?: { address: string; port: number; protocol: string };
  /** Resolves to whether small packets come through, so that long ones are worth a try; the rest does not wait for it. */
  isOpen: Promise<boolean>;
  signal: AbortSignal;
}

/** What the places on a flow's way show of it. */
export interface Way {
  ends: EndFact[];
  rules?: Pick<NonNullable<ServiceFact["rules"]>, "node" | "leadTo">;
}
