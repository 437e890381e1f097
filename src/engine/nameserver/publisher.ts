import type { ObjectStore } from "../store/store.ts";
import { ZONE_KINDS, zoneFacts, type ZoneFacts } from "./zone-facts.ts";

export interface DnsPublisherOptions {
  store: ObjectStore;
  cluster: { dnsAddress: string; dnsDomain: string };
  /** Resolves once the name servers answer from these facts. */
  send: (facts: ZoneFacts) => Promise<void>;
}

/** Keeps the name servers' zone as the store is: all changes of a turn of the event loop in one message. */
export class DnsPublisher {
  private readonly options: DnsPublisherOptions;
  private readonly closeWatch: () => void;
  private isScheduled = false;
  /** Rejects where the last message failed; the next change, or the next `knows`, sends anew. */
  private sent: Promise<void> = Promise.resolve();

  constructor(options: DnsPublisherOptions) {
    this.options = options;
    const watch = options.store.watch({ kinds: ZONE_KINDS }, () => this.schedule());
    this.closeWatch = () => watch.close();
    this.schedule();
  }

  /** Resolves once the name servers answer from the store as it is now; rejects where they cannot be told. */
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
    const { store, cluster, send } = this.options;
    this.sent = send(zoneFacts(store, cluster));
    // Whoever waits in `knows` gets the failure; until then it is not an unhandled one, and the zone is sent again.
    this.sent.catch(() => void (this.isScheduled = true));
  }
}
