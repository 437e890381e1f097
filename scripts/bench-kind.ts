import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { line, median, timed } from "./bench-figures.ts";

/*
 * `npm run bench:kind [RUNS [up|cyclonus|regrade]]`: labs on Docker beside what people do without this project, in the same run: kind, kubectl and a
 * loop of kubectl exec, and Cyclonus. Needs Docker with all images, kind and kubectl in PATH, Calico's manifest as calico.yaml in
 * the folder CNILAB_FILES; Cyclonus is left out where it is not in PATH.
 */
const runs = Number(process.argv[2] ?? 3);
const repository = fileURLToPath(new URL("..", import.meta.url));
const main = join(repository, "dist/cli/main.js");
const stateHome = mkdtempSync(join(tmpdir(), "cnilab-bench-"));
const manifest = join(process.env["CNILAB_FILES"] ?? "", "calico.yaml");
const LAB = "bench-nine";
const PEER = "cnilab-bench-peer";
const NODE_IMAGE = "kindest/node:v1.34.4";
const AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.43";
const CALICO = ["cni", "node", "kube-controllers"].map((name) => `docker.io/calico/${name}:v3.28.5`);
/** What one silent connection is waited for (src/run/probing.ts). */
const DEADLINE_MS = 1100;

interface Report {
  verdict: string;
  phases: { phase: string; durationMs: number }[];
  probes: { cells: { key: Cell; observation?: { outcome: string } }[] }[];
}

interface Cell {
  from: string;
  to: string;
  port?: number;
  protocol?: string;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}

function run(file: string, args: string[], env: NodeJS.ProcessEnv = {}, codes: readonly number[] = [0]): string {
  const result = spawnSync(file, args, {
    encoding: "utf8",
    env: { ...process.env, CI: "true", ...env },
    maxBuffer: 256 << 20,
    timeout: 900_000,
  });
  if (result.error !== undefined) throw result.error;
  if (!codes.includes(result.status ?? -1)) {
    throw new Error(`${file} ${args.join(" ")}: exit ${result.status}\n${result.stdout.slice(-3000)}${result.stderr}`);
  }
  return result.stdout;
}

const cnilab = (...args: string[]): string => run(process.execPath, [main, ...args], { XDG_STATE_HOME: stateHome });

const NAMESPACES = ["x", "y", "z"];
const PODS = ["a", "b", "c"];
const PORTS = [80, 81].flatMap((port) => ["tcp", "udp"].map((protocol) => ({ port, protocol })));

/** Namespaces and pods as Cyclonus makes them, so that it takes these; policies that block about half of all cells. */
function objects(): { pods: object[]; policies: object[] } {
  const containers = PORTS.map(({ port, protocol }) => ({
    name: `cont-${port}-${protocol}`,
    image: AGNHOST,
    imagePullPolicy: "IfNotPresent",
    command: ["/agnhost", "serve-hostname", `--${protocol}`, "--http=false", "--port", String(port)],
    ports: [{ containerPort: port, name: `serve-${port}-${protocol}`, protocol: protocol.toUpperCase() }],
  }));
  const policy = (name: string, namespace: string, spec: object): object => ({
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name, namespace },
    spec,
  });
  return {
    pods: [
      ...NAMESPACES.map((name) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name, labels: { ns: name } } })),
      ...NAMESPACES.flatMap((namespace) =>
        PODS.map((name) => ({
          apiVersion: "v1",
          kind: "Pod",
          metadata: { name, namespace, labels: { pod: name } },
          spec: { terminationGracePeriodSeconds: 0, containers },
        })),
      ),
    ],
    policies: [
      policy("from-y-on-80", "x", {
        podSelector: {},
        policyTypes: ["Ingress"],
        ingress: [
          {
            from: [{ namespaceSelector: { matchLabels: { ns: "y" } } }],
            ports: [{ port: 80, protocol: "TCP" }],
          },
        ],
      }),
      policy("b-from-a-to-81", "y", {
        podSelector: { matchLabels: { pod: "b" } },
        policyTypes: ["Ingress", "Egress"],
        ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { pod: "a" } } }] }],
        egress: [{ ports: [{ port: 81, protocol: "UDP" }] }],
      }),
    ],
  };
}

function yaml(of: readonly object[]): string {
  return of.map((object) => JSON.stringify(object)).join("\n---\n");
}

