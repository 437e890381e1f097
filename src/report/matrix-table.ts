import { makeVisibleLine } from "../core/visible-text.ts";
import type { Cell } from "../grade/types.ts";
import { describePort } from "./cell-text.ts";
import { markOf, type Mark } from "./matrix-symbols.ts";

/** Marks arranged for drawing. */
export interface GridTable {
  /** Sources and destinations, sorted, so that pods of one workload stand together. */
  names: string[];
  /** `names` without a namespace that all share, control characters made visible. */
  labels: string[];
  /** `5432/TCP`, lowest first. */
  ports: string[];
  markAt(from: string, to: string, port: string): Mark | undefined;
}

/** Cells arranged for drawing. */
export interface MatrixTable extends GridTable {
  at(from: string, to: string, port: string): Cell | undefined;
}

/** Arranges the cells of a matrix probe. */
export function tabulate(cells: readonly Cell[]): MatrixTable {
  const byKey = new Map(cells.map((cell) => [cellId(cell.key.from, cell.key.to, describePort(cell.key)), cell]));
  const names = [...new Set(cells.flatMap((cell) => [cell.key.from, cell.key.to]))].toSorted(inOrder);
  const at: MatrixTable["at"] = (from, to, port) => byKey.get(cellId(from, to, port));
  return {
    names,
    labels: labelsOf(names),
    ports: [...new Set(cells.map((cell) => describePort(cell.key)))].toSorted(inOrder),
    at,
    markAt: (from, to, port) => {
      const cell = at(from, to, port);
      return cell === undefined ? undefined : markOf(cell);
    },
  };
}

/** At most `width` characters, the middle left out: the ends of a pod's name are what tells it from others. */
export function shorten(label: string, width: number): string {
  if (label.length <= width) return label;
  const tail = Math.floor((width - 1) / 2);
  return `${label.slice(0, width - 1 - tail)}…${label.slice(label.length - tail)}`;
}

/** Numbers in names by their value: pod-2 before pod-10. */
export function inOrder(one: string, other: string): number {
  return one.localeCompare(other, "en", { numeric: true });
}

/** Names without a namespace that all share, control characters made visible. */
export function labelsOf(names: string[]): string[] {
  const prefixes = new Set(names.map((name) => name.slice(0, name.indexOf("/") + 1)));
  const shared = prefixes.size === 1 ? ([...prefixes][0]?.length ?? 0) : 0;
  return names.map((name) => makeVisibleLine(name.slice(shared)));
}

function cellId(from: string, to: string, port: string): string {
  return JSON.stringify([from, to, port]);
}
