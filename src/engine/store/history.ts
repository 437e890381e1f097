import { LabError } from "../../core/errors.ts";
import type { KubeObject } from "../../kube/types.ts";

/** One change of the store. Objects are frozen and shared. */
export interface StoreEvent {
  type: "ADDED" | "MODIFIED" | "DELETED";
  /** What the object's kind is filed under (see `kindKey`). */
  key: string;
  /** The state after the change; of a deletion, the last state with the deletion's resourceVersion. */
  object: KubeObject;
  /** The state before a MODIFIED or DELETED; lets a watch by label see an object leave its selection. */
  previous?: KubeObject;
  version: number;
}

/** The newest events, one a version without gaps; older ones are forgotten. */
export class History {
  private events: StoreEvent[] = [];
  /** Version of the last event that is forgotten. */
  private floor = 0;
  private readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  append(event: StoreEvent): void {
    this.events.push(event);
  }

  /** Takes back every event after `version`; for a transaction that failed. */
  rollback(version: number): void {
    this.events.length = version - this.floor;
  }

  /** Events after `version` in order; throws STORE_TOO_OLD where some of them are forgotten. */
  since(version: number): StoreEvent[] {
    if (version < this.floor) {
      throw new LabError(
        "STORE_TOO_OLD",
        `resource version ${version} is too old: changes before ${this.floor + 1} are forgotten`,
        {
          hint: "list the objects again and watch from the version of that list",
        },
      );
    }
    return this.events.slice(version - this.floor);
  }

  /** Forgets what is beyond the limit, in strides so that the cost a change stays constant. */
  trim(): void {
    if (this.events.length <= this.limit * 2) return;
    const drop = this.events.length - this.limit;
    this.floor += drop;
    this.events = this.events.slice(drop);
  }
}
