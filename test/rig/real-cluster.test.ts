import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { KubeObject, Pod } from "../../src/kube/types.ts";
import type { Plan } from "../../src/plan/types.ts";
import { hostAgents } from "../../src/providers/real/agents/host-agents.ts";
import { openKubernetesApi, type KubernetesApi } from "../../src/providers/real/api/kubernetes-api.ts";
import { RealCluster } from "../../src/providers/real/cluster.ts";
import { nodesOf } from "./nodes-of.ts";
import { untilReady } from "../../src/providers/real/ready.ts";
import { AGNHOST_IMAGE } from "../../src/providers/real/agnhost-image.ts";
import { describeOnRig } from "./rig.ts";
import { sharedKubeconfig } from "./shared-cluster.ts";

const NAMESPACE = "cnilab-test-real-cluster";
const ROUNDS = 10;

const object = (apiVersion: string, kind: string, name: string, body: object): KubeObject => ({
  apiVersion,
  kind,
  metadata: { name, ...(kind === "Namespace" ? {} : { namespace: NAMESPACE }) },
  ...body,
});
const policy = (ingress: object[]): KubeObject =>
  object("networking.k8s.io/v1", "NetworkPolicy", "p", {
    spec: { podSelector: {}, policyTypes: ["Ingress"], ingress },
  });
const deployment = (name: string, container: object): KubeObject =>
  object("apps/v1", "Deployment", name, {
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: "c", image: AGNHOST_IMAGE, ...container }] },
      },
    },
  });

