import { expect, it } from "vitest";
import { useControlPlane } from "../use-control-plane.ts";
import { pod, service } from "../store/objects.ts";

const at = useControlPlane();

function inZone(node: string, zone: string): void {
  const found = at.plane.store.get("Node", node);
  if (found === undefined) throw new Error(`no node ${node}`);
  const labels = { ...found.metadata.labels, "topology.kubernetes.io/zone": zone };
  at.plane.store.update({ ...found, metadata: { ...found.metadata, labels } });
}

/** Zone and hints of each endpoint of web. */
const places = () => at.slices().flatMap(({ endpoints }) => endpoints.map(({ zone, hints }) => ({ zone, hints })));

async function webOn(spec: object): Promise<void> {
  await at.applied(
    pod("a", { labels: { app: "web" }, spec: { nodeName: "worker1" } }),
    pod("b", { labels: { app: "web" }, spec: { nodeName: "worker2" } }),
    service("web", spec),
  );
}

it.each(["PreferClose", "PreferSameZone"])("%s: ready endpoints are for their zone", async (trafficDistribution) => {
  inZone("worker1", "north");
  await webOn({ trafficDistribution });
  expect(places()).toEqual([{ zone: "north", hints: { forZones: [{ name: "north" }] } }, {}]);
  inZone("worker2", "south");
  await at.plane.settle();
  expect(places()[1]).toEqual({ zone: "south", hints: { forZones: [{ name: "south" }] } });
});

it("PreferSameNode: and for their node", async () => {
  inZone("worker1", "north");
  await webOn({ trafficDistribution: "PreferSameNode" });
  expect(places().map(({ hints }) => hints)).toEqual([
    { forZones: [{ name: "north" }], forNodes: [{ name: "worker1" }] },
    { forNodes: [{ name: "worker2" }] },
  ]);
});

it("without it there are no hints, also when it is taken away", async () => {
  inZone("worker1", "north");
  await webOn({ trafficDistribution: "PreferSameZone" });
  const web = at.plane.store.get("Service", "web", "default");
  if (web === undefined) throw new Error("no Service");
  const { trafficDistribution: _, ...spec } = web.spec;
  at.plane.store.update({ ...web, spec });
  await at.plane.settle();
  expect(places()).toEqual([{ zone: "north" }, {}]);
});

it("refuses a word that the API does not know", () => {
  expect(() => at.plane.apply([service("web", { trafficDistribution: "PreferFar" })])).toThrow(
    'spec.trafficDistribution "PreferFar" is not known; supported values: "PreferClose", "PreferSameNode", "PreferSameZone"',
  );
});
