import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { line, median, timed } from "./bench-figures.ts";

/*
 * `npm run bench [RUNS [first-lab|pods|matrix]]`: the project's figures, each beside a floor or a peer measured in the same run. The machines this
 * runs on are noisy, so medians of several runs are printed, and the ratio is what counts.
 */
const runs = Number(process.argv[2] ?? 7);
const repository = fileURLToPath(new URL("..", import.meta.url));
const main = join(repository, "dist/cli/main.js");
const stateHome = mkdtempSync(join(tmpdir(), "cnilab-bench-"));

interface Report {
  phases: { phase: string; durationMs: number }[];
  probes: { kind: string; durationMs: number; cells: { expected?: string; verdict: string }[] }[];
  verdict: string;
}

function cnilab(args: string[]): { text: string; wallMs: number } {
  const startedAt = performance.now();
  const result = spawnSync(process.execPath, [main, ...args], {
    encoding: "utf8",
    env: { ...process.env, XDG_STATE_HOME: stateHome, CI: "true" },
    maxBuffer: 256 << 20,
  });
  const wallMs = performance.now() - startedAt;
  if (result.status !== 0)
    throw new Error(`cnilab ${args.join(" ")}: exit ${result.status}\n${result.stdout}${result.stderr}`);
  return { text: result.stdout, wallMs };
}

function milliseconds(figure: number): string {
  return `${figure.toFixed(figure < 10 ? 1 : 0)} ms`;
}

function firstLab(): void {
  const walls: number[] = [];
  const floors: number[] = [];
  const phases = new Map<string, number[]>();
  let cells = 0;
  for (let run = 0; run < runs; run++) {
    floors.push(timed(() => execFileSync(process.execPath, ["-e", "0"])).ms);
    const { text, wallMs } = cnilab(["run", join(repository, "labs/first-lab"), "-o", "json"]);
    const report = JSON.parse(text) as Report;
    if (report.verdict !== "pass") throw new Error("the first lab did not pass");
    cells = report.probes.reduce((sum, probe) => sum + probe.cells.length, 0);
    walls.push(wallMs);
    for (const { phase, durationMs } of report.phases) phases.set(phase, [...(phases.get(phase) ?? []), durationMs]);
  }
  line(`first lab, up to down (${cells} cells, median of ${runs}): ${milliseconds(median(walls))} (target 1000 ms)`);
  line(`  floor, node -e 0: ${milliseconds(median(floors))}; ratio ${(median(walls) / median(floors)).toFixed(1)}`);
  line(`  phases: ${[...phases].map(([phase, figures]) => `${phase} ${milliseconds(median(figures))}`).join(", ")}`);
}

const agnhost = "registry.k8s.io/e2e-test-images/agnhost:2.53";

function writeLab(name: string, manifest: string, probes: object[], wait: object[]): string {
  const folder = join(stateHome, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "pods.yaml"), manifest);
  writeFileSync(
    join(folder, "lab.yaml"),
    JSON.stringify({
      apiVersion: "cnilab.dev/v1alpha1",
      kind: "Lab",
      metadata: { name, title: name },
      topology: "two-workers",
      cni: "calico",
      scenario: [{ apply: "pods.yaml" }, ...wait],
      probes,
    }),
  );
  return folder;
}

function deployment(replicas: number): string {
  const container = { name: "c", image: agnhost, args: ["netexec", "--udp-port=-1"], ports: [{ containerPort: 8080 }] };
  const labels = { app: "many" };
  const spec = {
    replicas,
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { containers: [container] } },
  };
  return JSON.stringify({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "many", namespace: "default" },
    spec,
  });
}

/**
 * The same network by iproute2's batch mode: what calico's model makes for each pod, in as many namespaces. No pod objects,
 * no servers, no rules and no sysctls, which ours has beside it.
 */
function ipBatch(pods: number): number {
  const host: string[] = [];
  const script = ["set -e", "mount -t tmpfs none /run", "date +%s%N"];
  const hostBatch = join(stateHome, "batch");
  const inside: string[] = [];
  for (let pod = 0; pod < pods; pod++) {
    const address = `192.168.${Math.floor(pod / 250)}.${(pod % 250) + 2}`;
    const hardware = `02:00:00:00:${Math.floor(pod / 250)
      .toString(16)
      .padStart(2, "0")}:${(pod % 250).toString(16).padStart(2, "0")}`;
    host.push(
      `netns add p${pod}`,
      `link add v${pod} mtu 1450 address ee:ee:ee:ee:ee:ee type veth peer name eth0 mtu 1450 address ${hardware} netns p${pod}`,
      `link set v${pod} addrgenmode none up`,
      `route add ${address}/32 dev v${pod} scope link`,
      `neigh add ${address} dev v${pod} lladdr ${hardware}`,
    );
    const file = join(stateHome, `batch-${pod}`);
    const own = [
      "link set lo up",
      `addr add ${address}/32 dev eth0`,
      "link set eth0 addrgenmode none up",
      "route add 169.254.1.1/32 dev eth0 scope link",
      "route add default via 169.254.1.1 dev eth0",
      "neigh add 169.254.1.1 dev eth0 lladdr ee:ee:ee:ee:ee:ee",
    ];
    writeFileSync(file, `${own.join("\n")}\n`);
    inside.push(`ip -n p${pod} -batch ${file}`);
  }
  writeFileSync(hostBatch, `${host.join("\n")}\n`);
  const path = join(stateHome, "batch.sh");
  writeFileSync(path, [...script, `ip -batch ${hostBatch}`, ...inside, "date +%s%N"].join("\n"));
  const isolate = ["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", path];
  const [start = "", end = ""] = execFileSync("unshare", isolate, { encoding: "utf8" }).trim().split("\n");
  return Number(BigInt(end) - BigInt(start)) / 1e6;
}

