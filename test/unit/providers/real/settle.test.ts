import { describe, expect, test } from "vitest";
import type { KubeObject } from "../../../../src/kube/types.ts";
import { Sentinel } from "../../../../src/providers/real/sentinel.ts";
import {
  GENERATION_LABEL,
  IN_EFFECT_ANNOTATION,
  OWN_CLUSTER,
  ROLE_LABEL,
} from "../../../../src/providers/real/sentinel-objects.ts";
import { Settling } from "../../../../src/providers/real/settle.ts";
import { scriptedAgents, type AgentScript } from "../../../fixtures/scripted-agents.ts";
import { useServer } from "./api/use-server.ts";

const served = useServer();
const SYSTEM = "cnilab-system";
const NODES = ["one", "two"];
const AGENT = { namespace: "kube-system", daemonSet: "calico-node" };

const ready = { conditions: [{ type: "Ready", status: "True" }] };

function pod(name: string, node: string, namespace: string, labels: Record<string, string> = {}): KubeObject {
  const podIPs = [{ ip: `10.0.${NODES.indexOf(node)}.${name.length}` }];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace, name, labels },
    spec: { nodeName: node, containers: [{ name: "c", image: "i" }] },
    status: {
      phase: "Running",
      podIP: podIPs[0]?.ip,
      podIPs,
      containerStatuses: [{ name: "c", ready: true, state: { running: {} } }],
      ...ready,
    },
  };
}

/** Two nodes with their sentinels, at rest. */
function putCluster(): void {
  const { server } = served;
  server.put({ apiVersion: "v1", kind: "Namespace", metadata: { name: SYSTEM } });
  for (const name of NODES) {
    server.put({ apiVersion: "v1", kind: "Node", metadata: { name }, status: ready });
    server.put(pod(`sentinel-${name}`, name, SYSTEM, { [ROLE_LABEL]: "sentinel" }));
    server.put(pod(`caller-${name}`, name, SYSTEM, { [ROLE_LABEL]: "caller" }));
  }
  // Addresses are the server's to give, in its answer.
  server.put({
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace: SYSTEM, name: "sentinel" },
    spec: { clusterIP: "10.96.0.9" },
  });
}

interface Settled {
  sentinel: Sentinel;
  settling: Settling;
  /** Policy ports that were tried, by the node asked, in their order. */
  tried: { node: string; port: number }[];
  /** Nodes whose Services were asked. */
  asked: string[];
}

/** Settles with nodes that show everything at once, unless told otherwise. */
function settled(
  { sweep }: Pick<AgentScript, "sweep"> = {},
  { broken = [] as string[], enforcesPolicy = true } = {},
): Settled {
  const tried: Settled["tried"] = [];
  const asked: string[] = [];
  const nodeOf = (place: object): string => ("node" in place ? String(place.node) : "");
  const agents = scriptedAgents({
    sweep: (cell) => {
      tried.push({ node: nodeOf(cell.from), port: cell.port });
      return sweep?.(cell) ?? { outcome: "refused", detail: "ECONNREFUSED", latencyMs: 1 };
    },
    exec: (place, argv) => {
      if (argv[0] !== "curl") throw new Error(`the test did not expect ${argv.join(" ")}`);
      asked.push(nodeOf(place));
      return `sentinel-${nodeOf(place)}\n`;
    },
  });
  const out = new Set<string>();
  const { api } = served;
  const sentinel = new Sentinel({
    api,
    agents,
    enforcesPolicy,
    dnsDomain: "cluster.local",
    isOut: (node) => out.has(node),
    system: OWN_CLUSTER,
  });
  return {
    settling: new Settling({
      api,
      sentinel,
      out,
      broken: () => Promise.resolve(broken),
      system: OWN_CLUSTER,
      agent: AGENT,
    }),
    sentinel,
    tried,
    asked,
  };
}

