import type { ObjectStore } from "../store/store.ts";
import { MESH_FACT_KINDS, meshFacts, type MeshFacts } from "./mesh-facts.ts";

export interface MeshPublisherOptions {
  store: ObjectStore;
  domain: string;
  /** Resolves once all sidecars act by these facts. */
  send: (facts: MeshFacts) => Promise<void>;
}

/** Tells the sidecars what the store says, as istiod does: all changes of a turn of the event loop in one message. */
export class MeshPublisher {
  private readonly options: MeshPublisherOptions;
  private isScheduled = false;
  /** Rejects where the last message failed; the next change, or the next `knows`, sends anew. */
  private sent: Promise<void> = Promise.resolve();

  constructor(options: MeshPublisherOptions) {
    this.options = options;
    options.store.watch({ kinds: MESH_FACT_KINDS }, () => this.schedule());
    this.schedule();
  }

  /** Resolves once the sidecars act by the store as it is now; rejects where they cannot be told. */
  async knows(): Promise<void> {
    // The watch is told in a microtask: after this, everything written before the call is scheduled.
    await Promise.resolve();
    if (this.isScheduled) this.publish();
    await this.sent;
  }

  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    setImmediate(() => {
      if (this.isScheduled) this.publish();
    });
  }

  private publish(): void {
    this.isScheduled = false;
    const { store, domain, send } = this.options;
    this.sent = send(meshFacts(store, domain));
    // Whoever waits in `knows` gets the failure; until then it is not an unhandled one, and the facts are sent again.
    this.sent.catch(() => void (this.isScheduled = true));
  }
}
