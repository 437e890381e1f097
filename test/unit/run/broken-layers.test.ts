import { describe, expect, test } from "vitest";
import { LabError } from "../../../src/core/errors.ts";
import { gradeProbes } from "../../../src/grade/judge.ts";
import type { Cell, GradeReport } from "../../../src/grade/types.ts";
import type { KubeObject } from "../../../src/kube/types.ts";
import type { Plan } from "../../../src/plan/types.ts";
import type { RanCell, RanProbe } from "../../../src/probes/scheduler.ts";
import type { Cluster, Flow } from "../../../src/providers/types.ts";
import type { Way, WayRequest } from "../../../src/providers/way.ts";
import { addLayers } from "../../../src/run/broken-layers.ts";
import { fakeCluster } from "../../fixtures/fake-cluster.ts";

const pod = (name: string, ip: string): KubeObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "shop", labels: { app: name } },
  spec: { nodeName: "worker1", containers: [{ name: "c", image: "x" }] },
  status: { phase: "Running", podIP: ip, conditions: [{ type: "Ready", status: "True" }] },
});

const objects = [pod("client", "10.0.0.1"), pod("web", "10.0.0.2")];
const flow: Flow = {
  from: { kind: "pod", namespace: "shop", name: "client" },
  to: [{ kind: "pod", namespace: "shop", name: "web" }],
  address: "10.0.0.2",
  port: 80,
  protocol: "tcp",
};
const plan = { topology: { nodes: [], networks: [] }, cluster: { dnsAddress: "10.96.0.10" } } as unknown as Plan;
const options = { signal: new AbortController().signal, onFlow: (): void => undefined };

function graded(own: Partial<RanCell>, kind = "tcp"): { grade: GradeReport; ran: RanProbe[] } {
  const cell: Cell & { flow?: Flow } = {
    key: { from: "shop/client", to: "shop/web", port: 80, protocol: "tcp" },
    expected: "allowed",
    observation: { outcome: "rejected", reason: "refused", tries: 2, evidence: [] },
    rerun: "",
    flow,
    ...own,
  };
  const ran: RanProbe[] = [
    {
      name: "one",
      kind,
      expectText: "",
      durationMs: 1,
      probe: { name: "one", kind, options: {}, expect: "allowed" },
      cells: [cell],
    },
  ];
  return { grade: gradeProbes({ probes: ran, tasks: [], compareFigures: () => "other figures" }), ran };
}

function cluster(listeners: number[], more: Partial<Cluster> = {}): { cluster: Cluster; asked: string[] } {
  const asked: string[] = [];
  const way = ({ ends }: WayRequest): Promise<Way> => {
    asked.push("way");
    return Promise.resolve({
      ends: ends.map(({ fact }) => ({
        ...fact,
        listeners: listeners.map((port) => ({ address: "0.0.0.0", port })),
        hops: [],
      })),
    });
  };
  const own: Cluster = {
    ...fakeCluster(),
    list: () => {
      asked.push("list");
      return Promise.resolve(objects);
    },
    sweep: (cells) => {
      asked.push("sweep");
      return Promise.resolve({
        cells: cells.map(({ id }) => ({ id, outcome: "refused", detail: "ECONNREFUSED", latencyMs: 1 })),
        durationMs: 1,
        retransmits: 0,
      });
    },
    capture: (source) => {
      asked.push(`capture ${source.kind === "pod" ? source.name : source.kind}`);
      return Promise.reject(new LabError("CAPTURE_FAILED", "no tcpdump"));
    },
    way,
    ...more,
  };
  return { cluster: own, asked };
}

const layerOf = ({ probes }: GradeReport) => probes[0]?.cells[0]?.layer;

