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
