import { parentPort } from "node:worker_threads";
import type { DropProof } from "../../../grade/types.ts";
import { makeNamespaces } from "../../../kernel/namespace-supply.ts";
import type { NamespaceOrder } from "../../../kernel/namespace-supply.ts";
import { homeNamespace, NetworkNamespace } from "../../../kernel/namespace.ts";
import { probeAll } from "../../../kernel/prober.ts";
import type { PendingFlow, ProbeTarget } from "../../../kernel/probe-round.ts";
import type { SweepCellResult } from "../../types.ts";
import { packResults, type Destination } from "../packed-sweep.ts";
import { EvidenceReader, flowKey } from "./evidence.ts";
import type { EvidenceNode, EvidenceSet } from "./evidence.ts";

/** Cells of a sweep: their places, descriptors of their sources' namespaces, and numbers of their destinations. */
export interface PackedTargets {
  places: Int32Array;
  netnsFds: Int32Array;
  to: Int32Array;
  destinations: readonly Destination[];
}

export interface SweepRequest {
  id: number;
  targets: PackedTargets;
  /** Other flows ended a moment ago, or are still under way: what was recorded of them is told from this sweep's by reading it before. */
  isSoon: boolean;
  deadlineMs: number;
  nodes: EvidenceNode[];
  sets: EvidenceSet[];
}

/** The thread sweeps, and between sweeps makes what a NamespaceSupply is asked for. */
export type WorkerRequest = SweepRequest | { namespaces: NamespaceOrder };

/** What one thread saw; `results` is the JSON of PackedResults. */
export interface SweepPart {
  results: string;
  durationMs: number;
  retransmits: number;
}

export type SweepReply = { isReady: true } | { id: number; result: SweepPart } | { id: number; error: string };

/** A ClusterIP is translated before policy sees the packet, so the record may name another destination: one of the flow's own. */
function proves(proof: DropProof, flow: PendingFlow): boolean {
  return (
    proof.protocol === flow.protocol && proof.source === flow.source.address && proof.sourcePort === flow.source.port
  );
}

function targetsOf({ places, netnsFds, to, destinations }: PackedTargets): ProbeTarget[] {
  return Array.from(places, (id, index): ProbeTarget => {
    const destination = destinations[to[index] as number];
    if (destination === undefined) throw new Error(`no destination ${to[index]} for ${id}`);
    const { address, port, protocol } = destination;
    return { id, netnsFd: netnsFds[index] as number, address, port, protocol };
  });
}

function sweep({ targets: packed, isSoon, deadlineMs, nodes, sets }: SweepRequest): SweepPart {
  const startedAt = performance.now();
  const targets = targetsOf(packed);
  const reader = new EvidenceReader(
    nodes.map(({ node, netnsFd }) => ({ node, namespace: NetworkNamespace.adopt(node, netnsFd) })),
    sets,
  );
  const proofs = new Map<number, DropProof>();
  const destinations = new Map(targets.map((target) => [target.id, target]));
  try {
    if (isSoon) reader.passOverRecent(startedAt);
    const lookup = (pending: readonly PendingFlow[], which: "all" | "silent"): ReadonlySet<number> => {
      const byFlow = new Map<string, DropProof[]>();
      const ports = new Set(pending.map(({ source }) => source.port));
      for (const proof of reader.since(startedAt, ports, which)) {
        const key = flowKey(proof.protocol, proof.source, proof.sourcePort);
        const list = byFlow.get(key);
        if (list === undefined) byFlow.set(key, [proof]);
        else list.push(proof);
      }
      const dropped = new Set<number>();
      for (const flow of pending) {
        const candidates = (byFlow.get(flowKey(flow.protocol, flow.source.address, flow.source.port)) ?? []).filter(
          (proof) => proves(proof, flow),
        );
        // Two sockets of one address may share a port towards different destinations: prefer the record that names ours.
        const exact = candidates.find(
          (proof) => proof.destination === flow.destination.address && proof.destinationPort === flow.destination.port,
        );
        const proof =
          exact ?? (candidates.length > 0 && !isOthers(candidates, flow, pending) ? candidates[0] : undefined);
        if (proof === undefined) continue;
        dropped.add(flow.id);
        proofs.set(flow.id, proof);
      }
      return dropped;
    };
    // A rejected packet's answer is awaited: the kernel may heed only that to the SYN's first retransmission (TCP over IPv6).
    const outcomes = probeAll(targets, deadlineMs, (pending) => lookup(pending, "silent"));
    const unproven = outcomes.filter(
      ({ id, outcome }) => outcome !== "answered" && outcome !== "error" && !proofs.has(id),
    );
    const unknown = unproven.flatMap(({ id, source }): PendingFlow[] => {
      const target = destinations.get(id);
      if (source === undefined || target === undefined) return [];
      return [{ id, protocol: target.protocol, source, destination: { address: target.address, port: target.port } }];
    });
    // Reading all records takes as long as probing hundreds of cells.
    if (unknown.length > 0) lookup(unknown, "all");
    const cells = outcomes.map(({ id, outcome, detail, latencyMs }): SweepCellResult => {
      const proof = proofs.get(id);
      return {
        id,
        outcome,
        detail,
        latencyMs,
        ...(proof !== undefined && outcome !== "answered" && { proof }),
      };
    });
    const retransmits = outcomes.reduce((sum, outcome) => sum + outcome.retransmits, 0);
    const results = JSON.stringify(packResults(cells));
    return { results, durationMs: performance.now() - startedAt, retransmits };
  } finally {
    reader.close();
  }
}

/** Whether every record is the exact one of another pending flow. */
function isOthers(candidates: readonly DropProof[], flow: PendingFlow, pending: readonly PendingFlow[]): boolean {
  return candidates.every((proof) =>
    pending.some(
      (other) =>
        other.id !== flow.id &&
        proves(proof, other) &&
        other.destination.address === proof.destination &&
        other.destination.port === proof.destinationPort,
    ),
  );
}

// Where this thread comes back to; opened now so that later work leaves no descriptor behind.
homeNamespace();

parentPort?.on("message", (request: WorkerRequest) => {
  if ("namespaces" in request) {
    makeNamespaces(request.namespaces);
    return;
  }
  let reply: SweepReply;
  try {
    reply = { id: request.id, result: sweep(request) };
  } catch (error) {
    reply = {
      id: request.id,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    };
  }
  parentPort?.postMessage(reply);
});
parentPort?.postMessage({ isReady: true } satisfies SweepReply);
