import { setTimeout as sleep } from "node:timers/promises";
import { LabError } from "../core/errors.ts";
import type { SweepCell, SweepCellResult } from "../providers/types.ts";
import { sweep } from "./sweep.ts";
import type { ProbeContext } from "./types.ts";

/** Requests that one flow may be made of, so that a change that takes for ever ends it. */
const MOST_REQUESTS = 20_000;

/** One connection (tcp) or datagram (udp) of a flow. */
export interface FlowRequest {
  /** performance.now(). */
  sentMs: number;
  endMs: number;
  result: SweepCellResult;
}

/**
 * Sends one request after another at a fixed rate, each on a new connection: it has until the next is due to be answered. One
 * at a time, since the prober's thread waits for each. Throws CONVERGENCE_NOT_SENT where a request could not be sent, and
 * CONVERGENCE_TOO_LONG after 20,000 of them.
 */
export class RequestFlow {
  readonly requests: FlowRequest[] = [];
  private readonly cell: Omit<SweepCell, "id">;
  private readonly everyMs: number;
  private readonly context: ProbeContext;
  private dueMs = performance.now();

  constructor(cell: Omit<SweepCell, "id">, everyMs: number, context: ProbeContext) {
    this.cell = cell;
    this.everyMs = everyMs;
    this.context = context;
  }

  /** Sends the next request when it is due. */
  async next(): Promise<FlowRequest> {
    const { context, everyMs } = this;
    if (this.requests.length >= MOST_REQUESTS)
      throw new LabError("CONVERGENCE_TOO_LONG", `the change was not made while ${MOST_REQUESTS} requests were sent`);
    const waitMs = this.dueMs - performance.now();
    if (waitMs > 0) await sleep(waitMs, undefined, { signal: context.signal });
    // What is late stays late: requests in a burst would say nothing more.
    this.dueMs = Math.max(this.dueMs, performance.now()) + everyMs;
    const found = await sweep([{ ...this.cell, id: 0 }], { ...context, deadlineMs: everyMs });
    const endMs = performance.now();
    const result = found.get(0);
    if (result === undefined || result.outcome === "error")
      throw new LabError(
        "CONVERGENCE_NOT_SENT",
        `a request could not be sent: ${result?.detail ?? "the prober left it out"}`,
      );
    const request = { sentMs: endMs - result.latencyMs, endMs, result };
    this.requests.push(request);
    return request;
  }
}
