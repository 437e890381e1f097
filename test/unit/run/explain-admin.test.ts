import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LabProblems, type LabWarning } from "../../../src/core/errors.ts";
import { renderExplanation } from "../../../src/report/explain.ts";
import type { RunContext } from "../../../src/run/context.ts";
import { explainDiff } from "../../../src/run/explain-diff.ts";
import { explainLab } from "../../../src/run/explain-lab.ts";
import { explainAll } from "../../../src/run/explain-matrix.ts";
import { explainContext } from "./explain-context.ts";

let folder: string;
let warnings: LabWarning[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cnilab-explain-"));
  warnings = [];
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const context = (): RunContext => explainContext(folder, { warnings });

const pods = ["web", "db"]
  .map(
    (name) => `apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop, labels: { app: ${name} } }
spec: { containers: [{ name: c, image: x, ports: [{ containerPort: 80 }] }] }`,
  )
  .join("\n---\n");

const guard = `apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: { name: guard }
spec:
  priority: 10
  subject: { namespaces: {} }
  ingress:
    - name: tenants
      action: Pass
      from: [{ namespaces: { matchLabels: { kubernetes.io/metadata.name: shop } } }]
      ports: [{ portNumber: { port: 81 } }]
    - name: the-rest
      action: Deny
      from: [{ namespaces: {} }]`;

const baseline = `apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: { name: floor }
spec:
  tier: Baseline
  priority: 1
  subject: { pods: { podSelector: { matchLabels: { app: db } } } }
  ingress:
    - action: Deny
      from: [{ namespaces: {} }]`;

/** Writes manifests into a folder below ours, and gives its path. */
function write(name: string, ...documents: string[]): string {
  mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, name, "all.yaml"), documents.join("\n---\n"));
  return join(folder, name);
}

const request = (argument: string, to: string) => ({ argument, from: "shop/web", to, solved: false });

describe("a folder with cluster-wide policies", () => {
  it("says which rule of which tier decided, with its place, and counts them", async () => {
    const explanation = await explainLab(request(write("k8s", pods, guard), "shop/db:80"), context());
    expect(explanation).toMatchObject({ verdict: "blocked", source: { policies: 0, adminPolicies: 1 } });
    expect(explanation.paths[0]?.sides[1]).toMatchObject({
      direction: "ingress",
      decidedBy: {
        tier: "Admin",
        action: "Deny",
        policy: "AdminNetworkPolicy/guard",
        rule: 2,
        name: "the-rest",
        span: { line: 22, column: 7 },
      },
    });
    const text = renderExplanation(explanation, { colour: false });
    expect(text).toContain("2 pods, 0 policies, 1 cluster-wide");
    expect(text).toContain("✗ ingress of shop/db: a cluster-wide policy denies it");
    expect(text).toMatch(/Admin tier: AdminNetworkPolicy\/guard ingress rule 2 "the-rest" .*k8s\/all\.yaml:22:7/);
    expect(warnings).toEqual([]);
  });

  it("follows a Pass to the Baseline tier", async () => {
    const explanation = await explainLab(request(write("k8s", pods, guard, baseline), "shop/db:81"), context());
    expect(explanation).toMatchObject({ verdict: "blocked" });
    expect(explanation.paths[0]?.sides[1]).toMatchObject({
      passedBy: { policy: "AdminNetworkPolicy/guard", rule: 1, span: { line: 18 } },
      decidedBy: { tier: "Baseline", policy: "ClusterNetworkPolicy/floor", rule: 1 },
    });
    expect(renderExplanation(explanation, { colour: false })).toContain(
      'passed on by AdminNetworkPolicy/guard ingress rule 1 "tenants"',
    );
  });

  it("warns of equal priorities by both names, and leaves open what hangs on them", async () => {
    const twin = guard.replace("name: guard", "name: twin").replace("action: Deny", "action: Allow");
    const explanation = await explainLab(request(write("k8s", pods, guard, twin), "shop/db:80"), context());
    expect(explanation.verdict).toBe("open");
    expect(warnings).toMatchObject([{ code: "POLICY_EQUAL_PRIORITY", span: { line: 26 } }]);
    expect(warnings[0]?.message).toMatch(
      /^AdminNetworkPolicy\/guard \(.*all\.yaml:11\) and AdminNetworkPolicy\/twin both have priority 10/,
    );
  });

  it("refuses a misspelt field and domain names by their lines", async () => {
    const wrong = guard.replace("priority", "priorty").replace("namespaces: {} }]", "namespaces: {}, pod: {} }]");
    const names = `${guard}\n  egress: [{ action: Allow, to: [{ domainNames: [example.com] }] }]`;
    const asked = explainLab(request(write("k8s", pods, wrong, names), "shop/db:80"), context());
    const problems = await asked.catch((error: unknown) => error);
    expect((problems as LabProblems).problems.map(({ code, span }) => [code, span?.line])).toEqual([
      ["MANIFEST_UNKNOWN_FIELD", 15],
      ["MANIFEST_UNKNOWN_FIELD", 24],
      ["POLICY_DOMAIN_NAMES", 40],
    ]);
  });

  it("is judged for every pair, and names the policies of each class", async () => {
    const matrix = await explainAll(
      { argument: write("k8s", pods, guard, baseline), solved: false, ports: [], addresses: [] },
      context(),
    );
    expect(matrix.ports.map(({ port, allowed }) => [port, allowed])).toEqual([
      [80, 0],
      [81, 1],
    ]);
    expect(matrix.classes.map(({ adminPolicies }) => adminPolicies)).toEqual([
      ["AdminNetworkPolicy/guard"],
      ["AdminNetworkPolicy/guard", "ClusterNetworkPolicy/floor"],
    ]);
  });

  it("tells what changes when such a policy comes, and when it goes", async () => {
    const [before, now] = [write("before", pods), write("now", pods, guard)];
    const diff = (argument: string, other: string) =>
      explainDiff({ argument, other, solved: false, ports: [{ port: 80, protocol: "TCP" }], addresses: [] }, context());
    const text = 'denied by AdminNetworkPolicy/guard ingress rule 2 "the-rest" (Admin tier)';
    expect(await diff(now, before)).toMatchObject({
      closed: 2,
      changes: [{ change: "closed", why: [{ text: `now ${text}`, rule: 2, policy: "AdminNetworkPolicy/guard" }] }],
    });
    expect(await diff(before, now)).toMatchObject({
      opened: 2,
      changes: [{ change: "opened", why: [{ text: `before it was ${text}` }] }],
    });
  });
});
