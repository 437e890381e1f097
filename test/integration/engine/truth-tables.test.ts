import { expect, test } from "vitest";
import { inNamespace } from "../../in-namespace.ts";

interface Seen {
  wrong: string[];
  cells: number;
  tables: number;
}

test.each(["vxlan", "direct"])(
  "the embedded data plane gives every truth table, each drop proven (calico %s)",
  { timeout: 120_000 },
  async (mode) => {
    const seen = (await inNamespace("truth-tables.ts", "calico", mode)) as Seen;
    expect(seen.wrong).toEqual([]);
    expect(seen.tables).toBeGreaterThanOrEqual(52);
    expect(seen.cells).toBeGreaterThan(850);
  },
);

test.each(["sleeve", "fastdp"])(
  "the same with weave, but for what weave-npc does otherwise and for cluster-wide policies (%s)",
  { timeout: 120_000 },
  async (mode) => {
    const seen = (await inNamespace("truth-tables.ts", "weave", mode)) as Seen;
    const differing = seen.wrong.map(
      (line) => /^([a-z-]+): .* expected (\w+), saw (\S+)/.exec(line)?.slice(1).join(" ") ?? line,
    );
    // A policy with a named port is not enforced at all; of a range of ports the first alone counts.
    expect([...new Set(differing)].toSorted()).toEqual([
      "end-port allowed no-answer",
      "named-port-differs blocked answered",
      "named-port-egress blocked answered",
      "named-port-protocol blocked answered",
    ]);
    expect(seen.tables).toBeGreaterThanOrEqual(20);
    expect(seen.cells).toBeGreaterThan(700);
  },
);
