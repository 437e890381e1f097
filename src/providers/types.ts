import type { LabError, LabWarning } from "../core/errors.ts";
import type { EventSink } from "../core/events.ts";
import type { DropProof, Evidence } from "../grade/types.ts";
import type { EchoReply, EchoRequest } from "../kernel/echo.ts";
import type { KubeObject } from "../kube/types.ts";
import type { Plan } from "../plan/types.ts";
import type { ExecutableName } from "../supplies/lock.ts";
import type { Supplies } from "../supplies/types.ts";
import type { NodeLinks, RunningCapture } from "./capture.ts";
import type { ClusterChanges, TakesDeadline } from "./changes.ts";
import type { Fault, FaultKind, FaultPlace } from "./fault.ts";
import type { SettleOptions, SettleResult } from "./settle.ts";
import type { Way, WayRequest } from "./way.ts";

/** Where a command or a connection starts; `container` picks one of a pod's (default the first). */
export type Source =
  | { kind: "pod"; namespace: string; name: string; container?: string }
  | { kind: "node"; name: string }
  | { kind: "external" };

/** A reference to an object of the cluster. */
export interface ObjectRef {
  kind: string;
  namespace?: string;
  name: string;
}

export interface ApplyResult {
  ref: ObjectRef;
  action: "created" | "configured" | "unchanged";
  warnings: LabWarning[];
}

export interface ExecOptions {
  timeoutMs: number;
  stdin?: string;
  signal?: AbortSignal;
  /** A person's command and no probe's: whoever follows {@link Cluster.changes} is told of it when it has ended. */
  isByHand?: boolean;
  /**
   * Stop the command as soon as the data plane shows that the flow it opens was dropped or rejected by a rule: the
   * result then carries `proof`. Ignored where the provider cannot see its rules. Every destination address listed
   * must have been dropped before the command is stopped; with `match: "any"` one is enough, for a tool that opens one
   * connection to a Service, which goes to any one of its backends.
   */
  untilDropped?: {
    destinations: string[];
    protocol: "tcp" | "udp" | "icmp";
    port?: number;
    /** Default "every". */
    match?: "every" | "any";
  };
}

/** How a command ended; a command that could not be started is an error that the call throws (EXEC_NOT_STARTED). */
export interface ExecResult {
  exitCode: number | null;
  signal: string | null;
  timedOut: boolean;
  stdout: string;
  stderr: string;
  durationMs: number;
  /** Drops of `untilDropped` flows that the kernel recorded while the command ran. */
  proofs: DropProof[];
  /** A command that does the same from the user's shell. */
  paste: string;
}

/** One connection attempt; `id` is the caller's, unique in a sweep. */
export interface SweepCell {
  id: number;
  from: Source;
  /** IP literal. */
  address: string;
  port: number;
  protocol: "tcp" | "udp";
}

/** What a socket saw. `no-answer` comes only from the deadline, or with a `proof`. */
export interface SweepCellResult {
  id: number;
  outcome: "answered" | "refused" | "unreachable" | "no-answer" | "error";
  /** errno name or a sentence. */
  detail: string;
  latencyMs: number;
  proof?: DropProof;
}

export interface SweepResult {
  cells: SweepCellResult[];
  durationMs: number;
  /** TCP segments retransmitted in the namespaces meanwhile; a timing with any is void. */
  retransmits: number;
}

export type WaitFor =
  | { kind: "condition"; ref: ObjectRef; condition: string }
  | { kind: "deleted"; ref: ObjectRef }
  | { kind: "endpoints"; ref: ObjectRef; count: number }
  /** A Deployment, StatefulSet or DaemonSet has all its pods, of its newest template and available, as `kubectl rollout status` asks. */
  | { kind: "rollout"; ref: ObjectRef };

/** A flow in terms of the cluster's objects. */
export interface Flow {
  from: Source;
  /** Pod behind the destination, when it is one; several for a Service. */
  to: Source[];
  address: string;
  port?: number;
  protocol: "tcp" | "udp" | "icmp";
  /** Ports of the pods in `to`, one each, where a Service translates `port`: policies see these. */
  targetPorts?: number[];
}

export interface ResetResult {
  /** What was removed or put back, for people: "namespace shop", "2 iptables chains on worker1". */
  changes: string[];
  durationMs: number;
}

