import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { KubeObject } from "../../../src/kube/types.ts";
import type { RunContext } from "../../../src/run/context.ts";
import { explainLab } from "../../../src/run/explain-lab.ts";
import { kubeconfigOf, useServer } from "../providers/real/api/use-server.ts";
import { explainContext } from "./explain-context.ts";

const served = useServer();
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cnilab-explain-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const contextOf = (): RunContext => explainContext(folder, { env: { HOME: folder } });

const pod = (name: string, ip: string): KubeObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "shop", labels: { app: name } },
  spec: { containers: [{ name: "c", image: "x" }] },
  status: { podIP: ip },
});

it("explains flows of the kubeconfig's cluster, and only reads", async () => {
  const kubeconfig = join(folder, "config");
  writeFileSync(kubeconfig, kubeconfigOf(served.api.connection.server));
  const objects: KubeObject[] = [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } },
    pod("web", "10.0.0.1"),
    pod("db", "10.0.0.2"),
    {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "deny", namespace: "shop" },
      spec: { podSelector: { matchLabels: { app: "db" } }, policyTypes: ["Ingress"] },
    },
  ];
  for (const object of objects) served.server.put(object);
  const request = { argument: "cluster", solved: false, kubeconfig, from: "shop/web", to: "10.0.0.2:80" };
  expect(await explainLab(request, contextOf())).toMatchObject({
    source: { name: "test", kind: "cluster", pods: 2, policies: 1, hasModelledPods: false },
    verdict: "blocked",
  });
  expect(new Set(served.server.asked.map(({ method }) => method))).toEqual(new Set(["GET"]));
});

it("counts cluster-wide policies that the cluster serves, and warns of a version that it does not read", async () => {
  const kubeconfig = join(folder, "config");
  writeFileSync(kubeconfig, kubeconfigOf(served.api.connection.server));
  const objects: KubeObject[] = [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } },
    pod("web", "10.0.0.1"),
    pod("db", "10.0.0.2"),
    {
      apiVersion: "policy.networking.k8s.io/v1alpha1",
      kind: "AdminNetworkPolicy",
      metadata: { name: "guard" },
      spec: {
        priority: 1,
        subject: { namespaces: {} },
        ingress: [{ action: "Deny", from: [{ namespaces: {} }] }],
      },
    },
  ];
  for (const object of objects) served.server.put(object);
  const warnings: string[] = [];
  const context: RunContext = {
    ...contextOf(),
    emit: (event) => {
      if (event.type === "warning") warnings.push(`${event.warning.code} ${event.warning.message}`);
    },
  };
  const request = { argument: "cluster", solved: false, kubeconfig, from: "shop/web", to: "10.0.0.2:80" };
  expect(await explainLab(request, context)).toMatchObject({
    source: { kind: "cluster", policies: 0, adminPolicies: 1 },
    verdict: "blocked",
    paths: [{ sides: [{}, { decidedBy: { policy: "AdminNetworkPolicy/guard", rule: 1 } }] }],
  });
  expect(warnings).toEqual([
    "POLICY_NOT_COUNTED ClusterNetworkPolicy is not counted: the cluster serves policy.networking.k8s.io/v1beta1, and policy.networking.k8s.io/v1alpha2 is what is read",
  ]);
});

it("refuses a choice of cluster for what is none, and a kubeconfig that is not there", async () => {
  const flow = { solved: false, from: "a/b", to: "a/c:80" };
  await expect(explainLab({ ...flow, argument: folder, context: "x" }, contextOf())).rejects.toMatchObject({
    code: "USAGE_NO_CLUSTER_TO_CHOOSE",
  });
  await expect(explainLab({ ...flow, argument: "cluster" }, contextOf())).rejects.toMatchObject({
    code: "KUBECONFIG_MISSING",
  });
});
