import type { EndpointRef } from "../plan/types.ts";

/** One member a kind, so that a kind picks its own. */
type OfKind<Kind, Fields> = Kind extends string ? { kind: Kind } & Fields : never;

interface Link {
  node: string;
  interface: string;
}

/** Where a fault is; two of the same kind and place are the same fault. */
export type FaultPlace =
  | OfKind<
      | "pause"
      | "killCniAgent"
      | "restart"
      | "nodeDown"
      | "kubeProxyStopped"
      | "policyAgentStopped"
      | "cniMissing"
      | "conntrackFull",
      { node: string }
    >
  | OfKind<"linkDown" | "mtu" | "loss" | "rateLimit" | "delay" | "duplicateAddress", Link>
  /** Names of nodes; those that stand in no group reach all. */
  | { kind: "partition"; groups: string[][] }
  | OfKind<"podKill" | "rolloutRestart", { target: EndpointRef }>
  | { kind: "dnsStopped" };

export type FaultKind = FaultPlace["kind"];

/** How much of it. */
interface Amounts {
  podKill: { count: number };
  mtu: { bytes: number };
  /** Of the frames in each direction. */
  loss: { percent: number };
  rateLimit: { bitsPerSecond: number };
  delay: { delayMs: number };
}

interface Lasting {
  /** Then it is taken back by itself, whatever has become of us; 1 s to 1 h. */
  durationMs?: number;
  /** By which probes ask for it: it is there while they run, and not before. */
  name?: string;
}

type WithAmount<Place> = Place extends { kind: infer Kind }
  ? Place & Lasting & (Kind extends keyof Amounts ? Amounts[Kind] : unknown)
  : never;

/** A fault that a scenario asks for; kinds are a lab file's words. docs/scenarios/fault.md says what each is. */
export type Fault = WithAmount<FaultPlace>;

/** The fault of one kind. */
export type FaultOf<Kind extends FaultKind> = Extract<Fault, { kind: Kind }>;

/** The faults that a node of a real cluster can be given, by one provider or another. */
const NODE_FAULTS = ["pause", "linkDown", "killCniAgent", "restart", "loss", "rateLimit", "delay"] as const;

/** A fault on a node of a real cluster: its process stopped, a link cut or shaped, its CNI agent killed, all of it started anew. */
export type NodeFault = FaultOf<(typeof NODE_FAULTS)[number]>;

/** Where a {@link NodeFault} is. */
export type NodeFaultPlace = Extract<FaultPlace, { kind: NodeFault["kind"] }>;

/** Whether this is one of those that real clusters carry. */
export function isNodeFault<Each extends FaultPlace>(fault: Each): fault is Each & { kind: NodeFault["kind"] } {
  return (NODE_FAULTS as readonly string[]).includes(fault.kind);
}

/** Faults that are changes of objects: every cluster with an API can have them, and nothing is left to be taken back. */
export const API_FAULTS = ["podKill", "rolloutRestart"] as const satisfies readonly FaultKind[];

/** One of {@link API_FAULTS}. */
export type ApiFault = FaultOf<(typeof API_FAULTS)[number]>;

/** Whether this is one of {@link API_FAULTS}. */
export function isApiFault(fault: Fault): fault is ApiFault {
  return (API_FAULTS as readonly string[]).includes(fault.kind);
}

/** Equal for a fault and its restore, and for no others. */
export function faultKey(fault: FaultPlace): string {
  switch (fault.kind) {
    case "partition":
      return `partition ${fault.groups
        .map((group) => group.toSorted().join(","))
        .toSorted()
        .join("|")}`;
    case "podKill":
    case "rolloutRestart":
      return `${fault.kind} ${JSON.stringify(fault.target)}`;
    case "dnsStopped":
      return fault.kind;
    case "linkDown":
    case "mtu":
    case "loss":
    case "rateLimit":
    case "delay":
    case "duplicateAddress":
      return `${fault.kind} ${fault.node} ${fault.interface}`;
    case "pause":
    case "killCniAgent":
    case "restart":
    case "nodeDown":
    case "kubeProxyStopped":
    case "policyAgentStopped":
    case "cniMissing":
    case "conntrackFull":
      return `${fault.kind} ${fault.node}`;
  }
}
