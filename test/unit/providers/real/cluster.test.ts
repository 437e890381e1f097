import { expect, test } from "vitest";
import type { KubeObject } from "../../../../src/kube/types.ts";
import type { Agents, PlacedCell } from "../../../../src/providers/real/types.ts";
import { RealCluster } from "../../../../src/providers/real/cluster.ts";
import { scriptedAgents } from "../../../fixtures/scripted-agents.ts";
import { planOf } from "../../run/reference-plan.ts";
import { useServer } from "./api/use-server.ts";

const served = useServer();

const web: KubeObject = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { namespace: "shop", name: "web" },
  spec: { nodeName: "one", containers: [{ name: "c", image: "i" }] },
  status: { phase: "Running", podIP: "10.0.0.2", podIPs: [{ ip: "10.0.0.2" }] },
};

/** The pod made anew, under its old name; its uid. */
function remakeWeb(): string {
  const { server } = served;
  if (server.get("Pod", "web", "shop") !== undefined) server.remove(web);
  return server.put(web).metadata.uid ?? "";
}

/** A cluster whose pods run by their uids. */
function clusterOf(running: ReadonlySet<string>, sees: boolean): { cluster: RealCluster; uids: string[] } {
  const uids: string[] = [];
  const scripted = scriptedAgents({
    sweep: ({ from }: PlacedCell) => {
      if (from.kind === "pod") uids.push(from.uid);
      return { outcome: "answered", detail: "", latencyMs: 1 };
    },
  });
  const agents: Agents = sees ? { ...scripted, sees: ({ uid }) => running.has(uid) } : scripted;
  const plan = planOf([]);
  return { cluster: new RealCluster({ api: served.api, agents, plan, nodes: [{ name: "one", addresses: [] }] }), uids };
}

const cell = {
  id: 1,
  from: { kind: "pod", namespace: "shop", name: "web" },
  address: "10.0.0.3",
  port: 80,
  protocol: "tcp",
} as const;
const asked = (): number => served.server.asked.filter(({ path }) => path.includes("/pods")).length;

test("a pod that was listed and still runs is not asked for again, another of its name is", async () => {
  const first = remakeWeb();
  const running = new Set([first]);
  const { cluster, uids } = clusterOf(running, true);
  await cluster.list();
  const before = asked();
  await cluster.sweep([cell], { deadlineMs: 100 });
  expect(asked()).toBe(before);
  const second = remakeWeb();
  running.delete(first);
  running.add(second);
  await cluster.sweep([cell], { deadlineMs: 100 });
  expect(uids).toEqual([first, second]);
});

test("agents that cannot tell what runs have every pod asked for", async () => {
  remakeWeb();
  const { cluster, uids } = clusterOf(new Set(), false);
  await cluster.list();
  const second = remakeWeb();
  await cluster.sweep([cell], { deadlineMs: 100 });
  expect(uids).toEqual([second]);
});
