import type { ObjectStore } from "./store/store.ts";

export interface FactsPublisherOptions<Facts> {
  store: ObjectStore;
  /** Kinds whose changes change the facts. */
  kinds: readonly string[];
  read: (store: ObjectStore) => Facts;
  /** Resolves once servers answer from these facts. */
  send: (facts: Facts) => Promise<void>;
}

/** Keeps what servers on another thread answer from as the store is: all changes of a turn of the event loop in one message. */
export class FactsPublisher<Facts> {
  private readonly options: FactsPublisherOptions<Facts>;
  private readonly closeWatch: () => void;
  private isScheduled = false;
  /** Rejects where the last message failed; the next change, or the next `knows`, sends anew. */
  private sent: Promise<void> = Promise.resolve();

  constructor(options: FactsPublisherOptions<Facts>) {
    this.options = options;
    const watch = options.store.watch({ kinds: options.kinds }, () => this.schedule());
    this.closeWatch = () => watch.close();
    this.schedule();
  }

  /** Resolves once the servers answer from the store as it is now; rejects where they cannot be told. */
  async knows(): Promise<void> {
    // The watch is told in a microtask: after this, everything written before the call is scheduled.
    await Promise.resolve();
    if (this.isScheduled) this.publish();
    await this.sent;
  }

  close(): void {
    this.closeWatch();
    this.isScheduled = false;
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
    const { store, read, send } = this.options;
    this.sent = send(read(store));
    // Whoever waits in `knows` gets the failure; until then it is not an unhandled one, and the facts are sent again.
    this.sent.catch(() => void (this.isScheduled = true));
  }
}
