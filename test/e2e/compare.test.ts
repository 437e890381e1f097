import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Comparison } from "../../src/report/compare-types.ts";
import { Cnilab } from "./cnilab.ts";
import { labProcesses, namespacesInUse } from "./host-state.ts";

const cnilab = new Cnilab();
let folder: string;
let namespaces: Set<string>;

const workload = (name: string, node: string): string => `---
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: app }
spec:
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec: { nodeName: ${node}, containers: [{ name: main, image: "nginx:1.22", ports: [{ containerPort: 80 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: app }
spec: { selector: { app: ${name} }, ports: [{ port: 80 }] }
`;

/** A lab that CNIs and modes do not agree on: a packet of 1488 bytes, and a policy that flannel does not enforce. */
const lab = `apiVersion: cnilab.dev/v1alpha1
kind: Lab
metadata: { name: disagree, title: What CNIs do not agree on }
topology: two-workers
cni: calico
cnis: [calico, flannel]
scenario:
  - apply: app.yaml
  - wait: { for: deployment/web, namespace: app }
  - wait: { for: deployment/db, namespace: app }
probes:
  - name: long packets cross nodes
    from: app/deployment/web
    ping: { to: app/deployment/db, size: 1460, count: 1, dontFragment: true }
    expect: allowed
  - name: the web tier reaches the database
    from: app/deployment/web
    tcp: { to: app/service/db, port: 80 }
    expect: allowed
  - name: the database does not reach the web tier
    from: app/deployment/db
    tcp: { to: app/service/web, port: 80 }
    expect: blocked
tasks:
  - text: Isolate the web tier.
    probes: [the database does not reach the web tier, the web tier reaches the database]
    solution: policy.yaml
`;

const policy = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: web, namespace: app }
spec: { podSelector: { matchLabels: { app: web } }, policyTypes: [Ingress] }
`;

const divergences = (observed: string): string => `apiVersion: cnilab.dev/v1alpha1
kind: Divergences
divergences:
  - lab: disagree
    probe: long packets cross nodes
    between:
      - { mode: host-gw, observed: allowed }
      - { mode: vxlan, observed: ${observed} }
    what: encapsulation takes 50 bytes of the MTU
    upstream: https://www.rfc-editor.org/rfc/rfc7348
