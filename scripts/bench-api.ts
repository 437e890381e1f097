import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { Exec, KubeConfig, type V1Status } from "@kubernetes/client-node";
import { line, median, timed } from "./bench-figures.ts";
import { agnhost, cleanUp, cnilab, repository, stateHome, writeLab } from "./bench-lab.ts";
import nodeFlags from "../src/providers/netns/node-flags.json" with { type: "json" };

/*
 * `npm run bench:api [RUNS [up|apply|both [KUBECONFIG]]]`: what the API server costs `cnilab up`, and how long `kubectl apply` of 100 objects takes until all
 * of them are in force. KUBECONFIG names a cluster to do the same on, such as kind's with Calico (agnhost's image loaded, three nodes). Needs kubectl in PATH.
 */
const runs = Number(process.argv[2] ?? 7);
const what = process.argv[3] ?? "both";
const peer = process.argv[4];
const LAB = "bench-api";
const TRIPLES = 33;

const kubectl = (kubeconfig: string, args: string[], input = ""): void => {
  const { status, stderr } = spawnSync("kubectl", ["--kubeconfig", kubeconfig, ...args], { input, encoding: "utf8" });
  if (status !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr}`);
};

/** A copy of the build in which a lab serves no API. */
function withoutApi(): string {
  const copy = join(stateHome, "without-api");
  mkdirSync(copy);
  for (const name of ["dist", "labs", "topologies", "schema", "package.json"])
    cpSync(join(repository, name), join(copy, name), { recursive: true });
  symlinkSync(join(repository, "node_modules"), join(copy, "node_modules"));
  const call = /serveLabApi\(plan\.lab\.name, [^)]*\)/;
  const chunks = readdirSync(join(copy, "dist/chunks")).map((name) => join(copy, "dist/chunks", name));
  const holders = chunks.filter((path) => path.endsWith(".cjs") && call.test(readFileSync(path, "utf8")));
  const [holder] = holders;
  if (holder === undefined || holders.length > 1) throw new Error("the build does not start its API in one place");
  writeFileSync(
    holder,
    readFileSync(holder, "utf8").replace(call, '{ kubeconfig: "{}", close: () => Promise.resolve() }'),
  );
  const cacher = join(repository, "scripts/code-cache.mjs");
  const cached = spawnSync(process.execPath, [...nodeFlags, cacher, join(copy, "dist")], { input: holder });
  if (cached.status !== 0) throw new Error(`code cache: ${cached.stderr.toString()}`);
  return join(copy, "dist/cli/main.js");
}

function up(main: string, folder: string): number {
  const env = { ...process.env, XDG_STATE_HOME: stateHome, CI: "true" };
  const { ms, result } = timed(() => spawnSync(process.execPath, [main, "up", folder], { env, encoding: "utf8" }));
  if (result.status !== 0) throw new Error(`up: ${result.stdout}${result.stderr}`);
  cnilab(["down", LAB]);
  return ms;
}

/** One after another in turn, so that whatever else the machine does meets both. */
function costOfApi(folder: string): void {
  const mains = { with: join(repository, "dist/cli/main.js"), without: withoutApi() };
  const figures = { with: [] as number[], without: [] as number[] };
  for (let run = 0; run < runs; run++)
    for (const each of ["with", "without"] as const) figures[each].push(up(mains[each], folder));
  const [there, gone] = [median(figures.with), median(figures.without)];
  line(
    `cnilab up, three nodes (medians of ${runs}): ${there.toFixed(0)} ms, without its API server ${gone.toFixed(0)} ms: it adds ${(there - gone).toFixed(0)} ms (target 100)`,
  );
}

/** 100 objects: a namespace, and 33 pods each with a Service and a policy that lets in whoever has a label. */
function objects(): string {
  const names = Array.from({ length: TRIPLES }, (_, index) => `p${index}`);
  const metadata = (name: string): object => ({ name, namespace: "bench", labels: { app: name } });
  const list = [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: "bench" } },
    ...names.flatMap((name) => [
      { apiVersion: "v1", kind: "Pod", metadata: metadata(name), spec: podSpec() },
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: metadata(name),
        spec: { selector: { app: name }, ports: [{ port: 80, targetPort: 8080 }] },
      },
      {
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: metadata(name),
        spec: {
          podSelector: { matchLabels: { app: name } },
          policyTypes: ["Ingress"],
          ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { client: "allowed" } } }] }],
        },
      },
    ]),
  ];
  return list.map((object) => JSON.stringify(object)).join("\n---\n");
}

function podSpec(): object {
  return {
    terminationGracePeriodSeconds: 0,
    containers: [{ name: "c", image: agnhost, command: ["/agnhost", "netexec"], ports: [{ containerPort: 8080 }] }],
  };
}

const CLIENTS = ["allowed", "denied"];

/** Milliseconds until kubectl came back, and until every flow was as the policies have it: no later than the first look that saw it began. */
async function applied(kubeconfig: string): Promise<{ applyMs: number; enforcedMs: number }> {
  const clients = CLIENTS.map((client) =>
    JSON.stringify({ apiVersion: "v1", kind: "Pod", metadata: { name: client, labels: { client } }, spec: podSpec() }),
  );
  kubectl(kubeconfig, ["apply", "-f", "-"], clients.join("\n---\n"));
  kubectl(kubeconfig, ["wait", "--for=condition=Ready", "pod", ...CLIENTS, "--timeout=120s"]);
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const exec = new Exec(config);
  const text = objects();
  const startedAt = performance.now();
  kubectl(kubeconfig, ["apply", "-f", "-"], text);
  const applyMs = performance.now() - startedAt;
  for (;;) {
    const enforcedMs = performance.now() - startedAt;
    if (enforcedMs > 300_000) throw new Error("not in force after five minutes");
    const looks = CLIENTS.flatMap((client) =>
      Array.from({ length: TRIPLES }, async (_, index) => {
        const isOpen = await connects(exec, client, `p${index}.bench.svc.cluster.local:80`);
        return isOpen === (client === "allowed");
      }),
    );
    const isRight = await Promise.all(looks);
    if (!isRight.every(Boolean)) continue;
    kubectl(kubeconfig, ["delete", "namespace", "bench"]);
    kubectl(kubeconfig, ["delete", "pod", ...CLIENTS]);
    return { applyMs, enforcedMs };
  }
}

/** Whether a connection can be made; undefined where it failed by anything but a time-out, such as a name that is not known yet. */
async function connects(exec: Exec, client: string, to: string): Promise<boolean | undefined> {
  const command = ["/agnhost", "connect", to, "--timeout=500ms"];
  const said = new PassThrough();
  const status = await new Promise<V1Status>((resolve, reject) => {
    exec.exec("default", client, "c", command, null, said, null, false, resolve).catch(reject);
  });
  if (status.status === "Success") return true;
  return String(said.read() ?? "").startsWith("TIMEOUT") ? false : undefined;
}

async function hundredObjects(name: string, kubeconfig: string): Promise<number> {
  const figures: Awaited<ReturnType<typeof applied>>[] = [];
  for (let run = 0; run < runs; run++) figures.push(await applied(kubeconfig));
  const enforced = median(figures.map(({ enforcedMs }) => enforcedMs));
  line(
    `kubectl apply of ${3 * TRIPLES + 1} objects, ${name} (medians of ${runs}): kubectl ${median(figures.map(({ applyMs }) => applyMs)).toFixed(0)} ms, all in force after ${enforced.toFixed(0)} ms`,
  );
  return enforced;
}

try {
  const folder = writeLab(LAB, podless(), [], []);
  if (what !== "apply") costOfApi(folder);
  if (what !== "up") {
    cnilab(["up", folder]);
    const ours = await hundredObjects("on a lab", cnilab(["kubeconfig", LAB, "--path"]).text.trim());
    if (peer !== undefined) {
      const theirs = await hundredObjects(`on ${peer}`, peer);
      line(`  ${(theirs / ours).toFixed(1)} times faster (target 20)`);
    }
  }
} finally {
  cleanUp();
}

/** A lab's scenario applies something. */
function podless(): string {
  return JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "nothing", namespace: "default" } });
}