function writeLab(): string {
  const folder = join(stateHome, LAB);
  mkdirSync(folder);
  const { pods, policies } = objects();
  writeFileSync(join(folder, "pods.yaml"), yaml(pods));
  writeFileSync(join(folder, "policies.yaml"), yaml(policies));
  const waits = NAMESPACES.flatMap((namespace) =>
    PODS.map((name) => ({ wait: { for: `pod/${name}`, namespace, condition: "ready", timeout: "90s" } })),
  );
  const ports = PORTS.map(({ port, protocol }) => `${port}/${protocol}`);
  const lab = {
    apiVersion: "cnilab.dev/v1alpha1",
    kind: "Lab",
    metadata: { name: LAB, title: "Nine pods" },
    topology: "two-workers",
    cni: "calico",
    scenario: [{ apply: "pods.yaml" }, ...waits, { apply: "policies.yaml" }],
    probes: [{ name: "table", matrix: { pods: NAMESPACES.map((name) => `${name}/*`), ports }, expect: "policy" }],
  };
  writeFileSync(join(folder, "lab.yaml"), JSON.stringify(lab, undefined, 1));
  return folder;
}

function phasesOf(text: string): Map<string, number> {
  const phases = new Map<string, number>();
  for (const { phase, durationMs } of (JSON.parse(text) as Report).phases) {
    phases.set(phase, (phases.get(phase) ?? 0) + durationMs);
  }
  return phases;
}

/** kind create cluster, images loaded, Calico ready: by hand, with the same topology. */
function makePeer(): { create: number; load: number; cni: number; kubeconfig: string } {
  const kubeconfig = join(stateHome, "peer.kubeconfig");
  const config = join(stateHome, "peer.yaml");
  const nodes = ["control-plane", "worker", "worker"].map((role) => ({ role }));
  const networking = { disableDefaultCNI: true, podSubnet: "192.168.0.0/16" };
  writeFileSync(config, JSON.stringify({ kind: "Cluster", apiVersion: "kind.x-k8s.io/v1alpha4", networking, nodes }));
  const env = { KUBECONFIG: kubeconfig };
  const create = timed(() =>
    run("kind", ["create", "cluster", "--name", PEER, "--image", NODE_IMAGE, "--config", config], env),
  ).ms;
  const load = timed(() => run("kind", ["load", "docker-image", "--name", PEER, ...CALICO, AGNHOST])).ms;
  const cni = timed(() => {
    run("kubectl", ["apply", "-f", manifest], env);
    run("kubectl", ["wait", "--for=condition=Ready", "nodes", "--all", "--timeout=300s"], env);
    const system = ["-n", "kube-system", "rollout", "status", "--timeout=300s"];
    for (const what of ["daemonset/calico-node", "deployment/coredns"]) run("kubectl", [...system, what], env);
  }).ms;
  return { create, load, cni, kubeconfig };
}

/** The same scenario and table by kubectl, a connection an exec, as workshops' scripts do it; TCP only. */
function loopOfExecs(kubeconfig: string): { scenario: number; loop: number; cells: number } {
  const env = { KUBECONFIG: kubeconfig };
  const folder = join(stateHome, LAB);
  const scenario = timed(() => {
    run("kubectl", ["apply", "-f", join(folder, "pods.yaml")], env);
    for (const namespace of NAMESPACES) {
      run("kubectl", ["-n", namespace, "wait", "--for=condition=Ready", "pod", "--all", "--timeout=180s"], env);
    }
    run("kubectl", ["apply", "-f", join(folder, "policies.yaml")], env);
  }).ms;
  const names = NAMESPACES.flatMap((namespace) => PODS.map((name) => ({ namespace, name })));
  let cells = 0;
  const loop = timed(() => {
    const addresses = names.map(({ namespace, name }) =>
      run("kubectl", ["-n", namespace, "get", "pod", name, "-o", "jsonpath={.status.podIP}"], env),
    );
    for (const [from, { namespace, name }] of names.entries()) {
      for (const [to, address] of addresses.entries()) {
        if (from === to) continue;
        for (const port of [80, 81]) {
          cells++;
          const connect = ["/agnhost", "connect", `${address}:${port}`, "--timeout=1s", "--protocol=tcp"];
          run("kubectl", ["-n", namespace, "exec", name, "-c", "cont-80-tcp", "--", ...connect], env, [0, 1]);
        }
      }
    }
  }).ms;
  return { scenario, loop, cells };
}

