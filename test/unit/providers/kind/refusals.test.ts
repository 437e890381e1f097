import { expect, test } from "vitest";
import { DEFAULT_REAL_CLUSTER } from "../../../../src/lab/real-cluster.ts";
import { kind } from "../../../../src/providers/kind/provider.ts";
import { planOn } from "./plan.ts";

test("a service mesh is the embedded engine's alone", () => {
  const realCluster = { ...DEFAULT_REAL_CLUSTER, addOns: ["metallb" as const, "istio" as const] };
  const found = kind.refusals?.(planOn("two-workers", { realCluster }));
  expect(found?.map(({ code, message }) => `${code} ${message}`)).toEqual([
    "PLAN_PROVIDER_LACKS provider kind has no add-on istio",
  ]);
});
