import { expect, test } from "vitest";
import { inNamespace } from "../../in-namespace.ts";

test("namespaces made and configured on two threads are each given once, and what is refused is told to who asks", async () => {
  const { configured, refusedOps, ...seen } = (await inNamespace("namespace-supply.ts")) as Record<string, unknown>;
  expect(seen).toEqual({ hasHome: false, refusal: "ENOSPC", isHome: true, isWritten: true });
  expect(configured).toEqual([expect.stringMatching(/^[01] up$/)]);
  expect(refusedOps).toContain("no_such_file");
});
