import { execFile } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { GradeReport } from "../../src/grade/types.ts";
import { Cnilab, repository } from "./cnilab.ts";

const lab = "default-deny";
const manifests = join(repository, "labs", lab, "manifests/shop.yaml");
const solution = join(repository, "labs", lab, "solution/policies.yaml");
const shop = readFileSync(manifests, "utf8").split(/^---$/m);
const folder = mkdtempSync(join(tmpdir(), "cnilab-fooling-"));
let cnilab: Cnilab;

/** The manifest of one object of the lab, changed, in a file. */
function changed(kind: string, name: string, change: (text: string) => string): string {
  const text = shop.find((each) => each.includes(`kind: ${kind}\n`) && each.includes(`{ name: ${name}, `));
  if (text === undefined) throw new Error(`the lab has no ${kind} ${name}`);
  return written(change(text));
}

let files = 0;
function written(text: string): string {
  const path = join(folder, `${++files}.yaml`);
  writeFileSync(path, text);
  return path;
}

function policy(name: string, spec: unknown, namespace = "shop"): string {
  const metadata = { name, namespace };
  return JSON.stringify({ apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata, spec });
}

async function apply(...args: string[]): Promise<void> {
  const { exitCode, stderr } = await cnilab.run("apply", lab, ...args);
  expect(exitCode, stderr).toBe(0);
}

async function grade(): Promise<GradeReport & { warnings: { code: string }[] }> {
  const { stdout, stderr } = await cnilab.run("grade", lab, "-o", "json");
  expect(stdout, stderr).not.toBe("");
  return JSON.parse(stdout) as GradeReport & { warnings: { code: string }[] };
}

beforeAll(async () => {
  cnilab = new Cnilab();
});

afterAll(async () => {
  await cnilab.run("down", "--all");
  await cnilab.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** A fresh lab for what cannot be taken back. */
async function freshLab(): Promise<void> {
  await cnilab.run("down", lab);
  const { exitCode, stderr } = await cnilab.run("up", `labs/${lab}`);
  expect(exitCode, stderr).toBe(0);
}

const deny = { podSelector: {}, policyTypes: ["Ingress"] };
const db = { matchLabels: { app: "db" } };
const web = { matchLabels: { app: "web" } };
/** Who isolates for egress has to let pods ask for names. */
const names = { ports: [{ protocol: "UDP", port: 53 }, { port: 53 }] };
const letIn = (from: unknown, ports: unknown[]) => ({ podSelector: db, ingress: [{ from: [from], ports }] });

describe("policies that do the same in another way", () => {
  test.each([
    [
      "expressions instead of labels, and a selector that leaves out instead of in",
      [
        policy("a", {
          podSelector: { matchExpressions: [{ key: "app", operator: "Exists" }] },
          policyTypes: ["Ingress"],
        }),
        policy(
          "b",
          letIn({ podSelector: { matchExpressions: [{ key: "app", operator: "NotIn", values: ["cache", "db"] }] } }, [
            { port: 5432 },
          ]),
        ),
      ],
    ],
    [
      "a port range, the namespace named, and policies that change nothing",
      [
        policy("a", deny),
        policy(
          "b",
          letIn({ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "shop" } }, podSelector: web }, [
            { port: 5000, endPort: 5500 },
          ]),
        ),
        policy("c", { podSelector: { matchLabels: { no: "body" } }, policyTypes: ["Ingress", "Egress"] }),
        policy("d", { podSelector: {}, policyTypes: ["Egress"], egress: [{}] }),
      ],
    ],
    [
      "egress of the sources instead of ingress of the destinations",
      [
        policy("a", {
          podSelector: web,
          policyTypes: ["Egress"],
          egress: [{ to: [{ podSelector: db }], ports: [{ port: 5432 }] }, names],
        }),
        policy("b", {
          podSelector: { matchExpressions: [{ key: "app", operator: "In", values: ["db", "cache"] }] },
          policyTypes: ["Egress"],
          egress: [names],
        }),
      ],
    ],
  ])("earn every point: %s", async (_how, policies) => {
    await freshLab();
    await apply("-f", written(policies.join("\n---\n")));
    expect(await grade()).toMatchObject({ verdict: "pass", earned: 10, possible: 10 });
  });
});

describe("what does not do it", () => {
  test.each([
    ["deny all, which also shuts what must be open", [policy("a", deny)]],
    ["the policies in another namespace", [policy("a", deny, "default")]],
    ["deny all beside allow all", [policy("a", deny), policy("b", { podSelector: {}, ingress: [{}] })]],
  ])("earns nothing: %s", async (_how, policies) => {
    await freshLab();
    await apply("-f", written(policies.join("\n---\n")));
    expect(await grade()).toMatchObject({ verdict: "fail", earned: 0, possible: 10 });
  });

  test("loses its points again when the solution is taken away", async () => {
    await freshLab();
    await apply("-f", solution);
    expect((await grade()).earned).toBe(10);
    await apply("--delete", "-f", solution);
    expect(await grade()).toMatchObject({ verdict: "fail", earned: 0 });
  });
});

