import { LabError } from "../../../../core/errors.ts";
import { faultKey, type Fault, type FaultPlace } from "../../../fault.ts";
import { cniMissing, dnsStopped, kubeProxyStopped, policyAgentStopped } from "./cluster.ts";
import { conntrackFull } from "./conntrack-full.ts";
import { duplicateAddress } from "./duplicate-address.ts";
import { linkDown, loss, mtu, queue } from "./link.ts";
import { nodeDown } from "./node-down.ts";
import { partition } from "./partition.ts";
import type { FaultParts, Mend } from "./types.ts";

interface There {
  mend: Mend;
  timer: NodeJS.Timeout | undefined;
  /** Aborted when it was taken back: nobody's going away concerns it any more. */
  over: AbortController;
}

/** The faults that a lab has now. Everything they change is in the lab's namespaces, and goes with them. */
export class Faults {
  private readonly parts: FaultParts;
  private readonly onChange: (what: string) => void;
  private readonly there = new Map<string, There>();
  /** The end of what was asked for last: one fault is made or mended at a time. */
  private last: Promise<unknown> = Promise.resolve();

  /** `onChange` is called when one was made and when it was taken back, with a phrase that says so. */
  constructor(parts: FaultParts, onChange: (what: string) => void) {
    this.parts = parts;
    this.onChange = onChange;
  }

  /**
   * One that is there already is made anew, with its time; it is taken back when `gone` aborts. Throws FAULT_NOT_POSSIBLE and what the
   * kernel refuses.
   */
  make(fault: Fault, gone?: AbortSignal): Promise<void> {
    const key = faultKey(fault);
    return this.inTurn(async () => {
      await this.mend(key);
      const mend = await make(this.parts, fault);
      const { durationMs } = fault;
      const timer = durationMs === undefined ? undefined : setTimeout(() => this.expire(key), durationMs);
      const over = new AbortController();
      this.there.set(key, { mend, timer, over });
      gone?.addEventListener("abort", () => this.expire(key), { once: true, signal: over.signal });
      this.onChange(`a fault ${fault.kind} was made`);
      if (gone?.aborted === true) this.expire(key);
    });
  }

  /** One that is not there, or no longer, is no error. */
  restore(place: FaultPlace): Promise<void> {
    return this.inTurn(() => this.mend(faultKey(place)));
  }

  /** Nobody waits for it: the lab's log has what went wrong. */
  private expire(key: string): void {
    this.inTurn(() => this.mend(key)).catch((error: unknown) => {
      process.stderr.write(`${key} was not taken back: ${error instanceof Error ? error.stack : String(error)}\n`);
    });
  }

  private async mend(key: string): Promise<void> {
    const there = this.there.get(key);
    if (there === undefined) return;
    clearTimeout(there.timer);
    // Stays where it cannot be mended, so that it can be tried again.
    await there.mend();
    there.over.abort();
    this.there.delete(key);
    this.onChange(`the fault ${key} was taken back`);
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.last.then(work);
    this.last = done.catch(() => undefined);
    return done;
  }
}

function make(parts: FaultParts, fault: Fault): Mend | Promise<Mend> {
  switch (fault.kind) {
    case "linkDown":
      return linkDown(parts, fault);
    case "mtu":
      return mtu(parts, fault);
    case "loss":
      return loss(parts, fault);
    case "rateLimit":
    case "delay":
      return queue(parts, fault);
    case "partition":
      return partition(parts, fault);
    case "nodeDown":
      return nodeDown(parts, fault);
    case "kubeProxyStopped":
      return kubeProxyStopped(parts, fault);
    case "policyAgentStopped":
      return policyAgentStopped(parts, fault);
    case "dnsStopped":
      return dnsStopped(parts);
    case "cniMissing":
      return cniMissing(parts, fault);
    case "duplicateAddress":
      return duplicateAddress(parts, fault);
    case "conntrackFull":
      return conntrackFull(parts, fault);
    case "pause":
    case "killCniAgent":
    case "restart":
    case "podKill":
    case "rolloutRestart":
      throw new LabError("FAULT_NOT_POSSIBLE", `provider netns has no fault ${fault.kind}`);
  }
}
