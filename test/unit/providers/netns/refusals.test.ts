import { expect, it } from "vitest";
import { DEFAULT_REAL_CLUSTER } from "../../../../src/lab/real-cluster.ts";
import { refusals } from "../../../../src/providers/netns/refusals.ts";

it("refuses add-ons that are not modelled, and those alone", () => {
  expect(refusals({})).toEqual([]);
  const found = refusals({ realCluster: { ...DEFAULT_REAL_CLUSTER, addOns: ["metallb", "istio", "traefik"] } });
  expect(found.map(({ code, message }) => `${code} ${message}`)).toEqual([
    "PLAN_PROVIDER_LACKS provider netns has no add-on traefik",
  ]);
});
