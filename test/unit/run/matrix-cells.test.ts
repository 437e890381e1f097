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

/** As a cell that was probed once more: of the same ends, which stay the same object. */
function again(place: number, more: Partial<RanCell> = {}): RanCell {
  return { ...(list[place] as RanCell), ...more };
}

it("with the cells of a destination go its controls", () => {
  expect(matrix.withControls([1])).toEqual([1, 4]);
  expect(matrix.withControls([0, 2])).toEqual([0, 2, 4, 5]);
  expect(matrix.withControls([3, 5])).toEqual([3, 5]);
  expect(matrix.withControls([])).toEqual([]);
});

it("what was seen anew takes its place, and the rest stays the same objects", () => {
  const [other, itself] = [again(1), again(4)];
  const result = matrix.withNewer([other, itself], [1, 4])?.cells;
  expect(result).toEqual(list);
  expect(result?.map((each, index) => each === list[index])).toEqual([true, false, true, true, false, true]);
  expect(result?.[1]).toBe(other);
  expect(result?.[4]).toBe(itself);
});

it("a row is what its newer cells are", () => {
  const failed = again(1, { observation: { outcome: "error", reason: "", tries: 1, evidence: [] } });
  const newer = matrix.withNewer([failed], [1]);
  const isSame = (): boolean => true;
  expect(newer?.touched(({ observation }) => observation?.outcome === "error", isSame)).toEqual([1]);
  const healed = newer?.withNewer([again(1)], [1]);
  expect(healed?.touched(({ key: { from, to } }) => from !== to, isSame)).toEqual([]);
});

it("there is no such matrix where a cell was not seen, or another one was", () => {
  expect(matrix.withNewer([again(4)], [1])).toBeUndefined();
  expect(matrix.withNewer([again(1), cell("d", "a")], [1])).toBeUndefined();
  expect(matrix.withNewer([cell("d", "a")], [1])).toBeUndefined();
});

it("finds the places of cells", () => {
  expect(matrix.placesOf(new Set([list[3], list[0]] as RanCell[]))).toEqual([0, 3]);
});
