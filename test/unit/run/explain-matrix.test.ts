import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { exitCodeOfDiff, parsePorts } from "../../../src/cli/verbs/explain.ts";
import type { KubeObject } from "../../../src/kube/types.ts";
import { createOracle } from "../../../src/policy/oracle.ts";
import type { OracleWorld } from "../../../src/policy/types.ts";
import { renderExplainedDiff, renderExplainedMatrix } from "../../../src/report/explain-matrix.ts";
import type { RunContext } from "../../../src/run/context.ts";
import { diffSources, explainDiff } from "../../../src/run/explain-diff.ts";
import { explainAll } from "../../../src/run/explain-matrix.ts";
import type { PolicySource } from "../../../src/run/explain-source.ts";
import { world } from "../policy/arbitrary-world.ts";
import { explainContext } from "./explain-context.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cnilab-explain-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const contextOf = (): RunContext => explainContext(folder);

const pod = (name: string, app: string, more = ""): string => `apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop, labels: { app: ${app} } }
spec: { ${more}containers: [{ name: c, image: x, ports: [{ containerPort: 80 }] }] }`;

const allow = (from: string): string => `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: db, namespace: shop }
spec:
  podSelector: { matchLabels: { app: db } }
  ingress:
    - from: [{ podSelector: { matchLabels: { app: ${from} } } }]`;

function write(name: string, ...documents: string[]): string {
  writeFileSync(join(folder, name), documents.join("\n---\n"));
  return join(folder, name);
}

const request = { solved: false, ports: [{ port: 80, protocol: "TCP" as const }], addresses: [] };
const style = { colour: false, width: 100 };

describe("every pair", () => {
  it("is drawn as a grid of few pods, without those on the host network", async () => {
    write("all.yaml", pod("web", "web"), pod("db", "db"), pod("agent", "agent", "hostNetwork: true, "), allow("web"));
    const matrix = await explainAll({ ...request, argument: folder, addresses: ["203.0.113.9"] }, contextOf());
    expect(matrix).toMatchObject({ hostNetworkPods: 1, ports: [{ port: 80, allowed: 5, pairs: 6 }] });
    const text = renderExplainedMatrix(matrix, style);
    expect(text.split("\n").slice(3, 9)).toEqual([
      "",
      "               80/TCP",
      "               1 2 3",
      "1 203.0.113.9  - · ✓",
      "2 shop/db      ✓ - ✓",
      "3 shop/web     ✓ ✓ -",
    ]);
  });

  it("is drawn by classes where there are many pods", async () => {
    const pods = Array.from({ length: 40 }, (_, at) => pod(`web-${at}`, "web"));
    write("all.yaml", ...pods, pod("db", "db"), allow("web"));
    const matrix = await explainAll({ ...request, argument: folder }, contextOf());
    expect(matrix.classes.map(({ pods: names }) => names.length)).toEqual([40, 1]);
    const text = renderExplainedMatrix(matrix, style);
    expect(text).toContain("1 web-0 +39  ✓ ✓");
    expect(text).toContain("2 db         ✓ -");
  });

  it("shows the ports that pods declare and rules name", async () => {
    write(
      "all.yaml",
      pod("web", "web"),
      allow("web").replace("- from", "- ports: [{ port: 53, protocol: UDP }]\n      from"),
    );
    const { ports } = await explainAll({ ...request, argument: folder, ports: [] }, contextOf());
    expect(ports.map(({ port, protocol }) => `${port}/${protocol}`)).toEqual(["53/UDP", "80/TCP"]);
  });

  it("needs pods", async () => {
    write("all.yaml", allow("web"));
    await expect(explainAll({ ...request, argument: folder }, contextOf())).rejects.toMatchObject({
      code: "USAGE_NO_PODS",
    });
  });
});

describe("a change", () => {
  it("tells the pairs that open and close, with the rules that did it", async () => {
    const pods = [pod("web", "web"), pod("cache", "cache"), pod("db", "db")];
    const other = write("old.yaml", ...pods, pod("gone", "x"), allow("web"));
    const argument = write("new.yaml", ...pods, allow("cache"));
    const diff = await explainDiff({ ...request, argument, other }, contextOf());
    expect(diff).toMatchObject({ opened: 1, closed: 1, podsOnlyBefore: ["shop/gone"], podsOnlyNow: [] });
    expect(diff.changes).toMatchObject([
      {
        change: "closed",
        from: ["shop/web"],
        to: ["shop/db"],
        why: [{ rule: 1, span: { line: 27 } }, { policy: "shop/db" }],
      },
      {
        change: "opened",
        from: ["shop/cache"],
        to: ["shop/db"],
        why: [{ text: "shop/db ingress rule 1 now allows it" }],
      },
    ]);
    expect(renderExplainedDiff(diff, style)).toContain("1 pair opened, 1 closed");
    expect([exitCodeOfDiff(diff, undefined), exitCodeOfDiff(diff, "same")]).toEqual([0, 1]);
    expect(exitCodeOfDiff({ opened: 0, closed: 0 }, "same")).toBe(0);
  });

  it("judges policies alone with the other state's pods", async () => {
    const other = write("old.yaml", pod("web", "web"), pod("db", "db"));
    const argument = write("new.yaml", allow("cache"));
    const diff = await explainDiff({ ...request, argument, other }, contextOf());
    expect(diff).toMatchObject({ opened: 0, closed: 1 });
    expect(diff.changes[0]?.why[0]?.text).toBe(
      "shop/db now isolates the destination for ingress, and no rule allows it",
    );
  });

  it("counts what the oracle says of every pair before and after", () => {
    fc.assert(
      fc.property(world, world, (one, two) => {
        const after = { ...two, pods: one.pods, namespaces: one.namespaces };
        const diff = diffSources(sourceOf(one), sourceOf(after), request);
        const [was, is] = [cells(one), cells(after)];
        expect(diff.opened).toBe(is.filter((allowed, at) => allowed && !was[at]).length);
        expect(diff.closed).toBe(is.filter((allowed, at) => !allowed && was[at]).length);
        expect(diff.changes.reduce((sum, { pairs }) => sum + pairs, 0)).toBe(diff.opened + diff.closed);
        expect(diff.changes.every(({ why }) => why.length > 0)).toBe(true);
      }),
    );
  });
});

it("reads ports", () => {
  expect(parsePorts("80,53/udp", parsePorts("9/SCTP"))).toEqual([
    { port: 9, protocol: "SCTP" },
    { port: 80, protocol: "TCP" },
    { port: 53, protocol: "UDP" },
  ]);
  expect(() => parsePorts("0")).toThrow("PORT/tcp");
});

function sourceOf(of: OracleWorld): PolicySource {
  const objects = [
    ...of.namespaces.map(({ name, labels }): KubeObject => ({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name, labels },
    })),
    ...of.pods.map(({ namespace, name, labels, addresses, ports }): KubeObject => ({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { namespace, name, labels },
      spec: { containers: [{ name: "c", image: "x", ports }] },
      status: { podIPs: addresses.map((ip) => ({ ip })) },
    })),
  ];
  return {
    name: "",
    kind: "manifests",
    objects,
    policies: of.policies,
    adminPolicies: [],
    nodes: [],
    podCidrs: [],
    warnings: [],
  };
}

function cells(of: OracleWorld): boolean[] {
  const oracle = createOracle(of);
  const ends = of.pods.map(({ namespace, name }) => ({ kind: "pod" as const, namespace, name }));
  return ends.flatMap((from) =>
    ends.filter((to) => to !== from).map((to) => oracle.verdict({ from, to, port: 80, protocol: "TCP" }).allowed),
  );
}
