import type { SweepCellResult } from "../../types.ts";

/** Raised when agents and this program would misunderstand each other; docs/providers/agents.md describes the messages. */
export const AGENT_PROTOCOL = 1;

/** A place as an agent of one node knows it; `name` is for its messages. */
export type WirePlace = { kind: "pod"; uid: string; name: string } | { kind: "node"; name: string };

export type WireRequest =
  | { op: "ping" }
  | {
      op: "sweep";
      places: WirePlace[];
      /** Id, index in `places`, address, port, protocol. */
      cells: [number, number, string, number, "tcp" | "udp"][];
      deadlineMs: number;
    }
  | {
      op: "echo";
      place: WirePlace;
      address: string;
      /** Bytes of ICMP in each packet, its header included; the index is the sequence number. */
      lengths: number[];
      identifier: number;
      tries: number;
      deadlineMs: number;
    }
  | {
      op: "run";
      place: WirePlace;
      argv: string[];
      timeoutMs?: number;
      /** Bytes of each stream that come back; the rest is counted. */
      limit?: number;
      /** Whether "input" messages follow. */
      input?: boolean;
      tty?: { rows: number; columns: number; term: string };
      /** Says "ready" when this TCP port listens. */
      readyPort?: number;
      /** In the node's own files, without a sandbox: for its iptables. */
      native?: boolean;
    };

/** About a request that was made earlier, by its id; without an answer of its own. */
export type WireNote =
  | { op: "input"; data?: string; end?: boolean }
  | { op: "resize"; rows: number; columns: number }
  | { op: "kill" };

/** What comes for a request before its end: bytes as base64. */
export interface WireEvent {
  cells?: [number, SweepCellResult["outcome"], string, number][];
  /** Index of a length, and the name of the errno that its sending ended with. */
  unsent?: [number, string][];
  /** Where an ICMP packet came from, and its first bytes as base64, with the IP header where it is IPv4. */
  received?: [string, string][];
  out?: string;
  err?: string;
  ready?: boolean;
  took?: number;
}

export interface WireResults {
  ping: Record<string, never>;
  sweep: { retransmits: number; durationMs: number };
  echo: { durationMs: number };
  run: {
    exitCode: number | null;
    signal: string | null;
    timedOut: boolean;
    durationMs: number;
    bytes: { out: number; err: number };
    /** In the node's process namespace. */
    networkPid: number;
  };
}

export type WireAnswer = WireEvent & {
  id: number;
  ok?: WireResults[keyof WireResults];
  error?: { code: string; message: string };
};
