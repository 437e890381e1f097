import type { LabWarning } from "../core/errors.ts";
import type { EventSink } from "../core/events.ts";
import type { DropProof } from "../grade/types.ts";
import type { KubeObject } from "../kube/types.ts";
import type { Plan } from "../plan/types.ts";

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

export interface SettleResult {
  /** Milliseconds from the call until every change made before it had its effect in the data plane. */
  durationMs: number;
}

export type WaitFor =
  | { kind: "condition"; ref: ObjectRef; condition: string }
  | { kind: "deleted"; ref: ObjectRef }
  | { kind: "endpoints"; ref: ObjectRef; count: number };

/** A cluster that is up, whatever it is made of. Every method rejects with a LabError. */
export interface Cluster {
  /** Creates or updates, like `kubectl apply`; all objects are accepted or none. */
  apply(objects: KubeObject[]): Promise<ApplyResult[]>;
  /** Missing objects are not an error; resolves when they are gone. */
  delete(refs: ObjectRef[]): Promise<void>;
  /** All objects, or those of one kind and namespace; a copy, in creation order. */
  list(filter?: { kind?: string; namespace?: string }): Promise<KubeObject[]>;
  scale(ref: ObjectRef, replicas: number): Promise<void>;
  /** Rejects with WAIT_TIMEOUT, which says what was still missing. */
  wait(condition: WaitFor, options: { timeoutMs: number; signal?: AbortSignal }): Promise<void>;
  /** Resolves when every change made before the call has had its effect. */
  settle(options: { timeoutMs: number }): Promise<SettleResult>;
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
  logs(source: Source & { kind: "pod" }): Promise<string>;
  /** An argv that gives an interactive shell or command there from the user's terminal (`cnilab exec -it`). */
  interactive(source: Source, argv: string[]): Promise<{ exitCode: number }>;
  /** Addresses of a source: a pod's IPs, a node's, the external host's. */
  addresses(source: Source): Promise<string[]>;
  close(): Promise<void>;
}

export interface Capabilities {
  /** CNI name → its modes here. */
  cnis: Record<string, readonly string[]>;
  probes: readonly string[];
  scenarios: readonly string[];
  features: readonly ("external-host" | "several-node-networks" | "link-mtu" | "drop-proof" | "node-exec")[];
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
}

export interface UpResult {
  cluster: Cluster;
  /** From here on the lab outlives this process; before it, the lab dies with us. */
  detach(): Promise<void>;
  /** What `attach` and `down` need later; plain data, kept in the run record. */
  handle: unknown;
}

/** Makes clusters of one sort. Everything it makes carries the lab's name, so that `down` works from `handle` alone. */
export interface Provider {
  kind: string;
  summary: string;
  /** What of a real cluster is modelled rather than real, to follow "… is modelled here:"; undefined where all is real. */
  models?: string;
  capabilities(): Capabilities;
  /** Everything this host lacks, all at once. Changes nothing. */
  preflight(plan: Plan | undefined): Promise<Finding[]>;
  /** Nodes, CNI and cluster DNS are ready when it resolves; on rejection or abort nothing is left. */
  up(plan: Plan, context: UpContext): Promise<UpResult>;
  /** A client for a lab that is up; rejects with LAB_NOT_RUNNING. */
  attach(handle: unknown, stateDirectory: string): Promise<Cluster>;
  /** Whether the lab is there: found by its label or lock, not by the record alone. */
  isUp(handle: unknown, stateDirectory: string): Promise<boolean>;
  /** Idempotent; resolves when nothing is left. */
  down(handle: unknown, stateDirectory: string): Promise<void>;
}
