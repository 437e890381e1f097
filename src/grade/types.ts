import type { Span } from "../core/errors.ts";

/**
 * What one probe saw.
 * - `allowed`: the destination answered.
 * - `dropped`: no answer within the deadline, or a drop shown by the kernel.
 * - `rejected`: an answer that refuses: RST, ICMP unreachable, NXDOMAIN, 4xx/5xx where it matters.
 * - `error`: the probe itself failed (no such pod, no tool, no route to run it). Never "blocked".
 */
export type Outcome = "allowed" | "dropped" | "rejected" | "error";

/** Something seen that explains an outcome, ready to print. */
export interface Evidence {
  kind:
    | "tool-output"
    | "kernel-drop"
    | "kernel-reject"
    | "icmp"
    | "capture"
    | "control"
    | "resolution"
    | "node"
    | "note";
  /** One line, or the tool's whole output. */
  text: string;
  /** The paste-able command that produced it, where there is one. */
  command?: string;
  /** For who looks closer: in the record and in `-o json`, not on the terminal. */
  isDetail?: boolean;
}

/** A packet that a policy rule of a node dropped or rejected, as the kernel recorded it. */
export interface DropProof {
  node: string;
  /** Which side's isolation dropped it. */
  direction: "ingress" | "egress";
  source: string;
  destination: string;
  protocol: "tcp" | "udp" | "icmp";
  sourcePort?: number;
  destinationPort?: number;
}

export interface Observation {
  outcome: Outcome;
  /** One line: why this outcome, e.g. "connection refused (RST)" or "SYN dropped by egress policy on worker1". */
  reason: string;
  /** Milliseconds to the outcome; absent when it was not timed. */
  latencyMs?: number;
  /** How often it was tried; an unexpected cell is tried again before it is judged. */
  tries: number;
  /** The drop or rejection shown by the data plane; `blocked` by rejection counts only with it. */
  proof?: DropProof;
  /** What this kind of probe measured: HTTP status, addresses, bits a second; shapes are in docs/probes/. */
  measured?: Record<string, unknown>;
  evidence: Evidence[];
}

/** A comparison such as ">= 500 Mbit/s", its figure in base units. */
export interface Bound {
  operator: ">=" | "<=" | ">" | "<" | "==";
  value: number;
  /** As written. */
  text: string;
}

/** Connectivity that is expected of one cell. */
export type ConnectivityExpectation = "allowed" | "blocked" | "rejected";

/** What should be seen: connectivity, the reference policies' verdict, or figures that the probe kind defines. */
export type Expectation = ConnectivityExpectation | "policy" | Record<string, unknown>;

/** Why the oracle says allowed or blocked. */
export interface PolicyReason {
  allowed: boolean;
  /** One line a side, e.g. "egress of shop/web: isolated by shop/deny-all; no rule allows shop/db:5432/TCP". */
  lines: string[];
  /** The policies and rules named, with their places where the manifest is known. */
  spans: Span[];
  /** The API's text, or the CNIs, leave this flow open: `allowed` is a reading only, and the cell has no `expected`. */
  notGradable?: string;
  /** It is so because the CNI does not enforce the cluster-wide policies that would decide this flow. */
  isUnenforced?: true;
}

export interface CellKey {
  from: string;
  to: string;
  /** Absent for probes without a port (ping, dns). */
  port?: number;
  protocol?: "tcp" | "udp";
}

/** Something that answered at this destination, so that silence elsewhere means something. */
export interface PositiveControl {
  /** Who got the answer: another source, the destination itself, or this source before the change. */
  by: "another-source" | "itself" | "before";
  from: string;
  /** ISO 8601. */
  at: string;
}

/** One thing that was to be seen and what was seen. */
export interface Cell {
  key: CellKey;
  /** Absent when the reference cannot say; the cell is then inconclusive. */
  expected?: Expectation;
  /** Absent when the cell was never probed: inconclusive. */
  observation?: Observation;
  control?: PositiveControl;
  why?: PolicyReason;
  /** The command that reruns just this. */
  rerun: string;
  /** Whether the untouched lab already gave what is expected; absent where there is no baseline or it could not tell. */
  passedBefore?: boolean;
  /**
   * Identity of what should answer, for positive controls: two cells with equal destination, port and protocol are
   * about the same server. Absent: `key.to`.
   */
  destination?: string;
  /** Why this cell is shown but takes no part in the grade, such as loopback; it still serves as a control. */
  ungraded?: string;
  /** The untouched lab lacked an end of this cell: it is judged, and worth nothing. */
  isNew?: boolean;
  /** Of a probe during a fault that expects no answer: what the same cell saw in this run, before the fault was made. */
  withoutFault?: Pick<Observation, "outcome" | "reason" | "tries"> & {
    /** ISO 8601. */
    at: string;
  };
  /** Why something else than the lab's own server may have answered, or kept silent: such a cell never passes. */
  standIn?: string;
}

export type Verdict = "pass" | "fail" | "inconclusive";