/** A cluster that is up, whatever it is made of. Every method rejects with a LabError. */
export interface Cluster extends TakesDeadline {
  /** Drops are read from records that name a flow's two ends, so that flows between the same two cannot be told apart ("drop-proof"). */
  readonly recordsDrops?: true;
  /** Creates or updates, like `kubectl apply`; all objects are accepted or none. */
  apply(objects: KubeObject[]): Promise<ApplyResult[]>;
  /** Missing objects are not an error; resolves when they are gone. */
  delete(refs: ObjectRef[]): Promise<void>;
  /** All objects, or those of one kind and namespace; a copy, in creation order. */
  list(filter?: { kind?: string; namespace?: string }): Promise<KubeObject[]>;
  scale(ref: ObjectRef, replicas: number): Promise<void>;
  /**
   * Gives the template of a Deployment, StatefulSet or DaemonSet the annotation `kubectl.kubernetes.io/restartedAt`, as `kubectl rollout restart`
   * does, so that all its pods are replaced; resolves at once. Rejects with OBJECT_NOT_FOUND.
   */
  rolloutRestart(ref: ObjectRef, restartedAt: string): Promise<void>;
  /** Rejects with WAIT_TIMEOUT, which says what was still missing. */
  wait(condition: WaitFor, options: { timeoutMs: number; signal?: AbortSignal }): Promise<void>;
  /** Resolves when every change made before the call has had its effect. */
  settle(options: SettleOptions): Promise<SettleResult>;
  /** Runs argv in the source's network namespace, sandboxed. */
  exec(source: Source, argv: string[], options: ExecOptions): Promise<ExecResult>;
  /** Starts argv and leaves it running until `stop`; for servers such as `iperf3 -s`. Resolves once `readyPort` listens. */
  serve(
    source: Source,
    argv: string[],
    options: { readyPort: number; timeoutMs: number },
  ): Promise<{ stop(): Promise<void> }>;
  /** Opens all cells at once; one shared deadline for those that no kernel record settles. */
  sweep(cells: SweepCell[], options: { deadlineMs: number }): Promise<SweepResult>;
  /**
   * Captures what the filter (pcap-filter(7)) lets through at all interfaces of a place; resolves once the kernel hands packets
   * over. Where the provider has the probes that need it. Rejects with CAPTURE_FAILED.
   */
  capture?(source: Source, filter: string): Promise<RunningCapture>;
  /** Sends ICMP echo requests that nobody may fragment, whatever MTU was learnt before. Where the provider has the probe mtu. */
  echo?(source: Source, request: EchoRequest, signal: AbortSignal): Promise<EchoReply[]>;
  /** A node's interfaces towards other nodes as they are; absent where they are as planned. Rejects with LOOK_FAILED. */
  links?(node: string): Promise<NodeLinks>;
  logs(source: Source & { kind: "pod" }): Promise<string>;
  /** An argv that gives an interactive shell or command there from the user's terminal (`cnilab exec -it`). */
  interactive(source: Source, argv: string[]): Promise<{ exitCode: number }>;
  /** Addresses of a source: a pod's IPs, a node's, the external host's. */
  addresses(source: Source): Promise<string[]>;
  /**
   * Breaks something; resolves when it is broken (a restarted node: when it is ready again). Where the provider has `faults`. With
   * `whileHere` it is also taken back when this process ends, where the provider sees that; elsewhere its duration ends it.
   */
  fault?(fault: Fault, options?: { whileHere?: boolean }): Promise<void>;
  /** Takes a fault back that does not mend itself; resolves when the node is ready. One that is not there is no error. */
  restore?(fault: FaultPlace): Promise<void>;
  /**
   * What the nodes of both ends show of a flow while it is tried again, in a few lines, and details. Where nodes can be
   * looked into. Takes 1 to 3 s; what cannot be had is said in its place.
   */
  evidence?(flow: Flow): Promise<Evidence[]>;
  /**
   * Looks, and changes nothing, at the places that a flow passes: routes, links, listeners, kube-proxy's rules, the longest packet. One
   * command a place. Where all of them can be looked into.
   */
  way?(request: WayRequest): Promise<Way>;
  /** What changed since an earlier look, by whatever hand, with `isPatient` once anything did. Rejects with LAB_PROCESS_GONE when the lab ends. */
  changes?(since: unknown, options: { isPatient: boolean; signal: AbortSignal }): Promise<ClusterChanges>;
  /** Brings all back to how it was right after CNI installation and checks that it is; rejects with RESET_UNCLEAN. Where the provider has "reset". */
  reset?(): Promise<ResetResult>;
  close(): Promise<void>;
}

