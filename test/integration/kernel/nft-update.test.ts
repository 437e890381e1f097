import { expect, test } from "vitest";
import { inNamespace } from "../../in-namespace.ts";

interface Seen {
  compared: number;
  ours: number;
  whole: number;
  failure?: string;
}

// CNILAB_SEED repeats a run, CNILAB_RUNS makes it longer.
const seed = process.env["CNILAB_SEED"] ?? String(Math.trunc(Math.random() * 2 ** 31));
const runs = process.env["CNILAB_RUNS"] ?? "6";

test(
  "random updates of rules leave in the kernel what libnftables makes of the whole tables",
  { timeout: 120_000 },
  async () => {
    const seen = (await inNamespace("nft-update.ts", runs, seed)) as Seen;
    console.log(
      `${seen.compared} rulesets, ${seen.ours} tables updated by parts, ${seen.whole} loaded whole; seed ${seed}`,
    );
    expect(seen.failure).toBeUndefined();
    // Whole tables are the exception, where a set's properties change under its name: one of fifty random changes or so.
    expect(seen.ours).toBeGreaterThan(seen.whole * 4);
  },
);
