import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Cnilab } from "./cnilab.ts";

const agnhost = "registry.k8s.io/e2e-test-images/agnhost:2.53";

function pod(name: string, args: string[]): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "t", labels: { app: name } },
    spec: { containers: [{ name: "c", image: agnhost, args, ports: [{ containerPort: 8080 }] }] },
  };
}

const objects = [
  { apiVersion: "v1", kind: "Namespace", metadata: { name: "t" } },
  pod("client", ["pause"]),
  pod("gone", ["pause"]),
  pod("server", ["netexec", "--udp-port=-1"]),
  pod("deaf", ["pause"]),
  pod("walled", ["netexec", "--udp-port=-1"]),
  pod("walled-deaf", ["pause"]),
  {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "wall", namespace: "t" },
    spec: {
      podSelector: { matchExpressions: [{ key: "app", operator: "In", values: ["walled", "walled-deaf"] }] },
      policyTypes: ["Ingress"],
    },
  },
];

interface Probe {
  name: string;
  verdict: string;
  cells: { verdict: string; reason: string; observation?: { outcome: string } }[];
}

/** Name → the probe. Each expects "blocked"; only the first is. */
const probes: Record<string, object> = {
  "a policy drops it, and the server answers itself": { from: "t/pod/client", tcp: { to: "t/pod/walled", port: 8080 } },
  "the source was deleted": { from: "t/pod/gone", tcp: { to: "t/pod/walled", port: 8080 } },
  "nothing listens": { from: "t/pod/client", tcp: { to: "t/pod/deaf", port: 8080 } },
  "nothing listens on UDP": { from: "t/pod/client", udp: { to: "t/pod/deaf", port: 8080 } },
  "a policy drops it, but no server was ever there": {
    from: "t/pod/client",
    tcp: { to: "t/pod/walled-deaf", port: 8080 },
  },
  "the name does not exist": { from: "t/pod/client", curl: { url: "http://nobody.t.svc.cluster.local/" } },
  "the tool fails: TLS to a server without": { from: "t/pod/client", curl: { url: "https://server:8080/" } },
  "the address is nobody's": { from: "t/pod/client", ping: { to: "172.30.0.250", count: 1 } },
};

describe("a probe that cannot work is never a correct block", () => {
  let cnilab: Cnilab;
  let folder: string;
  let seen: Probe[];

  const lab = (cni: string): object => ({
    apiVersion: "cnilab.dev/v1alpha1",
    kind: "Lab",
    metadata: { name: "cannot-work", title: "probes that cannot work" },
    topology: "two-workers",
    cni,
    scenario: [
      { apply: "objects.yaml" },
      ...["client", "gone", "server", "deaf", "walled", "walled-deaf"].map((name) => ({
        wait: { for: `pod/${name}`, namespace: "t", condition: "ready", timeout: "30s" },
      })),
      { delete: { kind: "Pod", namespace: "t", name: "gone" } },
    ],
    probes: Object.entries(probes).map(([name, probe]) => ({ name, ...probe, expect: "blocked" })),
  });

  const run = async (cni: string): Promise<{ exitCode: number | null; probes: Probe[]; verdict: string }> => {
    writeFileSync(join(folder, "objects.yaml"), objects.map((object) => JSON.stringify(object)).join("\n---\n"));
    writeFileSync(join(folder, "lab.yaml"), JSON.stringify(lab(cni)));
    const { exitCode, stdout, stderr } = await cnilab.run("run", folder, "-o", "json");
    expect(stdout, stderr).not.toBe("");
    return { exitCode, ...(JSON.parse(stdout) as { probes: Probe[]; verdict: string }) };
  };

  beforeAll(async () => {
    cnilab = new Cnilab();
    folder = mkdtempSync(join(tmpdir(), "cnilab-cannot-work-"));
    const report = await run("calico");
    seen = report.probes;
    expect(report.exitCode).not.toBe(0);
  });

  afterAll(async () => {
    await cnilab.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  test("the control of this test: a real block passes", () => {
    expect(seen.find(({ name }) => name === Object.keys(probes)[0])).toMatchObject({ verdict: "pass" });
  });

  test.each(Object.keys(probes).slice(1))("%s", (name) => {
    const probe = seen.find((each) => each.name === name);
    expect(probe?.verdict, JSON.stringify(probe)).not.toBe("pass");
    expect(probe?.cells.map(({ reason }) => reason).join("")).not.toBe("");
  });

  test("on a CNI that enforces nothing, no probe passes as blocked", async () => {
    const report = await run("flannel");
    expect(report.verdict).not.toBe("pass");
    expect(report.probes.filter(({ verdict }) => verdict === "pass")).toEqual([]);
  });
});