function upToFirstProbe(folder: string): void {
  line(`three nodes with Calico, nine pods, four ports each; medians of ${runs}, one after another`);
  const first = timed(() => cnilab("up", folder, "--provider", "kind"));
  line(`  once a host, the first up with its node image prepared: ${seconds(first.ms)}`);
  cnilab("down", LAB);
  const ours: Map<string, number>[] = [];
  const walls: number[] = [];
  const peers: ReturnType<typeof makePeer>[] = [];
  const execs: ReturnType<typeof loopOfExecs>[] = [];
  for (let index = 0; index < runs; index++) {
    const { ms, result } = timed(() => cnilab("run", folder, "--provider", "kind", "-o", "json"));
    ours.push(phasesOf(result));
    walls.push(ms);
    const peer = makePeer();
    peers.push(peer);
    execs.push(loopOfExecs(peer.kubeconfig));
    run("kind", ["delete", "cluster", "--name", PEER]);
  }
  const phase = (name: string): number => median(ours.map((phases) => phases.get(name) ?? 0));
  const provision = phase("provision");
  const peer = median(peers.map(({ create, cni }) => create + cni));
  const figures = (pick: (each: ReturnType<typeof makePeer>) => number): string => seconds(median(peers.map(pick)));
  line(
    `  nodes and CNI ready: ${seconds(provision)}; kind create cluster ${figures(({ create }) => create)} + Calico ready ${figures(({ cni }) => cni)} = ${seconds(peer)}: ratio ${(provision / peer).toFixed(2)} (target 1.10)`,
  );
  line(`    beside that, kind load docker-image takes ${figures(({ load }) => load)} a cluster`);
  const names = ["scenario", "baseline", "probe", "down"];
  line(
    `  then: ${names.map((name) => `${name} ${seconds(phase(name))}`).join(", ")}; all of run ${seconds(median(walls))}`,
  );
  const scenario = median(execs.map((each) => each.scenario));
  const loop = median(execs.map((each) => each.loop));
  line(
    `    by kubectl: scenario ${seconds(scenario)}, ${execs[0]?.cells} TCP cells by kubectl exec ${seconds(loop)}; ours, 288 cells of TCP and UDP, ${seconds(phase("probe"))}: ${(loop / phase("probe")).toFixed(0)} times faster`,
  );
  const byHand = median(
    peers.map(
      ({ create, load, cni }, index) => create + load + cni + (execs[index]?.scenario ?? 0) + (execs[index]?.loop ?? 0),
    ),
  );
  line(
    `  lab file to graded: ${seconds(median(walls))}, by hand ${seconds(byHand)}: ${(byHand / median(walls)).toFixed(1)} times faster`,
  );
}

/** "x/a>y/b 80/tcp" of the cells that were open. */
function openCells(report: Report): Set<string> {
  const cells = report.probes.flatMap((probe) => probe.cells);
  const open = cells.filter(({ observation }) => observation?.outcome === "allowed");
  return new Set(open.map(({ key: { from, to, port, protocol } }) => `${from}>${to} ${port}/${protocol}`));
}

/** The last table of what Cyclonus saw; its first column's head lists the ports in each cell's order. */
function openInCyclonus(output: string): Set<string> {
  const table = output.slice(output.lastIndexOf("kube results")).split("\n\n")[0] ?? "";
  const rows = table
    .split("\n")
    .filter((row) => row.startsWith("|"))
    .map((row) =>
      row
        .split("|")
        .slice(1, -1)
        .map((text) => text.trim()),
    );
  const [head = [], ...rest] = rows;
  const to = head.slice(1).map((name) => name.toLowerCase());
  const kinds = rows.flatMap(([first = ""]) => /^(TCP|UDP)\/(\d+)$/.exec(first) ?? []);
  const ports = kinds
    .filter((text) => text.includes("/"))
    .map((text) => text.toLowerCase().split("/").toReversed().join("/"));
  const open = rest
    .filter(([first = ""]) => /^[xyz]\/[abc]$/.test(first))
    .flatMap(([from = "", ...cells]) =>
      cells.flatMap((cell, column) =>
        cell
          .split(" ")
          .flatMap((mark, index) =>
            mark === "." && from !== to[column] ? [`${from}>${to[column]} ${ports[index]}`] : [],
          ),
      ),
    );
  if (open.length === 0) throw new Error(`Cyclonus's table is not as expected:\n${table}`);
  return new Set(open);
}

