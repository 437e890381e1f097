import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { line, median } from "./bench-figures.ts";
import { agnhost, cleanUp, cnilab, deployment, ipBatch, main, stateHome, writeLab } from "./bench-lab.ts";
import type { BatchKind, Report } from "./bench-lab.ts";
import { mininet } from "./bench-mininet.ts";

/*
 * `npm run bench:scale [RUNS [pods|matrix|rules|iperf]]`: how the embedded engine grows, each figure beside a peer or a floor of
 * the same run. Figures of a busy machine are noisy: its load is printed, and the ratios are what counts.
 */
const runs = Number(process.argv[2] ?? 3);
const only = process.argv[3];
const NODES = 10;

/** `count` workers on one network. */
function topology(count: number): object {
  const workers = Array.from({ length: count }, (_, index) => [`worker${index + 1}`, { networks: ["lan"] }]);
  return {
    networks: { lan: { subnet: "172.30.0.0/24" } },
    nodes: { "control-plane": { role: "control-plane", networks: ["lan"] }, ...Object.fromEntries(workers) },
  };
}

const available = { wait: { for: "deployment/many", namespace: "default", condition: "available", timeout: "120s" } };

function seconds(ms: number): string {
  return ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

/** Jiffies of a process as seconds of processor time: what other work on the machine disturbs least. */
function cpuMs(pid: string): number {
  const fields =
    execFileSync("cat", [`/proc/${pid}/stat`], { encoding: "utf8" })
      .split(") ")[1]
      ?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function labPid(name: string): string {
  return execFileSync("find", [stateHome, "-path", `*${name}*`, "-name", "lab.pid", "-exec", "cat", "{}", "+"], {
    encoding: "utf8",
  }).trim();
}

const batches: Record<BatchKind, string> = { plain: "as its pages have it", lean: "in the fewest steps" };

function pods(): void {
  const figures = new Map<number, { ready: number; cpu: number; down: number }>();
  for (const count of [100, 1000]) {
    const name = `scale-${count}`;
    const folder = writeLab(name, deployment(count), [], [available], topology(NODES));
    const ready: number[] = [];
    const cpu: number[] = [];
    const down: number[] = [];
    for (let run = 0; run < runs; run++) {
      const { phases } = JSON.parse(cnilab(["up", folder, "-o", "json"]).text) as { phases: Report["phases"] };
      ready.push(phases.find(({ phase }) => phase === "scenario")?.durationMs ?? Number.NaN);
      cpu.push(cpuMs(labPid(name)));
      down.push(cnilab(["down", name]).wallMs);
    }
    figures.set(count, { ready: median(ready), cpu: median(cpu), down: median(down) });
  }
  const [few, many] = [figures.get(100), figures.get(1000)];
  if (few === undefined || many === undefined) throw new Error("unreachable: both were measured");
  line(
    `1000 pods on ${NODES} nodes, applied → ready to probe (median of ${runs}): ${seconds(many.ready)} (target 5 s)`,
  );
  line(`  processor time of the lab process until then: ${seconds(many.cpu)}; of 100 pods ${seconds(few.cpu)}`);
  line(`  100 pods: ${seconds(few.ready)}; ratio ${(many.ready / few.ready).toFixed(1)} (target ≤ 18)`);
  for (const [kind, words] of Object.entries(batches) as [BatchKind, string][]) {
    const batch = median(Array.from({ length: runs }, () => ipBatch(1000, kind)));
    const ratio = (batch / many.ready).toFixed(1);
    line(`  the same links by ip -batch, ${words}: ${seconds(batch)}; ratio ${ratio}× faster (target 4×)`);
  }
  const other = mininet(1000, NODES);
  if (other !== undefined) {
    const ratio = (other.upMs / many.ready).toFixed(1);
    line(`  as many hosts by Mininet: ${seconds(other.upMs)}; ratio ${ratio}× faster (target 5×)`);
    line(`  Mininet takes them down in ${seconds(other.downMs)}`);
  }
  line(`1000 pods taken down: ${seconds(many.down)} (target 1 s)`);
}

function matrix(): void {
  const perProbe: number[] = [];
  for (const count of [100, 200, 500]) {
    const name = `mesh-${count}`;
    const probe = { name: "all", matrix: { pods: "default/*", ports: ["8080/tcp"] }, expect: "policy" };
    const folder = writeLab(name, deployment(count), [probe], [available], topology(NODES));
    cnilab(["up", folder]);
    const walls: number[] = [];
    let cells = 0;
    for (let run = 0; run < runs; run++) {
      const report = JSON.parse(cnilab(["probe", name, "-o", "json"]).text) as Report;
      const [first] = report.probes;
      cells = first?.cells.length ?? 0;
      walls.push(first?.durationMs ?? Number.NaN);
    }
    cnilab(["down", name]);
    const wall = median(walls);
    perProbe.push((wall * 1000) / cells);
    const target = count === 100 ? " (target 0.8 s)" : "";
    line(
      `${count} × ${count} pods, ${cells} cells: ${seconds(wall)}${target}, ${((wall * 1000) / cells).toFixed(1)} µs a cell`,
    );
  }
  const ratio = Math.max(...perProbe) / Math.min(...perProbe);
  line(`  µs a cell, most over least: ${ratio.toFixed(2)} (target ≤ 1.5)`);
}

/** What the program inside namespaces measures, for what the command line would hide behind its own start. */
function rules(): void {
  const program = fileURLToPath(new URL("bench-scale-rules.ts", import.meta.url));
  const isolate = ["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
  // Node's options as the lab process has them.
  const node = [process.execPath, "--max-semi-space-size=32", "--import", "tsx", program];
  const measure = (...args: number[]): void => {
    execFileSync("unshare", [...isolate, ...node, `${runs}`, ...args.map(String)], {
      stdio: "inherit",
      env: { ...process.env, TMPDIR: stateHome },
    });
  };
  for (const workers of [2, NODES]) measure(workers);
  for (const workers of [0, 2]) measure(workers, 1000, 10);
}

async function iperf(): Promise<void> {
  const pod = (name: string, nodeName: string): object => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default" },
    spec: { nodeName, containers: [{ name: "c", image: agnhost, args: ["pause"] }] },
  });
  const ready = ["client", "server"].map((name) => ({
    wait: { for: `pod/${name}`, namespace: "default", condition: "ready", timeout: "30s" },
  }));
  const probe = { name: "speed", from: "default/pod/client", iperf: { to: "default/pod/server", time: "3s" } };
  const expected = { ...probe, expect: { bandwidth: ">= 1 Mbit/s" } };
  const objects = [pod("client", "worker1"), pod("server", "worker2")].map((each) => JSON.stringify(each));
  cnilab(["up", writeLab("speed", objects.join("\n---\n"), [expected], ready)]);
  const { text } = cnilab(["exec", "speed", "default/pod/server", "--", "ip", "-4", "-o", "addr", "show", "eth0"]);
  const address = /inet ([0-9.]+)/.exec(text)?.[1] ?? "";
  const env = { ...process.env, XDG_STATE_HOME: stateHome, CI: "true" };
  const ours: number[] = [];
  const byHand: number[] = [];
  for (let run = 0; run < runs; run++) {
    const report = JSON.parse(cnilab(["probe", "speed", "-o", "json"]).text) as {
      probes: { cells: { observation?: { measured?: { bandwidthBps?: number } } }[] }[];
    };
    const bandwidthBps = report.probes[0]?.cells[0]?.observation?.measured?.bandwidthBps;
    if (bandwidthBps === undefined) throw new Error("the iperf probe measured nothing");
    ours.push(bandwidthBps);
    const args = ["exec", "speed", "default/pod/server", "--", "iperf3", "-s", "-1", "-p", "5201"];
    const listener = spawn(process.execPath, [main, ...args], { env, stdio: ["ignore", "ignore", "inherit"] });
    const ended = once(listener, "exit");
    const listening = ["exec", "speed", "default/pod/server", "--", "ss", "-Hltn", "sport = :5201"];
    while (cnilab(listening).text.trim() === "" && listener.exitCode === null);
    const client = ["exec", "speed", "default/pod/client", "--", "iperf3", "-c", address, "-t", "3", "-J"];
    const { stdout, stderr } = spawnSync(process.execPath, [main, ...client], { env, encoding: "utf8" });
    await ended;
    const output = JSON.parse(stdout || `{"error": ${JSON.stringify(stderr)}}`) as {
      end?: { sum_received?: { bits_per_second?: number } };
      error?: string;
    };
    if (output.error !== undefined) throw new Error(output.error);
    byHand.push(output.end?.sum_received?.bits_per_second ?? Number.NaN);
  }
  cnilab(["down", "speed"]);
  const difference = (median(ours) / median(byHand) - 1) * 100;
  const gigabits = (rate: number): string => `${(rate / 1e9).toFixed(2)} Gbit/s`;
  line(`iperf over the embedded VXLAN (median of ${runs}): ${gigabits(median(ours))}`);
  line(
    `  iperf3 by hand on the same path: ${gigabits(median(byHand))}; ${difference.toFixed(1)} % (target within 5 %)`,
  );
}

const parts = { pods, matrix, rules, iperf };
try {
  line(`${cpus().length} processors, load ${loadavg()[0]?.toFixed(1)} before`);
  for (const [name, measure] of Object.entries(parts)) if (only === undefined || only === name) await measure();
  line(`load ${loadavg()[0]?.toFixed(1)} after`);
} finally {
  cleanUp();
}
