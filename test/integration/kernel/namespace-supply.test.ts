import { expect, test } from "vitest";
import { inNamespace } from "../../in-namespace.ts";

test("namespaces made on two threads are each given once, and a host's limit is told to who asks", async () => {
  expect(await inNamespace("namespace-supply.ts")).toEqual({ hasHome: false, refusal: "ENOSPC", isHome: true });
});
