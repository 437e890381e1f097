import { stringify } from "yaml";
import type { CliIo } from "./io.ts";

export type DataFormat = "table" | "json" | "yaml";

/** Writes data in the format asked for; `table` draws what people read. */
export function writeData(data: unknown, format: DataFormat, io: CliIo, table: () => string): void {
  io.closeProgress();
  switch (format) {
    case "json":
      io.out(`${JSON.stringify(data, undefined, 2)}\n`);
      break;
    case "yaml":
      io.out(stringify(data, { aliasDuplicateObjects: false, lineWidth: 0 }));
      break;
    case "table":
      io.out(table());
      break;
  }
}

/** Columns as wide as their widest cell, two spaces between them; `head` in upper case as kubectl does. */
export function drawTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  return [head.map((title) => title.toUpperCase()), ...rows].map((row) => `${line(row)}\n`).join("");
}