/** What Cyclonus took for its table on kind, and the cells that it found open; undefined where there is none. */
function besideCyclonus(): { tookMs: number; open: Set<string> } | undefined {
  if (spawnSync("cyclonus", ["version"]).error !== undefined) {
    line("Cyclonus: left out, it is not in PATH");
    return undefined;
  }
  let open = new Set<string>();
  const kubeconfig = join(stateHome, "cnilab/labs", LAB, "kubeconfig");
  const ours: number[] = [];
  const theirs: number[] = [];
  const differences = new Set<string>();
  for (let index = 0; index < runs; index++) {
    const own = timed(() => cnilab("probe", LAB, "--only", "table", "-o", "json"));
    ours.push(own.ms);
    // No waiting after a change, since nothing is changed, and a deadline no longer than ours.
    const modes = ["--probe-mode", "pod-ip", "--job-timeout-seconds", "1", "--perturbation-wait-seconds", "0"];
    const ports = ["--server-protocol", "TCP,UDP", "--server-port", "80,81"];
    const peer = timed(() => run("cyclonus", ["probe", ...modes, ...ports, "--noisy"], { KUBECONFIG: kubeconfig }));
    theirs.push(peer.ms);
    const seen = openCells(JSON.parse(own.result) as Report);
    open = openInCyclonus(peer.result);
    for (const cell of notInBoth(seen, open)) differences.add(cell);
  }
  const ratio = (median(theirs) / median(ours)).toFixed(1);
  line(
    `nine pods, four ports: ${seconds(median(ours))}, Cyclonus ${seconds(median(theirs))}: ${ratio} times faster (target 10); ${differences.size} verdicts differ`,
  );
  for (const cell of differences) line(`  differs: ${cell}`);
  return { tookMs: median(theirs), open };
}

function notInBoth(one: ReadonlySet<string>, other: ReadonlySet<string>): string[] {
  return [...one, ...other].filter((cell) => one.has(cell) !== other.has(cell));
}

/** The same lab on the embedded engine. */
function embeddedBesideCyclonus(cyclonus: { tookMs: number; open: Set<string> }): void {
  const walls: number[] = [];
  const probes: number[] = [];
  const differences = new Set<string>();
  for (let index = 0; index < runs * 3; index++) {
    const { ms, result } = timed(() => cnilab("probe", LAB, "--only", "table", "-o", "json"));
    walls.push(ms);
    probes.push(phasesOf(result).get("probe") ?? Number.NaN);
    for (const cell of notInBoth(openCells(JSON.parse(result) as Report), cyclonus.open)) differences.add(cell);
  }
  const times = (ms: number): string => `${(cyclonus.tookMs / ms).toFixed(0)} times faster`;
  line(
    `the same table on the embedded engine: the command ${seconds(median(walls))}, ${times(median(walls))} than Cyclonus on kind (target 100), its probes ${seconds(median(probes))}, ${times(median(probes))}; ${differences.size} verdicts differ`,
  );
  for (const cell of differences) line(`  differs: ${cell}`);
}

/** A learner's policies are applied by kubectl; how long until cnilab has graded what is then in force. */
function regrade(): void {
  const lab = "default-deny";
  const solution = join(repository, "labs", lab, "solution/policies.yaml");
  cnilab("up", join(repository, "labs", lab), "--provider", "kind");
  const env = { KUBECONFIG: join(stateHome, "cnilab/labs", lab, "kubeconfig") };
  const bounds: number[] = [];
  const took: number[] = [];
  const walls: number[] = [];
  for (let index = 0; index < runs * 3; index++) {
    run("kubectl", ["apply", "-f", solution], env);
    const { ms, result } = timed(() => cnilab("grade", lab, "-o", "json"));
    const phases = phasesOf(result);
    const [settle = Number.NaN, probe = Number.NaN] = [phases.get("settle"), phases.get("probe")];
    bounds.push(1.2 * settle + DEADLINE_MS);
    took.push(settle + probe);
    walls.push(ms);
    run("kubectl", ["delete", "-f", solution], env);
  }
  const ratio = median(took.map((ms, index) => ms / (bounds[index] ?? Number.NaN)));
  line(
    `graded again after a change of policy: ${seconds(median(took))}, the command ${seconds(median(walls))}; 1.2 × its enforcement + one deadline is ${seconds(median(bounds))}: ratio ${ratio.toFixed(2)} (target 1)`,
  );
}

if (!existsSync(manifest)) throw new Error("CNILAB_FILES names no folder with calico.yaml");
try {
  readFileSync(main);
  const folder = writeLab();
  const only = process.argv[3];
  if (only === undefined || only === "up") upToFirstProbe(folder);
  if (only === undefined || only === "cyclonus") {
    cnilab("up", folder, "--provider", "kind");
    const cyclonus = besideCyclonus();
    cnilab("down", LAB);
    if (cyclonus !== undefined) {
      cnilab("up", folder);
      embeddedBesideCyclonus(cyclonus);
      cnilab("down", LAB);
    }
  }
  if (only === undefined || only === "regrade") regrade();
} finally {
  spawnSync(process.execPath, [main, "down", "--all"], { env: { ...process.env, XDG_STATE_HOME: stateHome } });
  spawnSync("kind", ["delete", "cluster", "--name", PEER]);
  rmSync(stateHome, { recursive: true, force: true });
}