describe("what takes the lab away instead", () => {
  test("a database that is gone earns nothing, and its cells are missed", async () => {
    await freshLab();
    await apply("-f", solution);
    await apply(
      "-f",
      changed("Deployment", "db", (text) => text.replace("replicas: 1", "replicas: 0")),
    );
    const report = await grade();
    expect(report).toMatchObject({ earned: 0, possible: 10 });
    expect(report.verdict).not.toBe("pass");
    expect(report.probes[3]?.verdict).toBe("inconclusive");
  });

  test("a source that is gone is missed in the matrix", async () => {
    await freshLab();
    await apply("-f", solution);
    await apply(
      "--delete",
      "-f",
      changed("Deployment", "cache", (text) => text),
    );
    const report = await grade();
    expect(report.verdict).toBe("inconclusive");
    expect(report.earned).toBeLessThan(5);
    expect(report.probes[3]?.cells.some(({ reason }) => reason.includes("is gone"))).toBe(true);
  });

  test("a server on another port is no block", async () => {
    await freshLab();
    await apply("-f", solution);
    await apply(
      "-f",
      changed("Deployment", "db", (text) => text.replace("--http-port=5432", "--http-port=9999")),
    );
    expect(await grade()).toMatchObject({ verdict: "fail", earned: 0 });
  });

  test("another server behind the Service earns nothing for what it keeps shut", async () => {
    await freshLab();
    const decoy = (text: string) =>
      text
        .replaceAll("name: cache", "name: decoy")
        .replaceAll("app: cache", "app: decoy")
        // Its own server on that port goes elsewhere.
        .replaceAll("5432", "15432")
        .replaceAll("6379", "5432");
    await apply("-f", changed("Deployment", "cache", decoy));
    await apply(
      "-f",
      written(
        policy("d", {
          ...letIn({ podSelector: web }, [{ port: 5432 }]),
          podSelector: { matchLabels: { app: "decoy" } },
        }),
      ),
    );
    await apply(
      "-f",
      changed("Service", "db", (text) => text.replace("selector: { app: db }", "selector: { app: decoy }")),
    );
    const report = await grade();
    expect(report.earned).toBe(0);
    expect(report.probes[1]).toMatchObject({ verdict: "inconclusive" });
    expect(report.probes[1]?.cells[0]?.reason).toContain("shop/decoy-");
  });

  test("a pod that the learner adds costs nothing", async () => {
    await freshLab();
    await apply("-f", solution);
    await apply(
      "-f",
      changed("Deployment", "cache", (text) => text.replaceAll("cache", "debug")),
    );
    expect(await grade()).toMatchObject({ verdict: "pass", earned: 10, possible: 10 });
  });
});

test("a record without the untouched lab's grade earns nothing and says so", async () => {
  await freshLab();
  await apply("-f", solution);
  const path = join(cnilab.stateHome, "cnilab", "labs", lab, "record.json");
  const { baseline: _, ...record } = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  writeFileSync(path, JSON.stringify(record));
  const report = await grade();
  expect(report.earned).toBe(0);
  expect(report.warnings.map(({ code }) => code)).toContain("GRADE_WITHOUT_BASELINE");
});

test("an untouched lab scores 0 and gives nothing of the solution away", async () => {
  await freshLab();
  expect((await grade()).earned).toBe(0);
  const shown = await Promise.all([cnilab.run("grade", lab), cnilab.run("probe", lab, "-o", "json")]);
  const text = shown.map(({ stdout, stderr }) => stdout + stderr).join("");
  expect(text).toContain("the cache does not reach the database");
  expect(text).not.toMatch(/solution\/|db-from-web|shop\/default-deny/);
});

describe("the command that reruns a failed cell", () => {
  /** A shell in which `cnilab` is the built command, as a user would have it. */
  function paste(command: string): Promise<string> {
    const bin = join(folder, "bin");
    mkdirSync(bin, { recursive: true });
    writeFileSync(
      join(bin, "cnilab"),
      `#!/bin/sh\nexec '${process.execPath}' '${join(repository, "dist/cli/main.js")}' "$@"\n`,
    );
    chmodSync(join(bin, "cnilab"), 0o755);
    const env = { ...process.env, PATH: `${bin}:${process.env["PATH"]}`, XDG_STATE_HOME: cnilab.stateHome, CI: "true" };
    return new Promise((resolve) => {
      execFile("sh", ["-c", `${command} -o json`], { env, cwd: folder, timeout: 60_000 }, (_error, stdout) => {
        resolve(stdout);
      });
    });
  }

  const odd = `it's "the" $HOME \`cache\`; \\ → 5432`;

  test("runs that probe, or that cell of the matrix, whatever its name", async () => {
    const copy = join(folder, "quoted");
    cpSync(join(repository, "labs", lab), copy, { recursive: true });
    const text = readFileSync(join(copy, "lab.yaml"), "utf8")
      .replace(lab, "quoted")
      .replaceAll("name: the cache does not reach the database", `name: ${JSON.stringify(odd)}`)
      .replaceAll("- the cache does not reach the database", `- ${JSON.stringify(odd)}`)
      .replaceAll("name: every pair of pods in the shop", `name: ${JSON.stringify(`-${odd}`)}`)
      .replaceAll("- every pair of pods in the shop", `- ${JSON.stringify(`-${odd}`)}`);
    writeFileSync(join(copy, "lab.yaml"), text);
    const up = await cnilab.run("up", copy);
    expect(up.exitCode, up.stderr).toBe(0);
    const { stdout } = await cnilab.run("grade", "quoted", "-o", "json");
    const { probes } = JSON.parse(stdout) as GradeReport;
    const failed = [probes[1], probes[3]].map((probe) => ({
      name: probe?.name,
      cell: probe?.cells.find(({ verdict }) => verdict === "fail"),
    }));
    for (const { name, cell } of failed) {
      expect(cell, name).toBeDefined();
      const again = JSON.parse(await paste(cell?.rerun ?? "false")) as GradeReport;
      expect(again.probes.map((probe) => probe.name)).toEqual([name]);
      expect(again.probes[0]?.cells.map(({ key }) => key)).toContainEqual(cell?.key);
      expect(new Set(again.probes[0]?.cells.map(({ key }) => `${key.from} ${key.to}`)).size).toBe(1);
      expect(again.verdict).toBe("fail");
    }
    await cnilab.run("down", "quoted");
  });
});