export interface Capabilities {
  /** CNI name → its modes here. */
  cnis: Record<string, readonly string[]>;
  /** Why a CNI cannot be made here in this mode with these options; undefined where it can. Absent: all that a CNI takes can be had. */
  cniLacks?(cni: string, config: { mode: string; options: Record<string, unknown> }): string | undefined;
  probes: readonly string[];
  /** Why a kind of probe is not among them. */
  probesLack?: Readonly<Record<string, string>>;
  scenarios: readonly string[];
  /** What a step `fault` can be; absent: none. */
  faults?: readonly FaultKind[];
  features: readonly (
    | "external-host"
    | "several-node-networks"
    | "link-mtu"
    | "drop-proof"
    | "node-exec"
    | "reset"
    | "add-ons"
    | "node-taints"
    | "cluster-settings"
    | "dual-stack"
  )[];
}

/** What doctor and the start of `up` find on this host. */
export interface Finding {
  code: string;
  ok: boolean;
  message: string;
  /** The command or setting that mends it. */
  remedy?: string;
}

export interface UpContext {
  /** Folder of this lab's run state; exists, owned by us. */
  stateDirectory: string;
  signal: AbortSignal;
  emit: EventSink;
  supplies: Supplies;
  /** Plans of labs that are to follow on this cluster: what their pods run is made ready with it. */
  laterPlans?: readonly Plan[];
  /** Takes away what stands in the way on machines, so far as its owner is not there any more; see {@link Provider.takesMachines}. */
  force?: boolean;
  /** What was made stays when making it fails, for people to look at; `down` removes it. Not on abort. */
  keepFailed?: boolean;
}

export interface UpResult {
  cluster: Cluster;
  /** From here on the lab outlives this process; before it, the lab dies with us. */
  detach(): Promise<void>;
  /** What `attach` and `down` need later; plain data, kept in the run record. */
  handle: unknown;
  /** What the plan became on a cluster that was there before: its real addresses, networks and CNI. Default: as planned. */
  plan?: Plan;
  /** The same for a lab that is to follow on this cluster. */
  adopt?: (next: Plan) => Plan;
}

/** What a provider asks its supplies for when it makes a lab. */
export interface ProviderNeeds {
  /** References, as the engine is asked for them. */
  images: string[];
  /** Images of ours that only some hosts need, and no registry serves; a bundle says so where the engine has them not. */
  ownImages?: string[];
  /** Names of src/supplies/lock.json. */
  files: string[];
  executables: ExecutableName[];
}

/** Makes clusters of one sort. Everything it makes carries the lab's name, so that `down` works from `handle` alone. */
export interface Provider {
  kind: string;
  summary: string;
  /** What of a real cluster is modelled rather than real, to follow "… is modelled here:"; undefined where all is real. */
  models?: string;
  capabilities(): Capabilities;
  /** Takes a cluster that is there: `--kubeconfig` and `--context` say which. */
  takesExisting?: true;
  /** Takes machines that are there: `--inventory` or the topology names them. `--force` is for these alone. */
  takesMachines?: true;
  /** What of a lab it cannot carry beyond what capabilities say, each with its place; pure. */
  refusals?(lab: Pick<Plan, "topology" | "realCluster" | "scenario" | "probes" | "tasks">): LabError[];
  /** Everything this host lacks, all at once. Changes nothing. */
  preflight(plan: Plan | undefined): Promise<Finding[]>;
  /** Nodes, CNI and cluster DNS are ready when it resolves; on rejection or abort nothing is left. */
  up(plan: Plan, context: UpContext): Promise<UpResult>;
  /** Making a cluster anew is as quick as bringing one back: `reset` does it where the cluster has none of its own. */
  isQuickToRemake?: true;
  /**
   * How a person looks at what an `up` with `keepFailed` left; undefined where nothing was left. Absent where a lab that fails
   * dies with the process that makes it.
   */
  failedLab?(stateDirectory: string): Promise<string | undefined>;
  /** What `up` will ask `supplies` for, so that a bundle can hold it; absent where it asks for nothing. */
  needs?(plan: Plan, supplies: Supplies): Promise<ProviderNeeds>;
  /** A client for a lab that is up; rejects with LAB_NOT_RUNNING. */
  attach(handle: unknown, stateDirectory: string): Promise<Cluster>;
  /** The file in the lab's state folder by which kubectl reaches its API; absent where that is the user's own to know. */
  kubeconfig?(stateDirectory: string): string;
  /** Whether the lab is there: found by its label or lock, not by the record alone. */
  isUp(handle: unknown, stateDirectory: string): Promise<boolean>;
  /** Idempotent; resolves when nothing is left. `tell` gets what the user should know of what could not be brought back. */
  down(handle: unknown, stateDirectory: string, tell?: (note: LabWarning) => void): Promise<void>;
}
