import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { inNamespace } from "../../in-namespace.ts";
import { loadUpstreamCases } from "../../upstream-policies.ts";

interface Seen {
  wrong: string[];
  cells: number;
  blocked: number;
}

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "cnilab-upstream-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("the cases of Kubernetes' own end-to-end tests have their tables on the embedded data plane, each block proven", async () => {
  const steps = loadUpstreamCases().flatMap((each) => each.steps);
  const file = join(folder, "steps.json");
  writeFileSync(file, JSON.stringify(steps));
  const seen = (await inNamespace("policy-steps.ts", file, "calico", "vxlan")) as Seen;
  expect(seen.wrong).toEqual([]);
  // All pairs of nine pods, on two ports of TCP and UDP.
  expect(seen.cells).toBe(steps.length * 9 * 8 * 4);
  expect(seen.blocked).toBeGreaterThan(2000);
});
