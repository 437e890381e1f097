import type { KubeObject } from "../../kube/types.ts";
import type { Cell, ColumnSpec } from "./column.ts";
import { humanDuration } from "./human-duration.ts";
import type { Resource } from "./resources.ts";
import { columnSets } from "./table-columns.ts";

/** What of the object goes with its row. */
export type IncludeObject = "None" | "Metadata" | "Object";

export interface Column {
  /** meta/v1 TableColumnDefinition. */
  definition: { name: string; type: string; format: string; description: string; priority: number };
  cell: (object: KubeObject, nowMs: number) => Cell;
}

const NAME: ColumnSpec = { name: "Name", cell: ({ metadata }) => metadata.name };
const AGE: ColumnSpec = {
  name: "Age",
  cell: ({ metadata }, nowMs) => age(metadata.creationTimestamp, nowMs),
};

/** The columns that kubectl shows for a kind (pkg/printers/internalversion/printers.go); of others name and age. */
export function columnsOf({ key, columns }: Resource): Column[] {
  const known = key !== undefined && Object.hasOwn(columnSets, key) ? columnSets[key] : undefined;
  const specs = known ?? ["name" as const, ...(columns?.() ?? ["age" as const])];
  return specs.map((spec) => {
    const { name, type = "string", isWide = false, cell } = spec === "name" ? NAME : spec === "age" ? AGE : spec;
    const format = name === "Name" ? "name" : "";
    return { definition: { name, type, format, description: "", priority: isWide ? 1 : 0 }, cell };
  });
}

export function rowOf(columns: readonly Column[], object: KubeObject, nowMs: number): Cell[] {
  return columns.map(({ cell }) => cell(object, nowMs) ?? "");
}

export function age(timestamp: string | undefined, nowMs: number): string {
  return timestamp === undefined ? "<unknown>" : humanDuration(nowMs - Date.parse(timestamp));
}
