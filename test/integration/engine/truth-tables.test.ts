import { expect, test } from "vitest";
import { inNamespace } from "../../in-namespace.ts";

test.each(["vxlan", "direct"])(
  "the embedded data plane gives every truth table, each drop proven (calico %s)",
  { timeout: 120_000 },
  async (mode) => {
    const seen = (await inNamespace("truth-tables.ts", mode)) as { wrong: string[]; cells: number; tables: number };
    expect(seen.wrong).toEqual([]);
    expect(seen.tables).toBeGreaterThanOrEqual(20);
    expect(seen.cells).toBeGreaterThan(700);
  },
);
