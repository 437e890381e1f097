import type { ControlPlane } from "../../../../engine/control-plane.ts";
import type { Nftables } from "../../../../kernel/nftables.ts";
import type { Dataplane } from "../dataplane.ts";
import type { PodNetwork } from "../pod-network.ts";
import type { Underlay } from "../underlay.ts";

/** What faults are made in. */
export interface FaultParts {
  underlay: Underlay;
  network: PodNetwork;
  dataplane: Dataplane;
  controlPlane: ControlPlane;
  /** nftables of the fabric, where no node sees them. */
  fabricRules(): Nftables;
}

/** Takes a fault back; called once. */
export type Mend = () => void | Promise<void>;