/** The writes of a settling, each named by what it changes. */
const writes = (): string[] =>
  served.server.asked
    .filter(({ method }) => method === "PATCH")
    .map(({ path }) => path.replace(/^.*\/(namespaces\/)?cnilab-system/, SYSTEM));
const sentinelPolicy = (): { ports: { port: number }[] }[] =>
  (
    (served.server.get("NetworkPolicy", "sentinel", SYSTEM)?.["spec"] ?? {}) as {
      ingress: { ports: { port: number }[] }[];
    }
  ).ingress;

describe("settling", () => {
  test("asks in both families where pods have both", async () => {
    putCluster();
    const { server } = served;
    for (const name of NODES) {
      const one = pod(`sentinel-${name}`, name, SYSTEM, { [ROLE_LABEL]: "sentinel" });
      const podIPs = [...(one["status"] as { podIPs: object[] }).podIPs, { ip: `fd00::${NODES.indexOf(name)}` }];
      server.put({ ...one, status: { ...(one["status"] as object), podIPs } });
    }
    const service = server.get("Service", "sentinel", SYSTEM) as KubeObject;
    server.put({ ...service, spec: { clusterIP: "10.96.0.9", clusterIPs: ["10.96.0.9", "fd00:96::9"] } });
    const addresses = new Set<string>();
    const { settling, asked } = settled({
      sweep: ({ address }) => {
        addresses.add(address);
        return { outcome: "refused", detail: "ECONNREFUSED", latencyMs: 1 };
      },
    });
    await settling.settle(5000);
    expect([...addresses].filter((address) => address.startsWith("fd00::"))).toEqual(["fd00::0", "fd00::1"]);
    expect(addresses.size).toBe(4);
    expect(asked.toSorted()).toEqual(["one", "one", "two", "two"]);
  });

  test("asks every node by a port and labels that are new, once all of them are written", async () => {
    putCluster();
    const written: string[] = [];
    const { settling, tried } = settled({
      sweep: () => {
        written.push(writes().toSorted().join(" "));
        return { outcome: "refused", detail: "ECONNREFUSED", latencyMs: 1 };
      },
    });
    await settling.settle(5000);
    const [{ port } = { port: 0 }] = tried;
    // One that labels of the namespace open, one that labels of pods do.
    expect(tried).toEqual(NODES.flatMap((node) => [port, port + 1].map((each) => ({ node, port: each }))));
    const opened = sentinelPolicy().slice(-2);
    expect(opened.flatMap(({ ports }) => ports)).toEqual(
      [port, port + 1].map((each) => ({ protocol: "TCP", port: each })),
    );
    const labels = NODES.map((node) => served.server.get("Pod", `caller-${node}`, SYSTEM)?.metadata.labels);
    const generation = labels[0]?.[GENERATION_LABEL];
    expect(generation).toMatch(/^g/);
    expect(labels.map((each) => each?.[GENERATION_LABEL])).toEqual([generation, generation]);
    expect(served.server.get("Namespace", SYSTEM)?.metadata.labels?.[GENERATION_LABEL]).toBe(generation);
    for (const each of [
      SYSTEM,
      `${SYSTEM}/networkpolicies/sentinel`,
      `${SYSTEM}/pods/caller-one`,
      `${SYSTEM}/pods/caller-two`,
    ]) {
      expect(written[0]?.split(" ")).toContain(each);
    }
    await settling.settle(5000);
    expect(tried.at(-1)?.port).not.toBe(port);
  });

  test("says once when objects are at rest, while nodes do not show it yet; what fails then is its failure", async () => {
    putCluster();
    let isShown = false;
    const { settling } = settled({
      sweep: () => ({ outcome: isShown ? "refused" : "no-answer", detail: "", latencyMs: 1 }),
    });
    let calls = 0;
    await settling.settle(5000, () => {
      calls++;
      expect(isShown).toBe(false);
      isShown = true;
      return Promise.resolve();
    });
    expect(calls).toBe(1);
    await expect(settling.settle(5000, () => Promise.reject(new Error("no list")))).rejects.toThrow("no list");
  });

  test("goes on asking the nodes that do not show it yet, and those alone", async () => {
    putCluster();
    let left = 3;
    const { settling, tried } = settled({
      sweep: ({ from }) =>
        "node" in from && from.node === "two" && left-- > 0
          ? { outcome: "no-answer", detail: "no answer before the deadline", latencyMs: 20 }
          : { outcome: "refused", detail: "ECONNREFUSED", latencyMs: 1 },
    });
    await settling.settle(5000);
    expect(tried.map(({ node }) => node)).toEqual(["one", "one", "two", "two", "two", "two", "two"]);
  });

  test("pulses once more where controllers made pods after the pulse, and shows what was written before the last", async () => {
    putCluster();
    const { server } = served;
    const deployment = (ready: number): KubeObject => ({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { namespace: "shop", name: "web", generation: 1 },
      spec: { replicas: 1, selector: { matchLabels: { app: "web" } } },
      status: {
        observedGeneration: 1,
        replicas: 1,
        updatedReplicas: ready,
        availableReplicas: ready,
        readyReplicas: ready,
      },
    });
    server.put(deployment(0));
    const ports = new Set<number>();
    const { settling, tried } = settled({
      sweep: ({ port }) => {
        ports.add(port);
        return { outcome: "refused", detail: "ECONNREFUSED", latencyMs: 1 };
      },
    });
    const settle = settling.settle(5000);
    // The first pulse has been seen while the Deployment still has no pod.
    await expect.poll(() => tried.length).toBe(4);
    const web = server.put(pod("web-1", "one", "shop", { app: "web" }));
    server.put(deployment(1));
    await settle;
    expect(ports.size).toBe(4);
    const caller = server.get("Pod", "caller-one", SYSTEM);
    expect(BigInt(caller?.metadata.resourceVersion ?? "0")).toBeGreaterThan(
      BigInt(web.metadata.resourceVersion ?? "0"),
    );
    // At rest one is enough.
    await settling.settle(5000);
    expect(ports.size).toBe(6);
  });

  test("asks for Services only where they are others than those last seen in effect, in this process or another", async () => {
    putCluster();
    const first = settled();
    await first.settling.settle(5000);
    expect(first.asked.toSorted()).toEqual(NODES);
    const annotation = served.server.get("Service", "sentinel", SYSTEM)?.metadata.annotations?.[IN_EFFECT_ANNOTATION];
    expect(annotation).toMatch(/^[0-9a-f]{16}$/);
    const second = settled();
    await second.settling.settle(5000);
    expect(second.asked).toEqual([]);
    served.server.put({
      apiVersion: "v1",
      kind: "Service",
      metadata: { namespace: "shop", name: "new" },
      spec: { clusterIP: "None" },
    });
    await second.settling.settle(5000);
    expect(second.asked.toSorted()).toEqual(NODES);
    second.settling.forget();
    await second.settling.settle(5000);
    expect(second.asked).toHaveLength(4);
  });

  test("leaves out nodes that are broken or not ready", async () => {
    putCluster();
    const { settling, tried } = settled({}, { broken: ["one"] });
    await settling.settle(5000);
    expect(new Set(tried.map(({ node }) => node))).toEqual(new Set(["two"]));
    served.server.put({ apiVersion: "v1", kind: "Node", metadata: { name: "two" }, status: { conditions: [] } });
    const other = settled();
    await other.settling.settle(5000);
    expect(new Set(other.tried.map(({ node }) => node))).toEqual(new Set(["one"]));
  });

  test("pulses no policies where nothing enforces them", async () => {
    putCluster();
    const { settling, tried } = settled({}, { enforcesPolicy: false });
    await settling.settle(5000);
    expect(tried).toEqual([]);
    expect(served.server.get("NetworkPolicy", "sentinel", SYSTEM)).toBeUndefined();
  });

  test("names after its time what is behind, and what still changes", async () => {
    putCluster();
    const silent = { outcome: "no-answer" as const, detail: "no answer before the deadline", latencyMs: 20 };
    await expect(settled({ sweep: () => silent }).settling.settle(300)).rejects.toMatchObject({
      code: "SETTLE_TIMEOUT",
      message: expect.stringContaining("the policy agent of node one, the policy agent of node two is behind"),
    });
    served.server.put({ ...pod("web-1", "one", "shop"), status: { phase: "Pending" } });
    await expect(settled().settling.settle(300)).rejects.toMatchObject({
      code: "SETTLE_TIMEOUT",
      message: expect.stringContaining("pod shop/web-1"),
    });
  });

  test("says of a time-out which agents of the CNI are not ready, and why", async () => {
    putCluster();
    const agent = pod("calico-node-x", "two", AGENT.namespace);
    const ownerReferences = [{ apiVersion: "apps/v1", kind: "DaemonSet", name: AGENT.daemonSet, uid: "1" }];
    const waiting = { reason: "CrashLoopBackOff", message: "back-off 5m0s" };
    const lastState = { terminated: { reason: "Error", exitCode: 1 } };
    served.server.put({
      ...agent,
      metadata: { ...agent.metadata, ownerReferences },
      status: { phase: "Running", containerStatuses: [{ name: "c", restartCount: 7, state: { waiting }, lastState }] },
    });
    const silent = { outcome: "no-answer" as const, detail: "no answer before the deadline", latencyMs: 20 };
    const hint =
      "the CNI's agent is not ready: calico-node-x on node two: CrashLoopBackOff: container c: Error (exit code 1), 7 restarts";
    await expect(settled({ sweep: () => silent }).settling.settle(300)).rejects.toMatchObject({
      code: "SETTLE_TIMEOUT",
      hint,
    });
    await expect(settled({ sweep: () => silent }).settling.rest(100)).rejects.toMatchObject({
      code: "SETTLE_TIMEOUT",
      message: expect.stringMatching(/did not come to rest within 0.1 s: the policy agent of node one, .* is behind$/),
      hint,
    });
    await settled().settling.rest(5000);
  });

  test("takes an error of a node for an error, never for an answer", async () => {
    putCluster();
    const lost = { outcome: "error" as const, detail: "AGENT_LOST: gone", latencyMs: 0 };
    await expect(settled({ sweep: () => lost }).settling.settle(5000)).rejects.toMatchObject({
      code: "SENTINEL_MISSING",
      message: expect.stringContaining("AGENT_LOST: gone"),
    });
  });

  test("the first time, isolation counts as shown only where a flow that no rule opens gets no answer", async () => {
    putCluster();
    let left = 3;
    const { sentinel, tried } = settled({
      sweep: () =>
        left-- > 0
          ? { outcome: "refused", detail: "ECONNREFUSED", latencyMs: 1 }
          : { outcome: "no-answer", detail: "no answer before the deadline", latencyMs: 300 },
    });
    const pulse = await sentinel.isolation();
    await pulse?.effect(AbortSignal.timeout(5000));
    expect(pulse?.missing()).toEqual([]);
    expect(tried.map(({ node }) => node)).toEqual(["one", "two", "one", "two", "one"]);
    expect(new Set(tried.map(({ port }) => port)).size).toBe(1);
    expect(await settled({}, { enforcesPolicy: false }).sentinel.isolation()).toBeUndefined();
  });

  test("says which node lacks a sentinel", async () => {
    putCluster();
    served.server.remove(pod("sentinel-two", "two", SYSTEM));
    await expect(settled().settling.settle(5000)).rejects.toMatchObject({
      code: "SENTINEL_MISSING",
      message: expect.stringContaining("node two lacks"),
    });
  });
});
