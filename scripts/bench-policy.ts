import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync, readdirSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { readManifestFolder } from "../src/lab/manifest-folder.ts";
import { createPolicyMatrix } from "../src/policy/matrix.ts";
import { createOracle } from "../src/policy/oracle.ts";
import { sourceOf } from "../src/run/explain-source.ts";
import { modelWorld } from "../src/run/explain-world.ts";
import { line, timed } from "./bench-figures.ts";
import { compareWithNetpolAnalyzer } from "./bench-netpol-analyzer.ts";
import { generateCluster, type GeneratedCluster } from "./policy-cluster.ts";

/*
 * `npm run bench:policy [RUNS]`: policy verdicts of generated clusters. Reading manifests and verdicts are told apart, each in a
 * process of its own, the best of several runs; beside them the same verdicts pair by pair (a sample, extrapolated), and the
 * processor's time, which other work on the machine disturbs less than the clock's. NETPOLICY=path of np-guard's command: beside that, too.
 */
const runs = Number(process.argv[2] ?? 3);
/** Pods, policies, pods in a namespace: with a hundred, each namespace of 300 has policies and nearly all pods are isolated; with ten, most are open. */
const sizes = [
  [300, 50, 100],
  [300, 50, 10],
  [1000, 50, 100],
  [10_000, 500, 100],
  [100_000, 1000, 100],
] as const;
/** Ports on which verdicts are worked out. */
const ports = [8000, 8005, 53];
const sample = 20_000;

interface Figures {
  readMs: number;
  parseMs: number;
  modelMs: number;
  verdictMs: number;
  cpuMs: number;
  classes: number;
  allowed: number;
  pairs: number;
  residentMiB: number;
  pairwiseMs: number;
}

if (process.argv[3] === undefined) main();
else console.log(JSON.stringify(await measure(process.argv[3])));

function main(): void {
  const root = mkdtempSync(join(tmpdir(), "cnilab-bench-"));
  try {
    for (const [pods, policies, podsPerNamespace] of sizes) {
      const folder = join(root, `${pods}-${podsPerNamespace}`);
      writeCluster(folder, generateCluster(pods, policies, podsPerNamespace));
      const all = Array.from({ length: runs }, () => inOwnProcess(folder));
      const least = (figure: (each: Figures) => number): number => Math.min(...all.map(figure));
      const [first] = all as [Figures];
      const whole = least(({ readMs, parseMs, modelMs, verdictMs }) => readMs + parseMs + modelMs + verdictMs);
      line(
        `${pods} pods × ${policies} policies, ${podsPerNamespace} pods a namespace, ${mebibytes(folder)} MiB of manifests, ${first.classes} classes (best of ${runs}):`,
      );
      line(
        `  reading: files ${ms(least(({ readMs }) => readMs))}, YAML and checks ${ms(least(({ parseMs }) => parseMs))}`,
      );
      line(
        `  the model: ${ms(least(({ modelMs }) => modelMs))}; verdicts of ${first.pairs} pairs on ${ports.length} ports: ${ms(least(({ verdictMs }) => verdictMs))}, ${first.allowed} allowed`,
      );
      line(
        `  whole: ${ms(whole)} (processor ${ms(least(({ cpuMs }) => cpuMs))}), ${Math.round(least(({ residentMiB }) => residentMiB))} MiB resident; pair by pair the verdicts would take ${ms(least(({ pairwiseMs }) => pairwiseMs))}, ${Math.round(least(({ pairwiseMs }) => pairwiseMs) / least(({ verdictMs }) => verdictMs))} times as long`,
      );
      compareWithNetpolAnalyzer(
        folder,
        pods,
        least(({ verdictMs }) => verdictMs),
      );
    }
    line(
      `load of this machine: ${loadavg()
        .map((each) => each.toFixed(1))
        .join(", ")}`,
    );
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function inOwnProcess(folder: string): Figures {
  const tsx = fileURLToPath(import.meta.resolve("tsx"));
  const self = fileURLToPath(import.meta.url);
  const result = spawnSync(process.execPath, ["--import", tsx, self, "1", folder], {
    encoding: "utf8",
    maxBuffer: 1 << 20,
  });
  if (result.status !== 0) throw new Error(`bench-policy ${folder}: ${result.stderr}`);
  return JSON.parse(result.stdout) as Figures;
}

/** One file a namespace. */
function writeCluster(folder: string, { namespaces, pods, policies }: GeneratedCluster): void {
  mkdirSync(folder, { recursive: true });
  const texts = new Map<string, string[]>();
  const add = (namespace: string, object: object): void => {
    texts.set(namespace, [...(texts.get(namespace) ?? []), stringify(object)]);
  };
  for (const { name, labels } of namespaces)
    add(name, { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } });
  for (const { namespace, name, labels, ip, port } of pods) {
    add(namespace, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace, labels },
      spec: { containers: [{ name: "main", image: "registry.example.org/app:1", ports: [port] }] },
      status: { podIP: ip },
    });
  }
  for (const policy of policies) add(policy.metadata.namespace ?? "default", policy);
  for (const [namespace, documents] of texts) writeFileSync(join(folder, `${namespace}.yaml`), documents.join("---\n"));
}

async function measure(folder: string): Promise<Figures> {
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  const texts = await readManifestFolder(folder, folder);
  const readMs = performance.now() - startedAt;
  const parsed = timed(() => sourceOf(folder, "manifests", texts));
  const modelled = timed(() => {
    const model = modelWorld(parsed.result);
    return {
      model,
      matrix: createPolicyMatrix(
        model.world,
        model.world.pods.map((pod) => ({ pod })),
      ),
    };
  });
  const { model, matrix } = modelled.result;
  const judged = timed(() => ports.map((port) => matrix.on(port, port === 53 ? "UDP" : "TCP").countAllowed()));
  const { user, system } = process.cpuUsage(cpu);
  const residentMiB = process.memoryUsage().rss / 2 ** 20;
  const { pods } = model.world;
  const oracle = createOracle(model.world);
  const one = timed(() => {
    for (let at = 0; at < sample; at++) {
      const [from, to] = [pods[(at * 7919) % pods.length], pods[(at * 104_729) % pods.length]];
      if (from === undefined || to === undefined) throw new Error("no pod");
      oracle.verdict({ from: { kind: "pod", ...from }, to: { kind: "pod", ...to }, port: 8000, protocol: "TCP" });
    }
  });
  const pairs = pods.length * (pods.length - 1);
  return {
    readMs,
    parseMs: parsed.ms,
    modelMs: modelled.ms,
    verdictMs: judged.ms,
    cpuMs: (user + system) / 1000,
    classes: matrix.classes.length,
    allowed: judged.result.reduce((sum, count) => sum + count, 0),
    pairs,
    residentMiB,
    pairwiseMs: (one.ms / sample) * pairs * ports.length,
  };
}

function ms(figure: number): string {
  return figure < 10_000 ? `${figure.toFixed(figure < 10 ? 1 : 0)} ms` : `${Math.round(figure / 1000)} s`;
}

function mebibytes(folder: string): string {
  const bytes = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  return (bytes / 2 ** 20).toFixed(1);
}