describeOnRig("a real cluster with Calico", () => {
  let api: KubernetesApi;
  let cluster: RealCluster;
  const scratch = mkdtempSync(join(tmpdir(), "cnilab-rig-"));
  const plan = {
    cni: { name: "calico", enforcesPolicy: true, podCidrs: ["192.168.0.0/16"] },
    cluster: { dnsDomain: "cluster.local" },
  } as unknown as Plan;

  beforeAll(async () => {
    api = await openKubernetesApi(await sharedKubeconfig());
    const nodes = await nodesOf(api);
    const pidOf = (name: string): number =>
      Number(execFileSync("docker", ["inspect", "-f", "{{.State.Pid}}", name], { encoding: "utf8" }));
    const agents = await hostAgents({
      nodes: new Map(nodes.map(({ name }) => [name, pidOf(name)])),
      scratchDirectory: scratch,
    });
    cluster = new RealCluster({ api, agents, plan, nodes });
    const agent = { namespace: "kube-system", daemonSet: "calico-node" };
    const signal = new AbortController().signal;
    await untilReady({ api, agents, plan, nodes, signal, progress: () => undefined, agent });
    await cluster.apply([
      object("v1", "Namespace", NAMESPACE, {}),
      deployment("web", { args: ["netexec"] }),
      object("v1", "Service", "web", { spec: { selector: { app: "web" }, ports: [{ port: 80, targetPort: 8080 }] } }),
    ]);
    const ref = { kind: "Deployment", namespace: NAMESPACE, name: "web" };
    await cluster.wait({ kind: "condition", ref, condition: "available" }, { timeoutMs: 60_000 });
    await cluster.settle({ timeoutMs: 60_000 });
  });

  afterAll(async () => {
    await cluster.delete([{ kind: "Namespace", name: NAMESPACE }]);
    await cluster.close();
    rmSync(scratch, { recursive: true, force: true });
  });

  const webPods = async (): Promise<Pod[]> =>
    (await cluster.list({ kind: "Pod", namespace: NAMESPACE })).filter(
      ({ metadata }) => metadata.labels?.["app"] === "web",
    ) as Pod[];

  const seen = async (address: string, port: number): Promise<string> => {
    const [pod] = await webPods();
    const from = { kind: "pod", namespace: NAMESPACE, name: pod?.metadata.name ?? "" } as const;
    const { cells } = await cluster.sweep([{ id: 1, from, address, port, protocol: "tcp" }], { deadlineMs: 1100 });
    return `${cells[0]?.outcome}`;
  };

  test("what was applied is in force as soon as it has settled, time after time", async () => {
    const [, other] = await webPods();
    const address = other?.status?.podIP ?? "";
    const outcomes: string[] = [];
    const delays: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      await cluster.apply([policy(round % 2 === 0 ? [] : [{}])]);
      delays.push(Math.round((await cluster.settle({ timeoutMs: 30_000 })).durationMs));
      outcomes.push(await seen(address, 8080));
    }
    console.log(`settled after ${delays.join(", ")} ms`);
    expect(outcomes).toEqual(
      Array.from({ length: ROUNDS }, (_, round) => (round % 2 === 0 ? "no-answer" : "answered")),
    );
  });

  test("a new Service answers as soon as it has settled", async () => {
    for (let round = 0; round < 5; round++) {
      const name = `again-${round}`;
      await cluster.apply([
        object("v1", "Service", name, { spec: { selector: { app: "web" }, ports: [{ port: 80, targetPort: 8080 }] } }),
      ]);
      await cluster.settle({ timeoutMs: 30_000 });
      const service = (await cluster.list({ kind: "Service", namespace: NAMESPACE })).find(
        ({ metadata }) => metadata.name === name,
      );
      expect(await seen(((service?.["spec"] ?? {}) as { clusterIP?: string }).clusterIP ?? "", 80)).toBe("answered");
    }
  });

  test("a crashing pod does not hold up settling, and a wait for it says what it does", async () => {
    await cluster.apply([deployment("crash", { command: ["/no-such-program"] })]);
    await cluster.settle({ timeoutMs: 30_000 });
    const ref = { kind: "Deployment", namespace: NAMESPACE, name: "crash" };
    const waiting = cluster.wait({ kind: "condition", ref, condition: "available" }, { timeoutMs: 4000 });
    await expect(waiting).rejects.toThrow(
      /0 of 2 replicas available; pod crash-\S+: (RunContainerError|CrashLoopBackOff|container c ended)/,
    );
    await cluster.delete([ref]);
    const left = await cluster.list({ kind: "Pod", namespace: NAMESPACE });
    expect(left.filter(({ metadata }) => metadata.labels?.["app"] === "crash")).toEqual([]);
  });

  test("all objects are applied or none, and the server's reason names the field", async () => {
    const config = object("v1", "ConfigMap", "half", { data: { a: "b" } });
    const bad = policy([{ ports: [{ port: 70_000 }] }]);
    await expect(cluster.apply([config, bad])).rejects.toMatchObject({
      code: "APPLY_REJECTED",
      message: expect.stringContaining("spec.ingress[0].ports[0].port: Invalid value: 70000"),
    });
    expect(await api.get({ kind: "ConfigMap", namespace: NAMESPACE, name: "half" })).toBeUndefined();
  });

  test("evidence of a flow to a Service is of the pod that it was sent to", async () => {
    const ports = [{ port: 80, targetPort: 8080 }];
    const closed = object("networking.k8s.io/v1", "NetworkPolicy", "closed", {
      spec: { podSelector: { matchLabels: { app: "api" } }, policyTypes: ["Ingress"] },
    });
    // The first test's, which lets everyone in.
    await cluster.delete([{ kind: "NetworkPolicy", namespace: NAMESPACE, name: "p" }]);
    const service = object("v1", "Service", "api", { spec: { selector: { app: "api" }, ports } });
    await cluster.apply([deployment("api", { args: ["netexec"] }), service, closed]);
    await cluster.settle({ timeoutMs: 60_000 });
    const found = await cluster.list({ kind: "Service", namespace: NAMESPACE });
    const api = found.find(({ metadata }) => metadata.name === "api");
    const { clusterIP = "" } = (api?.["spec"] ?? {}) as { clusterIP?: string };
    const to = (await cluster.list({ kind: "Pod", namespace: NAMESPACE }))
      .filter(({ metadata }) => metadata.labels?.["app"] === "api")
      .map(({ metadata }) => ({ kind: "pod" as const, namespace: NAMESPACE, name: metadata.name }));
    const [web] = await webPods();
    const from = { kind: "pod" as const, namespace: NAMESPACE, name: web?.metadata.name ?? "" };
    const flow = { from, to, address: clusterIP, port: 80, protocol: "tcp" as const, targetPorts: [8080, 8080] };
    const [summary] = await cluster.evidence(flow);
    expect(summary?.text).toMatch(/^tried again: no-answer/);
    expect(summary?.text).toMatch(new RegExp(`not arriving at pod ${NAMESPACE}/api-`));
    expect(summary?.text).toMatch(new RegExp(`dropped \\d packets?: .*came by: ${NAMESPACE}/closed \\(ingress\\)`));
    await expect(cluster.evidence({ ...flow, from: { ...from, name: "nobody" } })).rejects.toMatchObject({
      code: "SOURCE_MISSING",
    });
  });

  test("a cell whose source is not there is an error of that cell alone", async () => {
    const [pod, other] = await webPods();
    const cells = [pod?.metadata.name ?? "", "nobody"].map((name, id) => ({
      id,
      from: { kind: "pod", namespace: NAMESPACE, name } as const,
      address: other?.status?.podIP ?? "",
      port: 8080,
      protocol: "tcp" as const,
    }));
    const { cells: results } = await cluster.sweep(cells, { deadlineMs: 1100 });
    expect(results.find(({ id }) => id === 1)).toMatchObject({
      outcome: "error",
      detail: `pod ${NAMESPACE}/nobody does not exist`,
    });
    expect(results.find(({ id }) => id === 0)?.outcome).toBe("answered");
  });

  test("the system namespace is not listed", async () => {
    const shown = await cluster.list();
    expect(
      shown.filter(({ metadata }) => metadata.namespace === "cnilab-system" || metadata.name === "cnilab-system"),
    ).toEqual([]);
  });
});
