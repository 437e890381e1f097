import type { KubeObject } from "../kube/types.ts";

/** What changed in a cluster between two looks. */
export interface ClusterChanges {
  /** The provider's own; for the next call. */
  point: unknown;
  /** `objects` are all that there are: it is the first look, or changes were forgotten since the last. */
  isWhole: boolean;
  /** Created or changed, as they are now; without Events, which no probe can see. */
  objects: KubeObject[];
  /** uids. */
  deleted: string[];
  /** What was done that no object shows, and that may have changed anything: one phrase each, "a command in shop/web". */
  byHand: string[];
  /** What goes on now and shows only when it ends: "a terminal in shop/web". */
  ongoing: string[];
}

/** Milliseconds from now until people's changes of a lab are taken no more; `lift` takes them again. */
export type DeadlineChange = number | "lift";

/** What of a deadline is left; nothing where there is none. */
export interface DeadlineState {
  /** 0 where it has passed. */
  leftMs?: number;
}

/** What a cluster does of its own, without the process that asked for it. */
export interface TakesDeadline {
  /**
   * From then on nobody changes the lab: objects by any way into its API, nodes and pods by commands; what people run is ended. Counted by a clock
   * that nobody sets, and only ever brought forward. Absent where the cluster's API is not ours to close.
   */
  deadline?(change?: DeadlineChange): Promise<DeadlineState>;
}
