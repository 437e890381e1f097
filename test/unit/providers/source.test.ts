import { describe, expect, it } from "vitest";
import { parseEndpointRef } from "../../../src/lab/refs.ts";
import { resolveSource } from "../../../src/providers/source.ts";
import { shopObjects, shopPod } from "../../fixtures/shop-world.ts";

const resolve = (text: string, objects = shopObjects()) => resolveSource(parseEndpointRef(text), objects);

describe("resolveSource", () => {
  it.each([
    [
      "shop/web-2",
      { source: { kind: "pod", namespace: "shop", name: "web-2" }, name: "shop/web-2", namespace: "shop" },
    ],
    ["shop/deployment/web", { source: { kind: "pod", namespace: "shop", name: "web-1" }, name: "shop/web-1" }],
    ["node/worker1", { source: { kind: "node", name: "worker1" }, name: "node/worker1" }],
    ["external", { source: { kind: "external" }, name: "external" }],
  ])("%s", (text, expected) => {
    expect(resolve(text)).toMatchObject(expected);
  });

  it("passes over pods of a workload that are not ready or are going away", () => {
    const others = shopObjects().filter(({ metadata }) => metadata.name !== "web-1");
    const unready = shopPod({ name: "web-1", ip: "10.244.1.1", owner: "web-rs", isReady: false });
    const going = shopPod({ name: "web-0", ip: "10.244.1.9", owner: "web-rs" });
    going.metadata.deletionTimestamp = "2026-01-01T00:00:00Z";
    expect(resolve("shop/deployment/web", [...others, unready, going]).name).toBe("shop/web-2");
  });

  it("does not take another workload's pods for its own, whatever their labels", () => {
    const stray = shopPod({ name: "a-stray", ip: "10.244.1.8", labels: { app: "web" } });
    expect(resolve("shop/deployment/web", [...shopObjects(), stray]).name).toBe("shop/web-1");
  });

  it.each([
    ["shop/ghost", "SOURCE_MISSING"],
    ["shop/deployment/ghost", "SOURCE_MISSING"],
    ["node/ghost", "SOURCE_MISSING"],
    ["shop/service/web", "SOURCE_CANNOT_RUN"],
    ["10.0.0.1", "SOURCE_CANNOT_RUN"],
    ["web", "SOURCE_CANNOT_RUN"],
  ])("refuses %s with %s", (text, code) => {
    expect(() => resolve(text)).toThrow(expect.objectContaining({ code }) as Error);
  });

  it("refuses a workload without a ready pod and a pod without an address", () => {
    const pending = shopPod({ name: "db-1", owner: "db-rs" });
    const objects = [...shopObjects().filter(({ metadata }) => metadata.name !== "db-1"), pending];
    expect(() => resolve("shop/deployment/db", objects)).toThrow("shop/deployment/db has no ready pod (1 not ready)");
    expect(() => resolve("shop/db-1", objects)).toThrow("pod shop/db-1 has no address yet: Pending");
  });
});