/**
 * Where a flow may stop, from its source to its destination: docs/layers.md says what each means. `policy` also where a flow
 * arrived that one should have stopped; `unknown` where all that was looked at is well.
 */
export type Layer =
  | "source"
  | "name"
  | "service"
  | "endpoints"
  | "destination"
  | "policy"
  | "link"
  | "route"
  | "listener"
  | "mtu"
  | "unknown";

/** Where a flow stopped. */
export interface StoppedAt {
  name: Layer;
  /** One sentence for people. */
  text: string;
  /** What was looked up that shows it. */
  fact: string;
}

export interface JudgedCell extends Cell {
  verdict: Verdict;
  /** One line: why this verdict. */
  reason: string;
  /** Looked up after judging, of the first cells that did not pass; explains the verdict and has no part in it. */
  layer?: StoppedAt;
}

/** When a probe runs that does not run with all others: while a fault of the scenario is there, or when it was restored. */
export interface ProbePhase {
  when: "during" | "after";
  /** The fault's name. */
  fault: string;
}

/** One run of a probe that is repeated until it is as expected. */
export interface RecoveryTry {
  /** Milliseconds from the restore (`after`), the fault (`during`) or its first try to what it saw. */
  atMs: number;
  verdict: Verdict;
  /** Of its first cell that did not pass, else of its first. */
  reason: string;
}

/** How long it took until a probe saw what it should. */
export interface Recovery {
  withinMs: number;
  /** Absent where it never did. */
  tookMs?: number;
  /** Every one, in their order. */
  tries: RecoveryTry[];
}

/** One probe of the lab with all its cells. */
export interface ProbeResult {
  name: string;
  kind: string;
  /** Where the lab file states it. */
  span?: Span;
  /** Only bonus tasks name it: its points come on top, and it never makes the lab fail. */
  isBonus?: true;
  /** Points the lab gives it; undefined where the lab states none. */
  points?: number;
  hint?: string;
  /** What the expectation is as written, for the report. */
  expectText: string;
  cells: Cell[];
  /** Milliseconds from start to end. */
  durationMs: number;
  /** Absent where it runs with the ordinary probes. */
  phase?: ProbePhase;
  /** Of a probe with `within`. */
  recovery?: Recovery;
  /** Why the chosen CNI cannot enforce what the expectation needs; no cell of the probe can then pass. */
  notEnforceable?: string;
}

export interface JudgedProbe extends Omit<ProbeResult, "cells"> {
  cells: JudgedCell[];
  /** Cells that take no part in the grade; drawn as "-" in a matrix. */
  ungraded?: Cell[];
  verdict: Verdict;
  /** A guard passed before the learner did anything: worth nothing, and its failure voids the task. */
  role: "guard" | "goal";
  earned: number;
  possible: number;
}

/** One cell that is wrong in a task that did not pass. */
export interface TaskFeedback {
  probe: string;
  /** Pods by their workloads. */
  key: CellKey;
  verdict: "fail" | "inconclusive";
  /** Absent where the reference cannot say. */
  expected?: Expectation;
  /** Absent where nothing was probed. */
  observed?: Pick<Observation, "outcome" | "reason" | "tries">;
  reason: string;
}

export interface JudgedTask {
  name: string;
  text: string;
  isBonus?: true;
  verdict: Verdict;
  /** Of a bonus task: those of the probes that no other task names. */
  earned: number;
  possible: number;
  probes: string[];
  /** The probes with a guard that did not pass, failed or inconclusive: they void its points. */
  voidedBy: string[];
  /** Absent where it has none. `cost`: points that were taken off what its probes earned. */
  hints?: { taken: number; of: number; cost: number };
  /** Absent where it passed, or where its probes have no cell. */
  feedback?: TaskFeedback;
}

/** How long a lab may take. */
export interface TimeLimit {
  limitMs: number;
  /** What a grade earns that begins later. */
  afterLimit: "nothing" | "points";
}

/** The time limit of a lab and what of it was used. All in milliseconds of the wall clock. */
export interface TimeUse extends TimeLimit {
  /** When the lab was up, ISO 8601; absent where that is not known. */
  startedAt?: string;
  /** Absent where it cannot be told. */
  usedMs?: number;
  /** One of the two where `usedMs` is there: within the limit, or beyond it. */
  leftMs?: number;
  lateMs?: number;
  /** One line: why it cannot be told. */
  unknown?: string;
  /** Points that what was seen would have earned, and that do not count. */
  withheld?: { earned: number; bonus?: number };
}

/** How many got each verdict. */
export type VerdictCounts = Record<Verdict, number>;

export interface GradeReport {
  /** Of what is required: nothing of bonus tasks is in it, nor in the points and counts. */
  verdict: Verdict;
  probes: JudgedProbe[];
  tasks: JudgedTask[];
  earned: number;
  possible: number;
  /** Of probes. */
  counts: VerdictCounts;
  /** What comes on top; absent where no task is a bonus. */
  bonus?: { earned: number; possible: number; counts: VerdictCounts };
  /** Of a lab with a time limit that is up by itself. */
  time?: TimeUse;
}
