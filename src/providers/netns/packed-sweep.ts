import type { DropProof } from "../../grade/types.ts";
import type { Source, SweepCell, SweepCellResult, SweepResult } from "../types.ts";

/*
 * A sweep as it crosses to the lab process and back: numbers instead of an object a cell, since of thousands of cells writing and reading
 * JSON, and copying objects to another thread, takes longer than probing them.
 */

export interface Destination {
  address: string;
  port: number;
  protocol: "tcp" | "udp";
}

/** Cells by their places: what they have in common is named once. */
export interface PackedCells {
  sources: Source[];
  destinations: Destination[];
  /** Two numbers a cell: of its source, and of its destination. */
  cells: number[];
}

/** What was seen of some of the cells, in any order; lists have an item for each of them. */
export interface PackedResults {
  /** The cells' places. */
  places: number[];
  /** Numbers in {@link OUTCOMES}. */
  outcomes: number[];
  /** Texts of `detail`, and a number among them for each cell. */
  texts: string[];
  details: number[];
  latencyUs: number[];
  /** Of those that have one. */
  proofs: PackedProof[];
}

/** Number in the lists, then the proof. */
export type PackedProof = [
  index: number,
  node: string,
  direction: DropProof["direction"],
  source: string,
  sourcePort: number | null,
  destination: string,
  destinationPort: number | null,
  protocol: DropProof["protocol"],
];

export interface PackedSweepResult {
  parts: PackedResults[];
  durationMs: number;
  retransmits: number;
}

const OUTCOMES = [
  "answered",
  "refused",
  "unreachable",
  "no-answer",
  "error",
] as const satisfies readonly SweepCellResult["outcome"][];

/** Numbers texts, and others by their texts, in the order in which they come. */
class Numbered<Item> {
  readonly items: Item[] = [];
  private readonly numbers = new Map<string, number>();

  numberOf(text: string, item: () => Item): number {
    let number = this.numbers.get(text);
    if (number === undefined) {
      number = this.items.push(item()) - 1;
      this.numbers.set(text, number);
    }
    return number;
  }
}

function textOf(source: Source): string {
  switch (source.kind) {
    case "pod":
      return `${source.namespace}/${source.name}/${source.container ?? ""}`;
    case "node":
      return source.name;
    case "external":
      return "";
  }
}

/** A cell's place is its number in the list. */
export function packCells(list: readonly SweepCell[]): PackedCells {
  const sources = new Numbered<Source>();
  const destinations = new Numbered<Destination>();
  const cells: number[] = [];
  for (const { from, address, port, protocol } of list) {
    cells.push(
      sources.numberOf(textOf(from), () => from),
      destinations.numberOf(`${address} ${port} ${protocol}`, () => ({ address, port, protocol })),
    );
  }
  return { sources: sources.items, destinations: destinations.items, cells };
}

/** `id` of each is the cell's place. */
export function packResults(results: readonly SweepCellResult[]): PackedResults {
  const texts = new Numbered<string>();
  const packed: PackedResults = {
    places: [],
    outcomes: [],
    texts: texts.items,
    details: [],
    latencyUs: [],
    proofs: [],
  };
  for (const [index, { id, outcome, detail, latencyMs, proof }] of results.entries()) {
    packed.places.push(id);
    packed.outcomes.push(OUTCOMES.indexOf(outcome));
    packed.details.push(texts.numberOf(detail, () => detail));
    packed.latencyUs.push(Math.round(latencyMs * 1000));
    if (proof === undefined) continue;
    const { node, direction, source, sourcePort, destination, destinationPort, protocol } = proof;
    packed.proofs.push([
      index,
      node,
      direction,
      source,
      sourcePort ?? null,
      destination,
      destinationPort ?? null,
      protocol,
    ]);
  }
  return packed;
}

/** The results of the cells in `list`, in the order in which they were seen. */
export function unpackResult(
  { parts, durationMs, retransmits }: PackedSweepResult,
  list: readonly Pick<SweepCell, "id">[],
): SweepResult {
  return { cells: parts.flatMap((part) => unpackPart(part, list)), durationMs, retransmits };
}

function unpackPart(
  { places, outcomes, texts, details, latencyUs, proofs }: PackedResults,
  list: readonly Pick<SweepCell, "id">[],
): SweepCellResult[] {
  const cells = places.map((place, index): SweepCellResult => {
    const outcome = OUTCOMES[outcomes[index] ?? -1];
    const detail = texts[details[index] ?? -1];
    const cell = list[place];
    if (cell === undefined || outcome === undefined || detail === undefined)
      throw new Error(`the lab process tells of a cell that nobody asked for: ${place}`);
    return { id: cell.id, outcome, detail, latencyMs: (latencyUs[index] ?? 0) / 1000 };
  });
  for (const [index, node, direction, source, sourcePort, destination, destinationPort, protocol] of proofs) {
    const cell = cells[index];
    if (cell === undefined) continue;
    cell.proof = {
      node,
      direction,
      source,
      destination,
      protocol,
      ...(sourcePort !== null && { sourcePort }),
      ...(destinationPort !== null && { destinationPort }),
    };
  }
  return cells;
}
