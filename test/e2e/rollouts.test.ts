import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Cnilab } from "./cnilab.ts";

interface Report {
  verdict: string;
  probes: {
    name: string;
    verdict: string;
    cells: { reason: string; observation?: { measured?: Record<string, number> } }[];
  }[];
}

const pods = (name: string): string =>
  `{ metadata: { labels: { app: ${name} } }, spec: { containers: [{ name: c, image: "registry.k8s.io/e2e-test-images/agnhost:2.53", args: [netexec, --udp-port=-1], readinessProbe: { httpGet: { path: /hostname, port: 8080 }, initialDelaySeconds: 1, periodSeconds: 1 }, lifecycle: { preStop: { sleep: { seconds: 1 } } } }] } }`;

const workload = (kind: string, name: string, spec: string): string => `---
apiVersion: apps/v1
kind: ${kind}
metadata: { name: ${name}, namespace: t }
spec: { selector: { matchLabels: { app: ${name} } }, ${spec}template: ${pods(name)} }
`;

const MANIFEST = `apiVersion: v1
kind: Namespace
metadata: { name: t }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: t }
spec: { selector: { app: web }, ports: [{ port: 80, targetPort: 8080 }] }
${workload("Deployment", "web", "replicas: 2, ")}${workload("Deployment", "client", "replicas: 1, ")}${workload("StatefulSet", "db", "replicas: 2, serviceName: db, ")}${workload("DaemonSet", "agent", "")}`;

const flow = (seconds: number): string =>
  `from: t/deployment/client, convergence: { to: t/service/web, port: 80, for: ${seconds}s }`;

const lab = (web: string): string => `apiVersion: cnilab.dev/v1alpha1
kind: Lab
metadata: { name: rollouts, title: Rollouts }
cni: calico
scenario:
  - apply: pods.yaml
  - wait: { for: deployment/web, namespace: t }
  - wait: { for: deployment/client, namespace: t }
  - wait: { for: statefulset/db, namespace: t }
  - wait: { for: daemonset/agent, namespace: t }
  - fault: { rolloutRestart: t/statefulset/db }
  - fault: { rolloutRestart: t/daemonset/agent }
  - fault: { rolloutRestart: ${web}, name: update }
  - fault: { podKill: t/deployment/web, count: 2, name: kill }
probes:
  - { name: through a rollout, during: update, ${flow(1)}, expect: { outage: "<= 500 ms" } }
  - { name: both again, after: update, from: t/deployment/client, curl: { url: http://web.t/hostname, requests: 30 }, expect: { backends: { count: 2 } } }
  - { name: all killed at once, during: kill, ${flow(10)}, expect: { outage: "<= 10 s" } }
`;

let folder: string;
let cnilab: Cnilab;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "cnilab-rollouts-"));
  cnilab = new Cnilab({ timeoutMs: 170_000 });
});

afterAll(async () => {
  await cnilab.remove();
  rmSync(folder, { recursive: true });
});

function write(name: string, web: string): string {
  const target = join(folder, name);
  mkdirSync(target);
  writeFileSync(join(target, "pods.yaml"), MANIFEST);
  writeFileSync(join(target, "lab.yaml"), lab(web));
  return target;
}

test("rollouts are made and watched, and pods that are killed", { timeout: 180_000 }, async () => {
  const run = await cnilab.run("run", write("good", "t/deployment/web"), "-o", "json");
  const { probes } = JSON.parse(run.stdout) as Report;
  const verdicts = Object.fromEntries(probes.map(({ name, verdict }) => [name, verdict]));
  expect(verdicts, run.stdout).toEqual({
    "through a rollout": "pass",
    "both again": "pass",
    "all killed at once": "pass",
  });
  const [rollout, , kill] = probes.map(({ cells }) => cells[0]?.observation?.measured ?? {});
  // Two pods, one after the other, each ready after a second at the earliest.
  expect(rollout?.["changeMs"]).toBeGreaterThan(2000);
  expect(kill?.["requests"]).toBeGreaterThan(10);
});

test("a workload that is not there is refused before anything is made", async () => {
  const run = await cnilab.run("run", write("bad", "t/deployment/nobody"));
  expect(run.exitCode).not.toBe(0);
  expect(run.stderr).toContain("t/deployment/nobody");
});
