import { LabError } from "../core/errors.ts";
import { formatEndpointRef } from "../lab/refs.ts";
import type { CellKey, DropProof, Evidence, Observation } from "../grade/types.ts";
import type { EndpointRef } from "../plan/types.ts";
import type { ProbedCell } from "./types.ts";

/** An observation of one try. */
export function observation(
  outcome: Observation["outcome"],
  reason: string,
  rest: {
    latencyMs?: number | undefined;
    proof?: DropProof | undefined;
    measured?: Record<string, unknown>;
    evidence?: Evidence[];
  } = {},
): Observation {
  const { latencyMs, proof, measured, evidence = [] } = rest;
  return {
    outcome,
    reason,
    tries: 1,
    ...(latencyMs === undefined ? {} : { latencyMs }),
    ...(proof === undefined ? {} : { proof }),
    ...(measured === undefined ? {} : { measured }),
    evidence: proof === undefined ? evidence : [...evidence, proofEvidence(proof, outcome)],
  };
}

/** Its target is there, but not at an address that this client could use. */
const LACKING: ReadonlySet<string> = new Set(["TARGET_LACKS_FAMILY", "TARGET_LACKS_BALANCER"]);

/**
 * The observation of a probe that could not do its work: inconclusive whatever was expected. A target without an address of the
 * family wanted, or of a load balancer, is no such error: a client would be told so, as it is of a name without a record.
 */
export function errorObservation(error: unknown, evidence: Evidence[] = []): Observation {
  if (error instanceof LabError) {
    if (LACKING.has(error.code)) return observation("rejected", error.message, { evidence });
    const hint: Evidence[] = error.hint === undefined ? [] : [{ kind: "note", text: error.hint }];
    return observation("error", `${error.code}: ${error.message}`, { evidence: [...evidence, ...hint] });
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return observation("error", `internal error: ${message}`, { evidence });
}

/** One line: which rule's drop or rejection the kernel recorded. */
export function proofText(proof: DropProof, verb: "dropped" | "rejected"): string {
  const what = proof.protocol === "tcp" ? "SYN" : proof.protocol === "udp" ? "datagram" : "echo request";
  return `${what} ${verb} by ${proof.direction} policy on ${proof.node}`;
}

function proofEvidence(proof: DropProof, outcome: Observation["outcome"]): Evidence {
  const end = (address: string, port: number | undefined): string =>
    port === undefined ? address : `${address}:${port}`;
  const flow = `${end(proof.source, proof.sourcePort)} → ${end(proof.destination, proof.destinationPort)}/${proof.protocol}`;
  return outcome === "rejected"
    ? { kind: "kernel-reject", text: `${flow}: rejected by ${proof.direction} policy on ${proof.node}` }
    : { kind: "kernel-drop", text: `${flow}: dropped by ${proof.direction} policy on ${proof.node}` };
}

/** The key of a named probe's cell, as written in the lab file, so that it outlives its pods. */
export function cellKey(
  from: EndpointRef | undefined,
  to: string,
  rest: { port?: number; protocol?: "tcp" | "udp" } = {},
): CellKey {
  return { from: from === undefined ? "?" : formatEndpointRef(from), to, ...rest };
}

/** Runs what makes a cell's observation; what it throws is the cell's `error`, except that the run was aborted. */
export async function observed(
  key: CellKey,
  signal: AbortSignal,
  probe: () => Promise<ProbedCell[]>,
): Promise<ProbedCell[]> {
  try {
    return await probe();
  } catch (error) {
    signal.throwIfAborted();
    return [{ key, observation: errorObservation(error) }];
  }
}
