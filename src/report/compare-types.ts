import type { PhaseName } from "../core/events.ts";
import type { Outcome, Verdict } from "../grade/types.ts";

/** Whether the tasks' reference solutions were applied before the lab was graded. */
export type LabState = "untouched" | "solved";

/** What a lab ran on. */
export interface Variant {
  provider: string;
  cni: string;
  mode: string;
  /** The upstream release that was installed, or whose behaviour is modelled. */
  cniVersion: string;
  /** Of the CNI, where there are any. */
  options?: Readonly<Record<string, unknown>>;
}

/** What one variant saw of a cell. */
export interface CellSide {
  /** `absent`: the variant has no such cell. */
  observed: Outcome | "absent";
  /** One line: why this outcome. */
  reason: string;
  verdict: Verdict | "absent";
  verdictReason: string;
  /** Of what was measured, that which a lab decides and not the speed of a network: HTTP status, DNS code. */
  facts: Record<string, string | number>;
  /** Where a rule of a node was shown to have dropped or rejected it. */
  proof?: string;
  latencyMs?: number;
  tries: number;
}

/** A cell by the lab's own names, the same on every variant. */
export interface CellName {
  probe: string;
  kind: string;
  from: string;
  to: string;
  port?: number;
  protocol?: "tcp" | "udp";
}

/**
 * A cell that is not the same everywhere.
 * - `different`: nothing explains it.
 * - `known`: entries of the divergences file describe it.
 * - `explained`: only variants whose CNI cannot enforce what the probe needs differ.
 * - `ungraded`: it takes no part in the grade.
 */
export interface DifferingCell extends CellName {
  status: "different" | "known" | "explained" | "ungraded";
  /** In the variants' order; undefined where a variant did not run. */
  sides: (CellSide | undefined)[];
  /** Why it does not count, with the upstream link where there is one. */
  because: { text: string; upstream?: string }[];
}

/** A figure of one probe side by side; never a difference by itself. */
export interface ComparedFigure {
  /** Probe, or the run's own phases under "". */
  probe: string;
  from: string;
  to: string;
  /** "rtt", "bandwidth". */
  what: string;
  unit: "ms" | "bit/s" | "bytes" | "share" | "count";
  /** The median of so many cells. */
  cells: number;
  /** In the variants' order. */
  values: (number | undefined)[];
}

/** A variant of one lab, whether it ran or not. */
export interface ComparedVariant extends Variant {
  /** A, B, …: how differences refer to it. */
  label: string;
  /** ISO 8601, where it comes from a saved run. */
  savedAt?: string;
  grade?: { verdict: Verdict; earned: number; possible: number; cells: number };
  phases?: { phase: PhaseName; durationMs: number }[];
  /** `isRefusal`: the lab or the provider says itself that they do not go together. */
  notRun?: { code: string; message: string; hint?: string; isRefusal: boolean };
}

/** One lab in one state on all variants. */
export interface LabComparison {
  lab: { name: string; title: string };
  state: LabState;
  variants: ComparedVariant[];
  counts: {
    /** Graded cells, of which `equal` gave the same everywhere. */
    cells: number;
    equal: number;
    different: number;
    known: number;
    explained: number;
    /** Beside these: cells that take no part in the grade and differ. */
    ungraded: number;
  };
  differences: DifferingCell[];
  /** Cells that some variant could not tell, and why; `variant` is its label. */
  inconclusive: (CellName & { variant: string; reason: string })[];
  figures: ComparedFigure[];
  /** What makes the comparison doubtful, one sentence each. */
  notes: string[];
}

/** An entry of the divergences file that did not show, although its lab ran on its variants. */
export interface StaleDivergence {
  lab: string;
  probe: string;
  what: string;
  upstream: string;
  /** `FILE:LINE`. */
  place: string;
}

/** What `cnilab compare` found. */
export interface Comparison {
  apiVersion: "cnilab.dev/v1alpha1";
  kind: "Comparison";
  /** `different` where a difference is unexplained or an entry is stale; `inconclusive` where nothing could be compared, or a cell could not be told. */
  verdict: "equal" | "different" | "inconclusive";
  labs: LabComparison[];
  stale: StaleDivergence[];
  durationMs: number;
}