`;

beforeAll(() => {
  namespaces = namespacesInUse();
  folder = mkdtempSync(join(tmpdir(), "cnilab-compare-"));
  mkdirSync(join(folder, "lab"));
  writeFileSync(join(folder, "lab/lab.yaml"), lab);
  writeFileSync(
    join(folder, "lab/app.yaml"),
    `apiVersion: v1\nkind: Namespace\nmetadata: { name: app }\n${workload("web", "worker1")}${workload("db", "worker2")}`,
  );
  writeFileSync(join(folder, "lab/policy.yaml"), policy);
  writeFileSync(join(folder, "known.yaml"), divergences("rejected"));
  writeFileSync(join(folder, "stale.yaml"), divergences("dropped"));
});

afterAll(async () => {
  await cnilab.remove();
  rmSync(folder, { recursive: true, force: true });
});

async function compare(...args: string[]): Promise<{ exitCode: number | null; comparison: Comparison }> {
  const { exitCode, stdout, stderr } = await cnilab.run("compare", ...args, "-o", "json");
  expect(stdout, stderr).not.toBe("");
  return { exitCode, comparison: JSON.parse(stdout) as Comparison };
}

describe("compare", () => {
  test("finds a flat network the same on CNIs and modes, and leaves nothing", async () => {
    const cnis = ["calico:vxlan", "calico:direct", "flannel:vxlan", "flannel:host-gw"];
    const { exitCode, comparison } = await compare("flat-network", "--cni", cnis.join(","), "--parallel", "2");
    expect(exitCode, JSON.stringify(comparison.labs[0]?.differences)).toBe(0);
    const [result] = comparison.labs;
    expect(result?.variants.map(({ cni, mode }) => `${cni}:${mode}`)).toEqual(cnis);
    expect(result?.counts.cells).toBeGreaterThan(10);
    expect(result?.counts.equal).toBe(result?.counts.cells);
    const rtts = result?.figures.find(({ what }) => what === "rtt")?.values;
    expect(rtts?.every((value) => value !== undefined && value > 0)).toBe(true);
    expect(readdirSync(join(cnilab.stateHome, "cnilab/labs"))).toEqual([]);
    expect(labProcesses(cnilab.stateHome, namespaces)).toEqual([]);
  });

  test("shows a difference of modes, and does not blame a CNI for policies that it does not enforce", async () => {
    const { exitCode, comparison } = await compare(
      join(folder, "lab"),
      "--cni",
      "calico,flannel,flannel:host-gw",
      "--both",
    );
    expect(exitCode).toBe(1);
    expect(
      comparison.labs.map(({ state, counts }) => [state, counts.equal, counts.different, counts.explained]),
    ).toEqual([
      ["untouched", 1, 1, 1],
      ["solved", 1, 1, 1],
    ]);
    const solved = comparison.labs[1]?.differences ?? [];
    const seen = solved.map(({ probe, status, sides }) => [probe, status, sides.map((side) => side?.observed)]);
    expect(seen).toEqual([
      ["long packets cross nodes", "different", ["rejected", "rejected", "allowed"]],
      ["the database does not reach the web tier", "explained", ["dropped", "allowed", "allowed"]],
    ]);
  });

  test("takes a known difference as such, and fails for one that does not show", async () => {
    const cnis = ["--cni", "flannel:vxlan,flannel:host-gw"];
    const known = await compare(join(folder, "lab"), ...cnis, "--divergences", join(folder, "known.yaml"));
    expect(known.comparison.labs[0]?.counts).toMatchObject({ known: 1, different: 0 });
    expect(known.comparison.stale).toEqual([]);
    const stale = await compare(join(folder, "lab"), ...cnis, "--divergences", join(folder, "stale.yaml"));
    expect(stale.exitCode).toBe(1);
    expect(stale.comparison.stale).toMatchObject([{ lab: "disagree", place: expect.stringMatching(/:4$/) }]);
  });

  test("holds a run against a saved one, and a lab that was changed in between is noted", async () => {
    const saved = join(folder, "saved.json");
    const first = await compare(join(folder, "lab"), "--cni", "calico", "--solved", "--save", saved);
    expect(first.exitCode).toBe(0);
    const again = await compare(join(folder, "lab"), "--cni", "calico", "--solved", "--baseline", saved);
    expect(again.exitCode).toBe(0);
    expect(again.comparison.labs[0]).toMatchObject({ counts: { cells: 3, equal: 3 }, notes: [] });

    writeFileSync(join(folder, "lab/lab.yaml"), lab.replace("size: 1460", "size: 1400"));
    const changed = await compare(join(folder, "lab"), "--cni", "calico", "--solved", "--baseline", saved);
    writeFileSync(join(folder, "lab/lab.yaml"), lab);
    expect(changed.exitCode).toBe(1);
    expect(changed.comparison.labs[0]?.notes).toHaveLength(1);
  });

  test("shows a variant that the lab refuses, and says that nothing was compared", async () => {
    const { exitCode, comparison } = await compare("default-deny", "--cni", "calico,flannel");
    expect(exitCode).toBe(3);
    const [result] = comparison.labs;
    expect(result?.variants.map(({ notRun }) => notRun?.code)).toEqual(["COMPARE_ALONE", "PLAN_CNI_NOT_CLAIMED"]);
  });

  test.each([
    [["flat-network"], "USAGE_COMPARE"],
    [["flat-network", "--cni", "calico,calcio"], "PLAN_UNKNOWN_CNI"],
    [["flat-network", "--provider", "netns,nets"], "PROVIDER_UNKNOWN"],
    [["flat-network", "--baseline", "package.json"], "USAGE_BASELINE"],
    [["flat-network", "--parallel", "0"], "--parallel"],
  ])("refuses %j", async (args, code) => {
    const { exitCode, stderr } = await cnilab.run("compare", ...args);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(code);
  });
});

describe("reset", () => {
  test("gives the untouched lab back, with a baseline of its own", async () => {
    const grade = async (): Promise<{ earned: number; verdict: string }> =>
      JSON.parse((await cnilab.run("grade", "default-deny", "-o", "json")).stdout) as {
        earned: number;
        verdict: string;
      };
    expect((await cnilab.run("up", "default-deny")).exitCode).toBe(0);
    const before = await grade();
    await cnilab.run("apply", "default-deny", "-f", "labs/default-deny/solution/policies.yaml");
    expect((await grade()).verdict).toBe("pass");
    const reset = await cnilab.run("reset", "default-deny", "-o", "json");
    expect(reset.exitCode, reset.stderr).toBe(0);
    expect((JSON.parse(reset.stdout) as { changes: string[] }).changes.length).toBeGreaterThan(0);
    expect(await grade()).toMatchObject({ earned: 0, verdict: before.verdict });
    await cnilab.run("apply", "default-deny", "-f", "labs/default-deny/solution/policies.yaml");
    expect((await grade()).verdict).toBe("pass");
  });

  test("with --bare leaves nothing of the scenario", async () => {
    expect((await cnilab.run("reset", "default-deny", "--bare")).exitCode).toBe(0);
    const { stdout } = await cnilab.run("status", "default-deny", "-o", "json");
    const [status] = JSON.parse(stdout) as { state: string; pods: { namespace: string }[] }[];
    expect(status?.state).toBe("up");
    expect(status?.pods.filter(({ namespace }) => namespace === "shop")).toEqual([]);
    expect((await cnilab.run("down", "default-deny")).exitCode).toBe(0);
  });

  test("of what does not run is refused", async () => {
    const { exitCode, stderr } = await cnilab.run("reset", "default-deny");
    expect(exitCode).toBe(2);
    expect(stderr).toContain("LAB_NOT_RUNNING");
  });
});

test("docs/compare.md names every option of compare", async () => {
  const page = readFileSync(new URL("../../docs/compare.md", import.meta.url), "utf8");
  const { stdout } = await cnilab.run("compare", "--help");
  const options = [...stdout.matchAll(/(--[a-z]+)(?= )/g)].map(([option]) => option);
  const missing = options.filter(
    (option) => !page.includes(option) && !["--output", "--quiet", "--help"].includes(option),
  );
  expect(missing).toEqual([]);
});
