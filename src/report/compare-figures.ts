import { makeVisibleLine } from "../core/visible-text.ts";
import { describeDuration } from "./cell-text.ts";
import type { Paint } from "./colour.ts";
import type { ComparedFigure, LabComparison } from "./compare-types.ts";
import { shorten } from "./matrix-table.ts";

const gap = "  ";

/** Figures side by side, a row each, with their ratio to the first variant's that has one. */
export function drawFigures({ variants, figures }: LabComparison, paint: Paint, width: number): string[] {
  const shown = figures.filter(({ values }) => values.filter((value) => value !== undefined).length > 1);
  if (shown.length === 0) return [];
  const columns = variants.flatMap(({ label, notRun }, index) => (notRun === undefined ? [{ label, index }] : []));
  const rows = shown.map((figure) => columns.map(({ index }) => valueText(figure, index)));
  const widths = columns.map(({ label }, column) =>
    Math.max(label.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const used = widths.reduce((sum, each) => sum + each + gap.length, 2);
  const titles = shown.map(titleOf);
  const room = Math.max(16, Math.min(width - used, Math.max(...titles.map((title) => title.length))));
  const line = (title: string, cells: readonly string[]): string =>
    `  ${shorten(title, room).padEnd(room)}${cells.map((cell, column) => gap + cell.padStart(widths[column] ?? 0)).join("")}`.trimEnd();
  return [
    "",
    paint.dim(
      line(
        "figures",
        columns.map(({ label }) => label),
      ),
    ),
    ...titles.map((title, index) => line(title, rows[index] ?? [])),
  ];
}

function titleOf({ probe, what, cells }: ComparedFigure): string {
  if (probe === "") return `${what} phase`;
  return `${what}${cells > 1 ? ` (median of ${cells})` : ""}: ${makeVisibleLine(probe)}`;
}

/** The value, and behind the first variant how many times the first one's it is. */
function valueText({ unit, values }: ComparedFigure, index: number): string {
  const value = values[index];
  if (value === undefined) return "-";
  const firstIndex = values.findIndex((each) => each !== undefined);
  const first = values[firstIndex];
  const isSpeed = unit === "ms" || unit === "bit/s";
  const hasRatio = isSpeed && index !== firstIndex && first !== undefined && first > 0 && value > 0;
  const ratio = hasRatio ? ` ×${ratioText(value / first)}` : "";
  return `${amount(value, unit)}${ratio}`;
}

function ratioText(ratio: number): string {
  return ratio >= 10 ? String(Math.round(ratio)) : ratio.toFixed(ratio >= 0.1 ? 1 : 2);
}

function amount(value: number, unit: ComparedFigure["unit"]): string {
  switch (unit) {
    case "ms":
      // Tools that tell whole milliseconds call a short time 0.
      if (Number.isInteger(value) && value < 10) return `${value} ms`;
      return value < 1 ? `${value.toFixed(2)} ms` : describeDuration(value);
    case "bit/s":
      return value >= 1e9 ? `${(value / 1e9).toFixed(1)} Gbit/s` : `${(value / 1e6).toFixed(0)} Mbit/s`;
    case "share":
      return `${Math.round(value * 100)} %`;
    case "bytes":
      return `${value} B`;
    case "count":
      return String(value);
  }
}
