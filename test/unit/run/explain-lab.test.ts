import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { exitCodeOfExplanation } from "../../../src/cli/verbs/explain.ts";
import { LabProblems, type LabWarning } from "../../../src/core/errors.ts";
import type { Explanation } from "../../../src/report/explain-types.ts";
import { renderExplanation } from "../../../src/report/explain.ts";
import type { RunContext } from "../../../src/run/context.ts";
import { explainLab } from "../../../src/run/explain-lab.ts";
import { explainContext } from "./explain-context.ts";

const labs = fileURLToPath(new URL("../../../labs", import.meta.url));

let folder: string;
let warnings: LabWarning[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cnilab-explain-"));
  warnings = [];
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const contextOf = (): RunContext => explainContext(folder, { warnings });

function write(name: string, ...documents: string[]): void {
  mkdirSync(join(folder, name, ".."), { recursive: true });
  writeFileSync(join(folder, name), documents.join("\n---\n"));
}

function explain(from: string, to: string, argument = folder, solved = false): Promise<Explanation> {
  return explainLab({ argument, from, to, solved }, contextOf());
}

const workload = (name: string, kind = "Deployment", port = 8080): string =>
  `apiVersion: apps/v1
kind: ${kind}
metadata: { name: ${name}, namespace: shop }
spec:
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec: { containers: [{ name: c, image: x, ports: [{ name: main, containerPort: ${port} }] }] }`;

const service = `apiVersion: v1
kind: Service
metadata: { name: db, namespace: shop }
spec: { selector: { app: db }, ports: [{ port: 80, targetPort: main }] }`;

const policies = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: db, namespace: shop }
spec:
  podSelector: { matchLabels: { app: db } }
  ingress:
    - from: [{ podSelector: { matchLabels: { app: web } } }]
      ports: [{ port: 80 }]`;

describe("a folder of manifests", () => {
  beforeEach(() => {
    write("apps/web.yaml", workload("web"));
    write("apps/db.yaml", workload("db", "StatefulSet", 5432), service);
    write("policies.yml", policies);
  });

  it("says which rule misses a flow through a Service, with its place", async () => {
    const explanation = await explain("shop/web", "shop/service/db:80");
    expect(explanation).toMatchObject({
      verdict: "blocked",
      service: "shop/db",
      source: { kind: "manifests", pods: 2, policies: 1 },
    });
    const [path] = explanation.paths;
    expect(path).toMatchObject({ from: "shop/deployment/web", to: "shop/statefulset/db", port: 5432, allowed: false });
    const [egress, ingress] = path?.sides ?? [];
    expect(egress).toMatchObject({ direction: "egress", allowed: true, isolatedBy: [] });
    expect(ingress?.isolatedBy).toMatchObject([{ policy: "shop/db", span: { line: 1, column: 1 } }]);
    expect(ingress?.clues).toMatchObject([
      { code: "service-port", policy: "shop/db", rule: 1, span: { line: 7, column: 7 } },
    ]);
    const text = renderExplanation(explanation, { colour: false });
    expect(text).toContain("policies.yml:7:7");
    expect(text).toContain("port 80 becomes the pod's 5432");
  });

  it("takes labels, namesakes, addresses and protocols", async () => {
    write("policies.yml", policies.replace("port: 80", "port: main"));
    expect((await explain("shop/app=web", "shop/db:5432/tcp")).verdict).toBe("allowed");
    expect((await explain("shop/db", "shop/db:5432")).verdict).toBe("open");
    expect((await explain("shop/web", "shop/app=db:5432/udp")).verdict).toBe("blocked");
    expect((await explain("203.0.113.9", "shop/db:5432")).verdict).toBe("blocked");
    expect((await explain("shop/web", "[2001:db8::1]:443")).verdict).toBe("allowed");
  });

  it("knows SCTP through a Service, a named port and a rule, and a rule of TCP as a near miss", async () => {
    const named = "{ name: main, containerPort: 5432 }";
    const ofSctp = (text: string, from: string, to: string): string => {
      expect(text).toContain(from);
      return text.replace(from, to);
    };
    const declared = "{ name: main, containerPort: 3869, protocol: SCTP }";
    write(
      "apps/db.yaml",
      ofSctp(workload("db", "StatefulSet", 5432), named, declared),
      ofSctp(service, "port: 80,", "port: 3868, protocol: SCTP,"),
    );
    write("policies.yml", ofSctp(policies, "{ port: 80 }", "{ port: main, protocol: SCTP }"));
    const allowed = await explain("shop/web", "shop/service/db:3868/SCTP");
    expect(allowed).toMatchObject({ verdict: "allowed", paths: [{ port: 3869 }] });
    expect((await explain("shop/web", "shop/db:3869/sctp")).verdict).toBe("allowed");
    expect((await explain("shop/web", "shop/db:3869/tcp")).verdict).toBe("blocked");

    write("policies.yml", ofSctp(policies, "{ port: 80 }", "{ port: 3869 }"));
    const blocked = await explain("shop/web", "shop/service/db:3868/sctp");
    expect(blocked.verdict).toBe("blocked");
    expect(blocked.paths[0]?.sides[1]?.clues).toMatchObject([{ code: "port-protocol", span: { line: 7 } }]);
  });

  it("judges SCTP of a lab whose probe of it no provider can send", async () => {
    write(
      "lab/lab.yaml",
      "apiVersion: cnilab.dev/v1alpha1\nkind: Lab\nmetadata: { name: peers, title: Peers }\ncni: calico\n" +
        "scenario: [{ apply: all.yaml }]\nprobes: [{ matrix: { pods: shop/*, ports: [3868/sctp] }, expect: policy }]\n",
    );
    const namespace = "apiVersion: v1\nkind: Namespace\nmetadata: { name: shop }";
    write("lab/all.yaml", namespace, workload("web"), workload("db"), policies);
    const explanation = await explain("shop/web", "shop/db:3868/SCTP", join(folder, "lab"));
    expect(explanation).toMatchObject({ verdict: "blocked", source: { kind: "lab" } });
  });

  it("reports all that is wrong with both ends, with what is near", async () => {
    const problems = await explain("shop/wbe", "shop/service/dd:80").catch((error: unknown) => error);
    expect(problems).toBeInstanceOf(LabProblems);
    expect((problems as LabProblems).problems.map(({ code, hint }) => [code, hint?.split("?")[0]])).toEqual([
      ["USAGE_UNKNOWN_END", "did you mean shop/web"],
      ["USAGE_UNKNOWN_END", "did you mean shop/db"],
    ]);
  });

  it.each([
    ["shop/web", "USAGE_BAD_FLOW"],
    ["shop/web:0", "USAGE_BAD_FLOW"],
    ["shop/web:80/icmp", "USAGE_BAD_FLOW"],
    ["shop/service/db:81", "USAGE_UNKNOWN_END"],
    ["node/worker1:80", "USAGE_UNKNOWN_END"],
    ["example.com:80", "USAGE_UNKNOWN_END"],
    ["shop/app=cache:80", "USAGE_UNKNOWN_END"],
    ["a/b/c/d:80", "LAB_BAD_REF"],
  ])("refuses the destination %s", async (to, code) => {
    await expect(explain("shop/web", to)).rejects.toMatchObject({ problems: [{ code }] });
  });

  it("says at once what is wrong with manifests, and what is not counted", async () => {
    write("values.yaml", "replicas: 3");
    write("calico.yaml", "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: { name: all }");
    await explain("shop/web", "shop/db:5432");
    expect(warnings).toMatchObject([{ code: "POLICY_NOT_COUNTED", span: { line: 2 } }]);
    write("policies.yml", policies.replace("podSelector", "podSelectr"), policies.replace("port: 80", "port: 0"));
    await expect(explain("shop/web", "shop/db:5432")).rejects.toMatchObject({
      problems: [{ code: "MANIFEST_UNKNOWN_FIELD" }, { code: "MANIFEST_BAD_PORT" }],
    });
  });

  it("refuses a folder without objects", async () => {
    rmSync(join(folder, "apps"), { recursive: true });
    rmSync(join(folder, "policies.yml"));
    await expect(explain("shop/web", "shop/db:5432")).rejects.toMatchObject({ code: "MANIFEST_EMPTY" });
  });
});

it("tells one of the pods that are alike, and how many there are", async () => {
  const pod = (name: string, app: string): string =>
    `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"${name}","namespace":"shop","labels":{"app":"${app}"}},"spec":{"containers":[{"name":"c","image":"x"}]}}`;
  write("pods.json", pod("web", "web"));
  write("dbs.yaml", pod("db-0", "db"), pod("db-1", "db"), pod("db-2", "db"));
  write("policies.yaml", policies);
  const { paths } = await explain("shop/web", "shop/app=db:80");
  expect(paths).toMatchObject([{ to: "shop/db-0", alike: 2, allowed: true }]);
});

it("explains a lab by its scenario's manifests, and solved by those of its solutions", async () => {
  const lab = join(labs, "default-deny");
  const [from, to] = ["shop/deployment/web", "shop/service/db:5432"];
  expect(await explain(from, to, lab)).toMatchObject({ verdict: "allowed", source: { kind: "lab", policies: 0 } });
  const solved = await explain(from, to, lab, true);
  const rule = solved.paths[0]?.sides[1]?.allowedBy[0];
  expect(rule).toMatchObject({ policy: "shop/db-from-web", rule: 1 });
  // The rule's own line, not that of the policy.
  expect(rule?.span?.lineText).toContain("- from");
});

describe("the exit code", () => {
  it.each([
    ["blocked", undefined, 0],
    ["allowed", "allowed", 0],
    ["mixed", "allowed", 1],
    ["blocked", "allowed", 1],
    ["open", "blocked", 3],
  ] as const)("of %s where %s is expected is %i", (verdict, expected, code) => {
    expect(exitCodeOfExplanation({ verdict } as Explanation, expected)).toBe(code);
  });
});
