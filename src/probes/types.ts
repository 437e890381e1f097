import type * as z from "zod";
import type { CellKey, Evidence, Expectation, Observation, ProbeResult } from "../grade/types.ts";
import type { KubeObject } from "../kube/types.ts";
import type { EndpointRef, Plan, PlannedProbe } from "../plan/types.ts";
import type { Cluster, Flow } from "../providers/types.ts";
import type { SelfControl } from "./controls.ts";

/** What a probe kind is given to work with. */
export interface ProbeContext {
  plan: Plan;
  cluster: Cluster;
  /** Objects of the cluster when the probes began. */
  objects: readonly KubeObject[];
  signal: AbortSignal;
  /** Deadline of one try of a flow that gets no answer; never under 1100 ms (one SYN retransmit). */
  deadlineMs: number;
  /** Only the cells between these two, as reports name them (`cnilab probe --cell FROM,TO`). */
  cell?: { from: string; to: string };
  /** What is known of a cell from before and still holds: a matrix takes it over and does not probe it. */
  kept?: (from: string, to: string, port: number, protocol: "tcp" | "udp") => ProbedCell | undefined;
  /** The sources of which a destination of a matrix is probed, with its controls; undefined: of none. Absent: all is. */
  only?: (to: string, port: number, protocol: "tcp" | "udp") => ReadonlySet<string> | undefined;
  /** Cells of a matrix that was probed before: these are probed once more and nothing else; of their pods nothing is other than then. */
  again?: readonly ProbedCell[];
  /** What a probe of a kind that `watches` is to watch. */
  change?: ProbedChange;
  /** What is known from changes of policies that were watched, of a probe that expects `enforcedWithin`: it is not probed again. */
  enforcement?: (probe: PlannedProbe) => ProbedCell;
}

/** When a change was asked for and when that was done, in milliseconds of performance.now(). */
export interface ChangeTimes {
  askedMs: number;
  madeMs: number;
}

/** A change that is made when the probes that watch it are ready. Both reject when it will not be made. */
export interface ProbedChange {
  /** To be called when it is known what answers before; resolves shortly before the change. */
  sampled(): Promise<void>;
  /** To be called when requests are under way, after `sampled`; resolves when the change was made. */
  flowing(): Promise<ChangeTimes>;
}

/** One cell before grading: what was tried and seen; expectation and control are added by the run. */
export interface ProbedCell {
  key: CellKey;
  /** Overrides the probe's expectation for this cell. */
  expected?: Expectation;
  observation?: Observation;
  /** What the oracle is asked for `expect: policy` and for the reason of a failure. */
  flow?: Flow;
  evidence?: Evidence[];
  /** As in Cell of src/grade/types.ts: whose answer this cell is about, where that is not `key.to`. */
  destination?: string;
  /** As in Cell: why it is shown but not graded. A destination's probe of itself is a control of this sort. */
  ungraded?: string;
}

/**
 * A kind of probe. `options` parses what stands under the kind's key in the lab file; `expect` parses `expect:` beyond
 * the connectivity words that every kind takes.
 */
export interface ProbeKind<Options = unknown> {
  kind: string;
  summary: string;
  options: z.ZodType<Options>;
  /** Undefined: only allowed | blocked | rejected | policy. */
  expect?: z.ZodType<Record<string, unknown>>;
  /** Whether the lab must say `from`; default "required". A `from` inside the options is lifted out of them, but for "none". */
  source?: "required" | "optional" | "none";
  /** Host tools it runs, for doctor. */
  tools: readonly string[];
  /**
   * Runs with no other probe beside it: it fills the links, or, where drops are read from the kernel's records
   * ({@link Cluster.recordsDrops}), those.
   */
  exclusive?: "links" | "drop-records";
  /** It is there while a change is made, and says how what it sees changes: it has `during` or `after`, and expects figures. */
  watches?: true;
  /** Why figures do not go with these options; asked where both are right on their own. */
  expectProblem?(options: Options, expected: Record<string, unknown>): string | undefined;
  /** References that must exist in the lab, checked at validate. `to` may be a URL or name. */
  references(options: Options): EndpointRef[];
  /**
   * The flows of its cells, not yet probed, and their destinations' own connections to themselves. Of kinds whose flows policies decide:
   * they expect `enforcedWithin`.
   */
  flows?(
    options: Options,
    from: EndpointRef | undefined,
    context: ProbeContext,
  ): Promise<{ cells: ProbedCell[]; controls: SelfControl[] }>;
  run(options: Options, from: EndpointRef | undefined, context: ProbeContext): Promise<ProbedCell[]>;
  /** Compares `measured` with a figure expectation: undefined when met, else one line that says what differs. */
  compare?(
    measured: Record<string, unknown>,
    expected: Record<string, unknown>,
    context: ProbeContext,
  ): string | undefined;
}

/** Keeps the options' type while the registry sees one shape. */
export function defineProbe<Options>(kind: ProbeKind<Options>): ProbeKind<Options> {
  return kind;
}

export type { ProbeResult };
