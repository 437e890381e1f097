import type { Span } from "../core/errors.ts";

/** What policies say of a flow, as `cnilab explain -o json` writes it; docs/cli.md has the fields. */
export interface Explanation {
  apiVersion: "cnilab.dev/v1alpha1";
  kind: "Explanation";
  source: ExplainedSource;
  from: string;
  to: string;
  port: number;
  protocol: string;
  /** Where a name stands for several pods they may differ. `open`: the API, or the CNIs, leave it open. */
  verdict: "allowed" | "blocked" | "mixed" | "open";
  /** The Service that was named. */
  service?: string;
  paths: ExplainedPath[];
}

/** Where objects were read. */
export interface ExplainedSource {
  name: string;
  kind: "manifests" | "revision" | "lab" | "running-lab" | "cluster";
  pods: number;
  policies: number;
  /** Cluster-wide ones; absent where there are none. */
  adminPolicies?: number;
  /** Some pods stand for a workload's, or have addresses that were made up for them. */
  hasModelledPods: boolean;
}

/** A flow between two ends; of several with the same reasons only one is given. */
export interface ExplainedPath {
  from: string;
  to: string;
  /** At the destination, after a Service's translation. */
  port: number;
  /** How many further pairs of ends have the same verdict for the same reasons. */
  alike: number;
  allowed: boolean;
  /** Why the verdict is only the likeliest reading. */
  open?: string;
  sides: ExplainedSide[];
}

/** One end's policies. */
export interface ExplainedSide {
  direction: "egress" | "ingress";
  pod: string;
  allowed: boolean;
  /** The other end is the pod's own node, which is always allowed. */
  ownNode: boolean;
  isolatedBy: { policy: string; span?: Span }[];
  /** Rules count from 1. */
  allowedBy: { policy: string; rule: number; span?: Span }[];
  clues: { code: string; text: string; policy: string; rule?: number; span?: Span }[];
  /** The rule of a cluster-wide policy that settled it. */
  decidedBy?: ExplainedAdminRule & { tier: "Admin" | "Baseline"; action: "Allow" | "Deny" | "Pass" };
  /** The rule of the Admin tier that passed it on. */
  passedBy?: ExplainedAdminRule;
}

/** A rule of a cluster-wide policy; `policy` is `KIND/NAME`, rules count from 1. */
export interface ExplainedAdminRule {
  policy: string;
  rule: number;
  /** The rule's own name. */
  name?: string;
  span?: Span;
}

/** What policies say of every pair of pods, as `cnilab explain --all -o json` writes it. */
export interface ExplainedMatrix {
  apiVersion: "cnilab.dev/v1alpha1";
  kind: "PolicyMatrix";
  source: ExplainedSource;
  /** Pods on the host network, which no policy sees and no pair has. */
  hostNetworkPods: number;
  classes: ExplainedClass[];
  ports: {
    port: number;
    protocol: string;
    /** Pairs of different ends. */
    allowed: number;
    pairs: number;
    /** A text a source class, a character a destination class: `1` allowed, `0` blocked. */
    rows: string[];
  }[];
  /** Ports that pods or rules name, beyond those shown. */
  portsLeftOut: number;
}

/** Pods that no policy tells apart. */
export interface ExplainedClass {
  pods: string[];
  egressIsolatedBy: string[];
  ingressIsolatedBy: string[];
  /** Cluster-wide policies whose subject they are, by precedence; absent where there are none. */
  adminPolicies?: string[];
}

/** The cells that change between two states of policies, as `cnilab explain --diff -o json` writes it. */
export interface ExplainedDiff {
  apiVersion: "cnilab.dev/v1alpha1";
  kind: "PolicyDiff";
  /** The later state. */
  source: ExplainedSource;
  other: ExplainedSource;
  ports: { port: number; protocol: string }[];
  portsLeftOut: number;
  /** Pairs of pods, all ports together. */
  opened: number;
  closed: number;
  /** Pods of one state only: their cells are not compared. */
  podsOnlyBefore: string[];
  podsOnlyNow: string[];
  changes: ExplainedChange[];
  /** Pairs of classes that change and whose reasons were not worked out. */
  changesLeftOut: number;
}

/** Cells that change for the same reasons, on one port. */
export interface ExplainedChange {
  change: "opened" | "closed";
  port: number;
  protocol: string;
  pairs: number;
  from: string[];
  to: string[];
  why: ExplainedReason[];
}

/** A policy or rule that made a difference. */
export interface ExplainedReason {
  direction: "egress" | "ingress";
  policy: string;
  rule?: number;
  text: string;
  span?: Span;
}
