import { quoteWord } from "../../../core/shell-word.ts";
import type { DropProof } from "../../../grade/types.ts";
import type { NetworkNamespace } from "../../../kernel/namespace.ts";
import type { SandboxOptions } from "../../../kernel/sandbox.ts";
import { killGroup, runToEnd, startSandboxed } from "../../../kernel/sandboxed-command.ts";
import type { CommandEnd } from "../../../kernel/sandboxed-command.ts";
import type { ExecOptions, ExecResult } from "../../types.ts";
import { flowKey } from "./evidence.ts";

const FIRST_LOOK_MS = 4;
const LONGEST_LOOK_MS = 50;

/** A place where commands run: a network namespace and what the sandbox shows. */
export interface ExecPlace {
  namespace: NetworkNamespace;
  /** Its own addresses, which its flows start from. */
  addresses: readonly string[];
  sandbox: SandboxOptions;
  /** The word after `cnilab exec LAB`. */
  name: string;
}

function isWatched(proof: DropProof, place: ExecPlace, watched: NonNullable<ExecOptions["untilDropped"]>): boolean {
  return (
    proof.protocol === watched.protocol &&
    (watched.port === undefined || proof.destinationPort === watched.port) &&
    watched.destinations.includes(proof.destination) &&
    place.addresses.includes(proof.source)
  );
}

function proofKey(proof: DropProof): string {
  return `${flowKey(proof.protocol, proof.source, proof.sourcePort)} ${proof.destination} ${proof.direction}`;
}

/**
 * Looks at the kernel's records while a command runs and calls `onAllDropped` once every watched destination has a
 * record that was not there before. Returns how to end it and what it found.
 */
function watchDrops(
  place: ExecPlace,
  watched: ExecOptions["untilDropped"],
  readProofs: () => DropProof[],
  onAllDropped: () => void,
): { end(): DropProof[] } {
  if (watched === undefined) return { end: () => [] };
  const before = new Set(readProofs().map(proofKey));
  const fresh = (): DropProof[] =>
    readProofs().filter((proof) => isWatched(proof, place, watched) && !before.has(proofKey(proof)));
  let intervalMs = FIRST_LOOK_MS;
  let timer: NodeJS.Timeout;
  const look = (): void => {
    const seen = new Set(fresh().map(({ destination }) => destination));
    const isDropped = (destination: string): boolean => seen.has(destination);
    const { destinations } = watched;
    if (
      watched.match === "any" ? destinations.some(isDropped) : destinations.length > 0 && destinations.every(isDropped)
    ) {
      onAllDropped();
      return;
    }
    intervalMs = Math.min(intervalMs * 2, LONGEST_LOOK_MS);
    timer = setTimeout(look, intervalMs);
  };
  timer = setTimeout(look, intervalMs);
  return {
    end: () => {
      clearTimeout(timer);
      return fresh();
    },
  };
}

/** Runs a command to its end, its timeout, an abort or a proven drop. Its whole process tree ends with it. */
export async function execIn(
  place: ExecPlace,
  argv: readonly string[],
  options: ExecOptions,
  labName: string,
  readProofs: () => DropProof[],
): Promise<ExecResult> {
  const startedAt = performance.now();
  const stdin = options.stdin === undefined ? "ignore" : "pipe";
  const child = startSandboxed(place.namespace, place.sandbox, argv, stdin);
  const drops = watchDrops(place, options.untilDropped, readProofs, () => killGroup(child));
  let end: CommandEnd;
  let proofs: DropProof[];
  try {
    end = await runToEnd(child, argv, options);
  } finally {
    proofs = drops.end();
  }
  return {
    ...end,
    durationMs: performance.now() - startedAt,
    proofs,
    paste: `cnilab exec ${labName} ${place.name} -- ${argv.map(quoteWord).join(" ")}`,
  };
}
