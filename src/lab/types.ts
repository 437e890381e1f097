import type { Span } from "../core/errors.ts";
import type { TimeLimit } from "../grade/types.ts";
import type {
  PlannedCluster,
  PlannedProbe,
  PlannedRealCluster,
  PlannedStep,
  PlannedTask,
  PlannedTopology,
} from "../plan/types.ts";
import type { IpFamily } from "./families.ts";

/** A CNI as the lab names it; what is left out gets the CNI's defaults in the plan. */
export interface LabCni {
  name: string;
  mode?: string | undefined;
  /** As written: one, or IPv4's and IPv6's. */
  podCidr?: string | string[] | undefined;
  mtu?: number | undefined;
  options: Record<string, unknown>;
  span: Span;
}

/** A CNI, in one mode or in all, that the lab says it works with. */
export interface CniClaim {
  name: string;
  mode?: string | undefined;
}

/** A lab file that was read and found right, its manifests included. */
export interface Lab {
  /** The lab file as it was named. */
  file: string;
  /** Its folder, absolute and without symbolic links. */
  directory: string;
  name: string;
  title: string;
  level?: string;
  minutes?: number;
  description?: string;
  topology: PlannedTopology;
  topologySpan: Span;
  cni: LabCni;
  /** Further CNIs it claims; undefined means all whose capabilities suffice. */
  cnis: CniClaim[] | undefined;
  /** Providers it claims; undefined means all whose capabilities suffice. */
  providers: string[] | undefined;
  /** Absent where there is none. */
  timeLimit?: TimeLimit;
  ipFamily: IpFamily;
  cluster: PlannedCluster;
  /** Absent where the lab says nothing of it. */
  realCluster?: PlannedRealCluster;
  scenario: PlannedStep[];
  probes: PlannedProbe[];
  tasks: PlannedTask[];
}
