import type { EchoReply, EchoRequest } from "../../kernel/echo.ts";
import type { CapturedPacket } from "../../kernel/packet-reader.ts";
import type { KubeObject } from "../../kube/types.ts";
import type { CniNode } from "../../cnis/types.ts";
import type { Plan } from "../../plan/types.ts";
import type { ClusterChanges, DeadlineChange, DeadlineState } from "../changes.ts";
import type { Fault, FaultPlace } from "../fault.ts";
import type { SettleResult } from "../settle.ts";
import type { ApplyResult, ExecOptions, ExecResult, ObjectRef, Source, WaitFor } from "../types.ts";
import type { PackedCells, PackedSweepResult } from "./packed-sweep.ts";

/**
 * The control socket's language: one JSON value a line. The client sends calls, the lab process answers each by its id,
 * in any order; a client that goes away aborts its calls.
 */
export interface Methods {
  up: { params: { plan: Plan; stateDirectory: string }; result: { nodes: CniNode[] } };
  /** The lab no longer dies with the process that started it. */
  detach: { params: null; result: null };
  apply: { params: { objects: KubeObject[] }; result: ApplyResult[] };
  delete: { params: { refs: ObjectRef[] }; result: null };
  list: { params: { kind?: string; namespace?: string }; result: KubeObject[] };
  scale: { params: { ref: ObjectRef; replicas: number }; result: null };
  rolloutRestart: { params: { ref: ObjectRef; restartedAt: string }; result: null };
  wait: { params: { condition: WaitFor; timeoutMs: number }; result: null };
  settle: { params: { timeoutMs: number }; result: SettleResult };
  exec: {
    params: { source: Source; argv: string[]; options: Omit<ExecOptions, "signal"> };
    result: ExecResult;
  };
  serve: {
    params: { source: Source; argv: string[]; readyPort: number; timeoutMs: number };
    result: { id: number };
  };
  stopServing: { params: { id: number }; result: null };
  fault: { params: { fault: Fault; whileHere: boolean }; result: null };
  restore: { params: { fault: FaultPlace }; result: null };
  sweep: { params: PackedCells & { deadlineMs: number }; result: PackedSweepResult };
  capture: { params: { source: Source; filter: string }; result: { id: number } };
  stopCapture: { params: { id: number }; result: { packets: CapturedPacket[] } };
  echo: { params: { source: Source; request: EchoRequest }; result: EchoReply[] };
  /** `since` is what an earlier call gave as `point`. */
  changes: { params: { since: unknown; isPatient: boolean }; result: ClusterChanges };
  deadline: { params: { change: DeadlineChange | null }; result: DeadlineState };
  logs: { params: { source: Source & { kind: "pod" } }; result: string };
  addresses: { params: { source: Source }; result: string[] };
  /** What the caller needs to enter the source by itself: this process as the host numbers it, a descriptor of it. */
  entry: {
    params: { source: Source; argv: string[]; tty: boolean };
    result: { pid: number; netnsFd: number; argv: string[] };
  };
}

export type MethodName = keyof Methods;

export type Call = {
  [Name in MethodName]: { id: number; method: Name; params: Methods[Name]["params"] };
}[MethodName];

export interface WireError {
  code: string;
  message: string;
  hint?: string;
}

export type Answer = { id: number; result: unknown } | { id: number; error: WireError };

/** A result of that type which is JSON already: it stands in its answer's line as it is. */
export class JsonText<Result> {
  readonly text: string;
  /** Never there: for the type alone. */
  declare readonly result: Result;

  constructor(text: string) {
    this.text = text;
  }
}

/** Tells the lab process to stop working on a call. */
export interface Cancel {
  cancel: number;
}

/** The longest line that is taken: a list of every object of a large lab has a few MiB. */
const LONGEST_LINE_BYTES = 64 << 20;

/** Splits a byte stream into lines; `onLine` gets each without its line break. Throws on a line of more than 64 MiB. */
export function lineSplitter(onLine: (line: string) => void): (chunk: Buffer) => void {
  let parts: Buffer[] = [];
  let heldBytes = 0;
  return (chunk) => {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      parts.push(chunk.subarray(start, end));
      onLine(Buffer.concat(parts).toString("utf8"));
      parts = [];
      heldBytes = 0;
      start = end + 1;
    }
    if (start < chunk.length) parts.push(chunk.subarray(start));
    heldBytes += chunk.length - start;
    if (heldBytes > LONGEST_LINE_BYTES) throw new Error(`a line is longer than ${LONGEST_LINE_BYTES} bytes`);
  };
}
