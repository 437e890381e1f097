import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";
import { agnhost, cleanUp, cnilab, deployment, ipBatch, main, repository, stateHome, writeLab } from "./bench-lab.ts";
import type { Report } from "./bench-lab.ts";
import { line, median, timed } from "./bench-figures.ts";

/*
 * `npm run bench [RUNS [first-lab|pods|matrix]]`: the project's figures, each beside a floor or a peer measured in the same run. The machines this
 * runs on are noisy, so medians of several runs are printed, and the ratio is what counts.
 */
const runs = Number(process.argv[2] ?? 7);

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

function hundredPods(): void {
  const pods = 100;
  const wait = { wait: { for: "deployment/many", namespace: "default", condition: "available", timeout: "30s" } };
  const folder = writeLab("hundred", deployment(pods), [], [wait]);
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let run = 0; run < runs; run++) {
    theirs.push(ipBatch(pods, "plain"));
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
  cleanUp();
}
