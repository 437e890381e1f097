import type { CapturedPacket } from "../kernel/packet-reader.ts";

/** What a node has towards other nodes: names of interfaces, and all their addresses. */
export interface NodeLinks {
  names: string[];
  addresses: string[];
}

/** A capture that is under way. */
export interface RunningCapture {
  /** Ends it: all that passed before the call, in its order. Rejects with CAPTURE_FAILED where that cannot be said. */
  stop(): Promise<CapturedPacket[]>;
}