function hundredPods(): void {
  const pods = 100;
  const wait = { wait: { for: "deployment/many", namespace: "default", condition: "available", timeout: "30s" } };
  const folder = writeLab("hundred", deployment(pods), [], [wait]);
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let run = 0; run < runs; run++) {
    theirs.push(ipBatch(pods));
    const { text } = cnilab(["up", folder, "-o", "json"]);
    const { phases } = JSON.parse(text) as { phases: Report["phases"] };
    ours.push(phases.find(({ phase }) => phase === "scenario")?.durationMs ?? Number.NaN);
    cnilab(["down", "hundred"]);
  }
  line(`${pods} pods applied → ready to probe (median of ${runs}): ${milliseconds(median(ours))} (target 500 ms)`);
  line(
    `  the same links, addresses, routes and neighbours by ip -batch: ${milliseconds(median(theirs))}; ratio ${(median(theirs) / median(ours)).toFixed(1)}× faster`,
  );
}

/** Nine pods with six ports each; policies block none, half or nearly all of the cells. */
function matrix(): void {
  const names = Array.from({ length: 9 }, (_, index) => `p${index}`);
  const ports = [8001, 8002, 8003, 8004, 8005, 8006];
  const pod = (name: string, index: number): object => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", labels: { app: name, half: index % 2 === 0 ? "even" : "odd" } },
    spec: {
      containers: ports.map((port) => ({
        name: `c${port}`,
        image: agnhost,
        args: ["netexec", `--http-port=${port}`, "--udp-port=-1"],
        ports: [{ containerPort: port }],
      })),
    },
  });
  const allow = (blocked: string): object[] => {
    const rules =
      blocked === "none"
        ? [{}]
        : [{ ports: ports.slice(0, blocked === "half" ? 3 : 0).map((port) => ({ port, protocol: "TCP" })) }];
    const spec = { podSelector: {}, policyTypes: ["Ingress"], ingress: blocked === "all" ? [] : rules };
    return [
      {
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: { name: "bench", namespace: "default" },
        spec,
      },
    ];
  };
  for (const blocked of ["none", "half", "all"]) {
    const objects = [...names.map(pod), ...allow(blocked)];
    const name = `matrix-${blocked}`;
    const probe = {
      name: "all",
      matrix: { pods: "default/*", ports: ports.map((port) => `${port}/tcp`) },
      expect: "policy",
    };
    const wait = names.map((each) => ({
      wait: { for: `pod/${each}`, namespace: "default", condition: "ready", timeout: "30s" },
    }));
    const folder = writeLab(name, objects.map((object) => JSON.stringify(object)).join("\n---\n"), [probe], wait);
    cnilab(["up", folder]);
    const figures: number[] = [];
    let cells: Report["probes"][number]["cells"] = [];
    for (let run = 0; run < runs; run++) {
      const result = spawnSync(process.execPath, [main, "probe", name, "-o", "json"], {
        encoding: "utf8",
        env: { ...process.env, XDG_STATE_HOME: stateHome, CI: "true" },
        maxBuffer: 256 << 20,
      });
      const report = JSON.parse(result.stdout) as Report;
      cells = report.probes[0]?.cells ?? [];
      figures.push(report.probes[0]?.durationMs ?? Number.NaN);
    }
    const silent = cells.filter(({ expected }) => expected === "blocked").length;
    line(
      `9 pods × 6 ports, ${silent} of ${cells.length} cells blocked (median of ${runs}): ${milliseconds(median(figures))} (target 150 ms)`,
    );
    cnilab(["down", name]);
  }
}

try {
  if (process.argv[3] === undefined || process.argv[3] === "first-lab") firstLab();
  if (process.argv[3] === undefined || process.argv[3] === "pods") hundredPods();
  if (process.argv[3] === undefined || process.argv[3] === "matrix") matrix();
} finally {
  spawnSync(process.execPath, [main, "down", "--all"], { env: { ...process.env, XDG_STATE_HOME: stateHome } });
  rmSync(stateHome, { recursive: true, force: true });
}
