import type { Paint } from "./colour.ts";
import { shorten, type GridTable } from "./matrix-table.ts";

/** Beyond this many names a grid is no longer read at a glance. */
const mostNames = 20;
const widestLabel = 32;
const narrowestLabel = 10;
const gap = "   ";

/** How wide the parts of a grid are drawn, in characters. */
export interface GridLayout {
  number: number;
  label: number;
  cell: number;
  /** One port's columns. */
  block: number;
  blocksPerBand: number;
}

/** The layout that fits `width`, or undefined where a grid would not be readable. */
export function fitGrid(table: GridTable, width: number): GridLayout | undefined {
  const count = table.names.length;
  if (count > mostNames) return undefined;
  const number = String(count).length;
  const longest = Math.max(...table.labels.map((label) => label.length));
  const wanted = Math.min(longest, widestLabel);
  for (const cell of [2, 1]) {
    const block = Math.max(count * cell - (cell - 1), ...table.ports.map((port) => port.length));
    const label = Math.min(wanted, width - number - 3 - block);
    if (label < Math.min(wanted, narrowestLabel)) continue;
    const left = width - (number + 3 + label) + gap.length;
    return { number, label, cell, block, blocksPerBand: Math.floor(left / (block + gap.length)) };
  }
  return undefined;
}

/** Rows are sources, columns destinations by the rows' numbers, one block of columns a port, side by side. */
export function drawGrid(table: GridTable, layout: GridLayout, paint: Paint): string[] {
  const lines: string[] = [];
  for (let start = 0; start < table.ports.length; start += layout.blocksPerBand) {
    if (start > 0) lines.push("");
    lines.push(...drawBand(table, table.ports.slice(start, start + layout.blocksPerBand), layout, paint));
  }
  return lines;
}

function drawBand(table: GridTable, ports: string[], layout: GridLayout, paint: Paint): string[] {
  const margin = " ".repeat(layout.number + 1 + layout.label + 2);
  const titles = margin + ports.map((port) => paint.bold(port) + " ".repeat(layout.block - port.length)).join(gap);
  const numbers = columnNumbers(table.names.length, layout).map(
    (line) => margin + ports.map(() => paint.dim(line)).join(gap),
  );
  const rows = table.names.map((from, index) => {
    const number = paint.dim(String(index + 1).padStart(layout.number));
    const label = shorten(table.labels[index] ?? "", layout.label).padEnd(layout.label);
    const blocks = ports.map((port) => drawCells(table, from, port, layout, paint));
    return `${number} ${label}  ${blocks.join(gap)}`;
  });
  return [titles, ...numbers, ...rows].map((line) => line.trimEnd());
}

function drawCells(table: GridTable, from: string, port: string, layout: GridLayout, paint: Paint): string {
  const drawn = table.names.map((to) => {
    const mark = table.markAt(from, to, port);
    return mark === undefined ? " " : mark.paint(paint, mark.glyph);
  });
  const used = drawn.length * layout.cell - (layout.cell - 1);
  return drawn.join(" ".repeat(layout.cell - 1)) + " ".repeat(layout.block - used);
}

/** Column numbers written downwards, tens above units, so that a column stays one character wide. */
function columnNumbers(count: number, layout: GridLayout): string[] {
  return Array.from({ length: layout.number }, (_line, digit) => {
    const digits = Array.from({ length: count }, (_column, index) => {
      const number = String(index + 1).padStart(layout.number);
      return number[digit] ?? " ";
    });
    return digits.join(" ".repeat(layout.cell - 1)).padEnd(layout.block);
  });
}
