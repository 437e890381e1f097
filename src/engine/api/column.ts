import type { KubeObject } from "../../kube/types.ts";

export type Cell = string | number | boolean | undefined;

/** One column: its cell of an object. Wide ones are shown with `-o wide` alone. */
export interface ColumnSpec {
  name: string;
  /** Default "string". */
  type?: "string" | "integer";
  isWide?: boolean;
  cell: (object: KubeObject, nowMs: number) => Cell;
}
