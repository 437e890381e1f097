import { describe, expect, it } from "vitest";
import { stableNames, workloadOf } from "../../../src/run/pod-owner.ts";
import { livePod, replicaSet } from "./reference-plan.ts";

const deployment = { apiVersion: "apps/v1", kind: "Deployment", metadata: { namespace: "shop", name: "web" } };
const owned = livePod("web-77-abcde", "10.0.0.1", {}, ["ReplicaSet", "web-77"]);

describe("a pod's workload", () => {
  it("is the Deployment above its ReplicaSet", () => {
    const web = { kind: "Deployment", namespace: "shop", name: "web" };
    expect(workloadOf(owned, [replicaSet("web-77", "web"), deployment, owned])).toEqual(web);
    expect(workloadOf(owned, [replicaSet("web-77", "web")])).toEqual(web);
  });

  it("is as far up as the objects reach", () => {
    expect(workloadOf(owned, [])).toEqual({ kind: "ReplicaSet", namespace: "shop", name: "web-77" });
  });

  it("is a bare pod itself", () => {
    expect(workloadOf(livePod("db", "10.0.0.2", {}), [])).toEqual({ kind: "Pod", namespace: "shop", name: "db" });
  });
});

it("stable names outlive a roll-out and leave other ends alone", () => {
  const name = stableNames([owned, replicaSet("web-77", "web"), deployment, livePod("db", "10.0.0.2", {})]);
  expect(["shop/web-77-abcde", "shop/db", "node/worker1", "external"].map(name)).toEqual([
    "shop/deployment/web",
    "shop/db",
    "node/worker1",
    "external",
  ]);
});