describe("the layer that broke", () => {
  test("is looked up of what failed, and changes no verdict", async () => {
    const { grade, ran } = graded({});
    const { cluster: own, asked } = cluster([]);
    const result = await addLayers(grade, ran, { cluster: own, plan }, options);
    expect(layerOf(result)).toEqual({
      name: "listener",
      text: "nothing listens on port 80/TCP of shop/web",
      fact: "shop/web listens on nothing",
    });
    expect(asked.toSorted()).toEqual(["capture client", "capture web", "list", "sweep", "way"]);
    expect(result.probes[0]?.cells[0]?.observation?.evidence).toEqual([
      { kind: "note", text: "tried again without a capture: at shop/client: no tcpdump" },
    ]);
    expect(result.probes[0]?.cells[0]?.verdict).toBe("fail");
    expect({ ...result, probes: [] }).toEqual({ ...grade, probes: [] });
  });

  test("costs nothing where all passed", async () => {
    const { grade, ran } = graded({ observation: { outcome: "allowed", reason: "connected", tries: 1, evidence: [] } });
    const { cluster: own, asked } = cluster([80]);
    expect(await addLayers(grade, ran, { cluster: own, plan }, options)).toBe(grade);
    expect(asked).toEqual([]);
  });

  test("is the policy that is missing where a flow arrived that one should stop, without a look", async () => {
    const why = { allowed: false, lines: [], spans: [] };
    const seen = { outcome: "allowed", reason: "connected", tries: 2, evidence: [] } as const;
    const { grade, ran } = graded({ expected: "blocked", observation: { ...seen, evidence: [] }, why });
    const { cluster: own, asked } = cluster([80]);
    expect(layerOf(await addLayers(grade, ran, { cluster: own, plan }, options))).toEqual({
      name: "policy",
      text: "nowhere: it arrived, and no rule of a policy stopped it",
      fact: "connected",
    });
    expect(asked).toEqual(["list"]);
  });

  test("is told by a recorded drop, and not by what kube-proxy refuses at a Service's address", async () => {
    const proof = {
      node: "worker1",
      direction: "ingress",
      source: "10.0.0.1",
      destination: "10.0.0.2",
      protocol: "tcp",
      destinationPort: 80,
    } as const;
    const dropped = graded({ observation: { outcome: "dropped", reason: "", tries: 2, evidence: [], proof } });
    const { cluster: own } = cluster([]);
    expect(layerOf(await addLayers(dropped.grade, dropped.ran, { cluster: own, plan }, options))).toEqual({
      name: "policy",
      text: "ingress policy on worker1 dropped it",
      fact: "its rule recorded 10.0.0.1 → 10.0.0.2 port 80 (tcp) there",
    });
    const refused = graded({ observation: { outcome: "rejected", reason: "", tries: 2, evidence: [], proof } });
    expect(layerOf(await addLayers(refused.grade, refused.ran, { cluster: own, plan }, options))?.name).toBe(
      "listener",
    );
  });

  test("says what it could not look at, where the cluster cannot look or the look fails", async () => {
    const { grade, ran } = graded({});
    const { way: _, ...blind } = cluster([]).cluster;
    expect(layerOf(await addLayers(grade, ran, { cluster: blind, plan }, options))).toMatchObject({
      name: "unknown",
      fact: expect.stringContaining("not looked at: routes, links, listeners"),
    });
    const failing = (): Promise<Way> => Promise.reject(new LabError("LOOK_FAILED", "worker1 is gone"));
    const { cluster: broken } = cluster([], { way: failing });
    expect(layerOf(await addLayers(grade, ran, { cluster: broken, plan }, options))?.fact).toBe(
      "not looked at: its way: worker1 is gone",
    );
  });

  test("of a probe that came to no flow is told by the ends that it names", async () => {
    const observation = { outcome: "error", reason: "SOURCE_NOT_READY", tries: 1, evidence: [] } as const;
    const { grade, ran } = graded({ observation: { ...observation, evidence: [] } });
    const from = { kind: "workload", workload: "deployment", namespace: "shop", name: "client" } as const;
    const flowless = ran.map((each) => ({
      ...each,
      probe: { ...each.probe, from },
      cells: each.cells.map(({ flow: _, ...rest }) => rest),
    }));
    const layerWith = async (more: KubeObject[]) => {
      const { cluster: own } = cluster([], { list: () => Promise.resolve([...objects, ...more]) });
      return layerOf(await addLayers(grade, flowless, { cluster: own, plan }, options));
    };
    expect(await layerWith([])).toMatchObject({ name: "source", fact: "does not exist" });
    const deployment = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "client", namespace: "shop" },
      spec: { selector: { matchLabels: { app: "other" } } },
    };
    expect(await layerWith([deployment])).toMatchObject({ name: "source", fact: "has no ready pod: none exists" });
  });

  test("of a name that another answer was expected of is the name", async () => {
    const observation = {
      outcome: "allowed",
      reason: "web exists",
      tries: 2,
      evidence: [],
      measured: { records: [] },
    } as const;
    const own = { ...observation, evidence: [], measured: { records: [] } };
    const { grade, ran } = graded({ expected: { records: 1 }, observation: own }, "dns");
    const { cluster: asked } = cluster([]);
    expect(layerOf(await addLayers(grade, ran, { cluster: asked, plan }, options))).toEqual({
      name: "name",
      text: "shop/web does not resolve as expected",
      fact: "other figures",
    });
  });
});
