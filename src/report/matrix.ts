import type { Cell, CellKey, JudgedProbe } from "../grade/types.ts";
import type { Paint } from "./colour.ts";
import { drawGrid, fitGrid } from "./matrix-grid.ts";
import { legendOf, marks, markOf } from "./matrix-symbols.ts";
import { tabulate, type MatrixTable } from "./matrix-table.ts";

const mostRowsListed = 10;
const mostNamesListed = 5;

/** A probe whose cells make a table: several sources and several destinations. */
export function isMatrix(probe: JudgedProbe): boolean {
  const sources = new Set(probe.cells.map((cell) => cell.key.from));
  const destinations = new Set(probe.cells.map((cell) => cell.key.to));
  return sources.size > 1 && destinations.size > 1;
}

/**
 * The lines of a matrix. More than 20 names, or a terminal too narrow for one port's columns, give counts a port and
 * the rows that hold something unexpected instead of a grid. Cells that `isMarked` names are drawn inverse.
 */
export function renderMatrix(
  probe: JudgedProbe,
  paint: Paint,
  width: number,
  isMarked: (key: CellKey) => boolean = () => false,
): string[] {
  const cells: Cell[] = [...probe.cells, ...(probe.ungraded ?? [])];
  const table = withMarked(tabulate(cells), isMarked);
  const layout = fitGrid(table, width);
  const body = layout === undefined ? summarise(table, paint) : drawGrid(table, layout, paint);
  return [...body, legendOf(cells, paint)];
}

function withMarked(table: MatrixTable, isMarked: (key: CellKey) => boolean): MatrixTable {
  return {
    ...table,
    markAt: (from, to, port) => {
      const [mark, cell] = [table.markAt(from, to, port), table.at(from, to, port)];
      if (mark === undefined || cell === undefined || !isMarked(cell.key)) return mark;
      return { ...mark, paint: (paint, text) => paint.inverse(mark.paint(paint, text)) };
    },
  };
}

function summarise(table: MatrixTable, paint: Paint): string[] {
  return table.ports.flatMap((port) => {
    const ofPort = table.names.flatMap((from) =>
      table.names.flatMap((to) => {
        const cell = table.at(from, to, port);
        return cell === undefined ? [] : [cell];
      }),
    );
    const sources = new Set(ofPort.map((cell) => cell.key.from)).size;
    const destinations = new Set(ofPort.map((cell) => cell.key.to)).size;
    const counts = Object.values(marks).flatMap((mark) => {
      const count = ofPort.filter((cell) => markOf(cell) === mark).length;
      return count === 0 ? [] : [`${mark.paint(paint, mark.glyph)} ${count}`];
    });
    const head = `${paint.bold(port)}  ${sources} sources × ${destinations} destinations   ${counts.join("   ")}`;
    return [head, ...unexpectedRows(table, ofPort, paint)];
  });
}

function unexpectedRows(table: MatrixTable, cells: readonly Cell[], paint: Paint): string[] {
  const label = (name: string): string => table.labels[table.names.indexOf(name)] ?? name;
  const rows = new Map<string, { from: string; glyph: string; to: string[] }>();
  for (const cell of cells) {
    const mark = markOf(cell);
    if (mark === marks.allowed || mark === marks.blocked || mark === marks.ungraded) continue;
    const id = JSON.stringify([cell.key.from, mark.glyph]);
    const row = rows.get(id) ?? { from: cell.key.from, glyph: mark.paint(paint, mark.glyph), to: [] };
    row.to.push(label(cell.key.to));
    rows.set(id, row);
  }
  const listed = [...rows.values()].slice(0, mostRowsListed).map(({ from, glyph, to }) => {
    const more = to.length > mostNamesListed ? ` and ${to.length - mostNamesListed} more` : "";
    return `  ${glyph} ${label(from)} → ${to.slice(0, mostNamesListed).join(", ")}${more}`;
  });
  const left = rows.size - listed.length;
  return left > 0 ? [...listed, paint.dim(`  … and ${left} more rows; -o json lists every cell`)] : listed;
}
