import { setTimeout as sleep } from "node:timers/promises";
import type { SweepCell, SweepCellResult } from "../providers/types.ts";
import type { FlowRequest } from "./request-flow.ts";
import { sweep } from "./sweep.ts";
import type { ProbeContext } from "./types.ts";

/** Time between the beginnings of two rounds, where a round is done by then. */
const EVERY_MS = 50;
/** What a request has to be answered in. Where drops are recorded nobody waits for it. */
const DEADLINE_MS = 250;

/** Sends one request on each of several flows at once, round after round: each on a new connection, so that policies are asked. */
export class RequestRounds {
  /** By flow, in the order in which they were sent. Times are performance.now(); all of a round have the time at which it began. */
  readonly requests: readonly FlowRequest[][];
  /** By flow: why a request could not be sent; such a flow shows nothing any more. */
  readonly failures = new Map<number, string>();
  private readonly cells: readonly Omit<SweepCell, "id">[];
  private readonly context: ProbeContext;
  private dueMs = performance.now();

  constructor(cells: readonly Omit<SweepCell, "id">[], context: ProbeContext) {
    this.cells = cells;
    this.context = context;
    this.requests = cells.map(() => []);
  }

  /** Sends the next round when it is due. Rejects where the signal is aborted. */
  async next(): Promise<void> {
    const { context } = this;
    const waitMs = this.dueMs - performance.now();
    if (waitMs > 0) await sleep(waitMs, undefined, { signal: context.signal });
    const sentMs = performance.now();
    // What is late stays late: requests in a burst would say nothing more.
    this.dueMs = sentMs + EVERY_MS;
    const found = await sweep(
      this.cells.map((cell, id) => ({ ...cell, id })),
      { ...context, deadlineMs: DEADLINE_MS },
    );
    const endMs = performance.now();
    for (const id of this.cells.keys()) {
      const result: SweepCellResult = found.get(id) ?? { id, outcome: "error", detail: "left out", latencyMs: 0 };
      if (result.outcome === "error") this.failures.set(id, result.detail);
      else this.requests[id]?.push({ sentMs, endMs, result });
    }
  }
}
