import { expect, test } from "vitest";
import { requireControlPlane, type Machine } from "../../../../src/providers/kind/machines.ts";
import type { KindState } from "../../../../src/providers/kind/state.ts";

const NAMES = ["shop-control-plane", "shop-control-plane2", "shop-control-plane3", "shop-worker"];

function check(controlPlanes: number, statuses: Record<string, Machine["status"]>): () => void {
  const nodes = NAMES.filter((name, index) => index < controlPlanes || name === "shop-worker");
  const state: KindState = {
    lab: "shop",
    cluster: "shop",
    owner: "o",
    stage: "up",
    nodes: Object.fromEntries(nodes.map((name) => [name, name])),
  };
  const machines = nodes.flatMap((containerName): Machine[] => {
    const status = statuses[containerName];
    if (status === undefined) return [];
    return [{ name: containerName, containerName, id: "", hostname: "", pid: 0, status, addresses: [] }];
  });
  return () => requireControlPlane({ nodes: machines }, state);
}

test("one control plane has to run", () => {
  expect(check(1, { "shop-control-plane": "running", "shop-worker": "paused" })).not.toThrow();
  expect(check(1, { "shop-control-plane": "paused", "shop-worker": "running" })).toThrow(
    expect.objectContaining({ code: "LAB_STOPPED", hint: "docker unpause shop-control-plane" }),
  );
  expect(check(1, { "shop-worker": "running" })).toThrow("its control plane is gone");
});

test("of three control planes two have to run", () => {
  const [one, two, three] = NAMES as [string, string, string];
  expect(check(3, { [one]: "paused", [two]: "running", [three]: "running" })).not.toThrow();
  expect(check(3, { [two]: "running", [three]: "running" })).not.toThrow();
  expect(check(3, { [one]: "running", [two]: "stopped", [three]: "paused" })).toThrow(`container ${two} is stopped`);
});
