import { expect, it } from "vitest";
import type { RanCell } from "../../../src/probes/scheduler.ts";
import type { Flow } from "../../../src/providers/types.ts";
import { MatrixCells } from "../../../src/run/matrix-cells.ts";

const ends = new Map(["a", "b", "c"].map((name) => [name, [{ kind: "pod" as const, namespace: "shop", name }]]));
const cell = (from: string, to: string, more: Partial<RanCell> = {}): RanCell => ({
  key: { from, to, port: 80, protocol: "tcp" },
  rerun: "",
  observation: { outcome: "allowed", reason: "", tries: 1, evidence: [] },
  flow: {
    from: { kind: "pod", namespace: "shop", name: from },
    to: ends.get(to) ?? [],
    address: to,
    port: 80,
    protocol: "tcp",
  },
  ...more,
});
const control = (name: string): RanCell => cell(name, name, { ungraded: "a control" });
const list = [cell("b", "a"), cell("c", "a"), cell("a", "b"), cell("c", "b"), control("a"), control("b")];
const isEnd = (name: string): boolean => ends.has(name);
const matrix = MatrixCells.of(list, isEnd);

/** The cells that are asked for one by one where policies are the same for all. */
function asked(cells: RanCell[]): string[] {
  const names: string[] = [];
  MatrixCells.of(cells, isEnd).touched(
    ({ key: { from, to } }) => names.push(`${from} ${to}`) === 0,
    () => true,
  );
  return names;
}

it("cells of rows that are as before are not asked for", () => {
  const isSame = ({ address }: Flow): boolean => address !== "b";
  expect(
    matrix.touched(({ key: { from, to } }) => from !== to, isSame),
    "the row of b",
  ).toEqual([2, 3]);
  expect(
    matrix.touched(
      ({ key: { from } }) => from === "c",
      () => false,
    ),
  ).toEqual([1, 3]);
  expect(asked(list), "controls").toEqual(["a a", "b b"]);
});

it.each<[string, Partial<RanCell>]>([
  ["failed", { observation: { outcome: "error", reason: "", tries: 1, evidence: [] } }],
  ["is no pod's", { flow: { ...(cell("c", "a").flow as Flow), from: { kind: "node", name: "n" } } }],
  ["goes elsewhere", { flow: { ...(cell("c", "a").flow as Flow), address: "other" } }],
  ["is of a pod on the host network", { key: { from: "hosted", to: "a", port: 80, protocol: "tcp" } }],
])("a row of which a cell %s is asked for cell by cell", (_, more) => {
  expect(asked([cell("b", "a"), cell("c", "a", more)])).toHaveLength(2);
  expect(asked([cell("b", "a"), cell("c", "a")])).toHaveLength(0);
});

it("a cell that was never probed is asked for", () => {
  const { observation: _, ...never } = cell("c", "a");
  expect(asked([cell("b", "a"), never])).toHaveLength(2);
});

it("what was seen anew takes its place, its destination's control too, and the rest stays the same objects", () => {
  const [again, itself] = [cell("c", "a"), control("a")];
  const result = matrix.withNewer([again, itself], [1])?.cells;
  expect(result).toEqual(list);
  expect(result?.map((each, index) => each === list[index])).toEqual([true, false, true, true, false, true]);
  expect(result?.[1]).toBe(again);
  expect(result?.[4]).toBe(itself);
});

it("a row is what its newer cells are", () => {
  const failed = cell("c", "a", { observation: { outcome: "error", reason: "", tries: 1, evidence: [] } });
  const newer = matrix.withNewer([failed], [1]);
  const isSame = (): boolean => true;
  expect(newer?.touched(({ observation }) => observation?.outcome === "error", isSame)).toEqual([1]);
  const healed = newer?.withNewer([cell("c", "a")], [1]);
  expect(healed?.touched(({ key: { from, to } }) => from !== to, isSame)).toEqual([]);
});

it("there is no such matrix where a cell was not seen, or one was that had no place", () => {
  expect(matrix.withNewer([control("a")], [1])).toBeUndefined();
  expect(matrix.withNewer([cell("c", "a"), cell("d", "a")], [1])).toBeUndefined();
});

it("finds the places of cells", () => {
  expect(matrix.placesOf(new Set([list[3], list[0]] as RanCell[]))).toEqual([0, 3]);
});
