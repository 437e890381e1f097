import { describe, expect, test } from "vitest";
import { printerColumns } from "../../../../src/engine/api/printer-columns.ts";

const NOW = Date.parse("2026-01-01T00:01:00Z");
const widget = {
  apiVersion: "lab.example/v1",
  kind: "Widget",
  metadata: { name: "first", annotations: { "lab.example/note": "here" } },
  spec: { size: 3, "odd name": true, tags: ["a", "b"], since: "2026-01-01T00:00:00Z" },
  status: {
    conditions: [
      { type: "Synced", status: "False" },
      { type: "Ready", status: "True" },
    ],
  },
};

function cell(jsonPath: string, type = "string"): unknown {
  const [column] = printerColumns({ additionalPrinterColumns: [{ name: "X", type, jsonPath }] }) ?? [];
  return column?.cell(widget, NOW);
}

describe("a column of a definition", () => {
  test.each([
    [".spec.size", 3],
    [".spec['odd name']", true],
    [".spec.tags[1]", "b"],
    [".spec.tags[*]", "a"],
    [".spec.tags", '["a","b"]'],
    [String.raw`.metadata.annotations.lab\.example/note`, "here"],
    ['.status.conditions[?(@.type=="Ready")].status', "True"],
    [".status.conditions[?(@.type=='Nosuch')].status", undefined],
    [".spec.size.more", undefined],
    [".constructor.name", undefined],
    [".spec..size", undefined],
    ["nonsense[", undefined],
  ])("%s is %j", (path, expected) => {
    expect(cell(path)).toEqual(expected);
  });

  test("is an age where it is a date", () => {
    expect(cell(".spec.since", "date")).toBe("60s");
    expect(cell(".spec.size", "date")).toBe("<unknown>");
  });

  test("is wide by its priority; a definition without any has none", () => {
    const columns = [{ name: "Size", type: "integer", jsonPath: ".spec.size", priority: 1 }];
    expect(printerColumns({ additionalPrinterColumns: columns })).toMatchObject([
      { name: "Size", type: "integer", isWide: true },
    ]);
    expect(printerColumns({ additionalPrinterColumns: [] })).toBeUndefined();
  });
});
