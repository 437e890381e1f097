import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { createInterface } from "node:readline";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { agnhost, cleanUp, cnilab, main, stateHome, writeLab } from "./bench-lab.ts";
import { line, median } from "./bench-figures.ts";

/*
 * `npm run bench:watch [RUNS [PODS,…]]`: from the moment at which a manifest is saved to the line that tells of the regraded matrix, with
 * everything between: inotify, reading, applying, rules in force on all nodes, probing what the change touches, judging. Ten pods in
 * each group; the change is a policy that isolates one group, and one that opens it again.
 */
const runs = Number(process.argv[2] ?? 15);
const sizes = (process.argv[3] ?? "100,300").split(",").map(Number);
const targetsMs: Readonly<Record<number, number>> = { 100: 50, 300: 120 };

interface Told {
  type: string;
  verdict?: string;
  probed?: number;
  cells?: number;
  durationMs?: number;
  changed?: unknown[];
  atMs: number;
}

function groups(pods: number): string {
  return Array.from({ length: pods / 10 }, (_, index) => {
    const labels = { app: `group${index}` };
    const container = {
      name: "c",
      image: agnhost,
      args: ["netexec", "--udp-port=-1"],
      ports: [{ containerPort: 8080 }],
    };
    return JSON.stringify({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: `group${index}`, namespace: "default" },
      spec: {
        replicas: 10,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [container] } },
      },
    });
  }).join("\n---\n");
}

/** Isolates group 1, or leaves it as open as it was. */
function policy(isIsolated: boolean): string {
  return JSON.stringify({
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "bench", namespace: "default" },
    spec: {
      podSelector: { matchLabels: { app: "group1" } },
      policyTypes: ["Ingress"],
      ingress: isIsolated ? [] : [{}],
    },
  });
}

function save(file: string, text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

/** Documents of a running watch, one after the other. */
function documentsOf(child: ChildProcessWithoutNullStreams): (type: string) => Promise<Told> {
  const told: Told[] = [];
  let wake = (): void => undefined;
  createInterface({ input: child.stdout }).on("line", (text) => {
    told.push({ ...(JSON.parse(text) as Told), atMs: performance.now() });
    wake();
  });
  let isEnded = false;
  child.once("exit", () => {
    isEnded = true;
    wake();
  });
  return async (type) => {
    for (;;) {
      const at = told.findIndex((each) => each.type === type);
      const found = told[at];
      if (found !== undefined) {
        told.splice(0, at + 1);
        return found;
      }
      if (isEnded) throw new Error("the watch has ended");
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
}

async function measure(pods: number): Promise<void> {
  const waits = Array.from({ length: pods / 10 }, (_, index) => ({
    wait: { for: `deployment/group${index}`, namespace: "default", condition: "available", timeout: "60s" },
  }));
  const name = `watch-${pods}`;
  const probe = { name: "all", matrix: { pods: "default/*", ports: ["8080/tcp"] }, expect: "policy" };
  const folder = writeLab(name, groups(pods), [probe], waits);
  cnilab(["up", folder]);
  const file = join(stateHome, `${name}-answer.yaml`);
  save(file, policy(false));
  const child = spawn(process.execPath, [main, "watch", name, "-f", file, "-o", "json"], {
    env: { ...process.env, XDG_STATE_HOME: stateHome, CI: "true" },
  });
  child.stderr.pipe(process.stderr);
  const next = documentsOf(child);
  const first = await next("regrade");
  const walls = { closed: [] as number[], opened: [] as number[] };
  const own: number[] = [];
  let probed = 0;
  // The first change of each sort is for the compiler.
  for (let run = 0; run < 2 * (runs + 1); run++) {
    const isIsolated = run % 2 === 0;
    const savedMs = performance.now();
    save(file, policy(isIsolated));
    const told = await next("regrade");
    if (told.changed?.length !== 10 * (pods - 1)) throw new Error(`${told.changed?.length} cells changed`);
    probed = told.probed ?? 0;
    if (run < 2) continue;
    walls[isIsolated ? "closed" : "opened"].push(told.atMs - savedMs);
    own.push(told.durationMs ?? Number.NaN);
  }
  child.kill("SIGINT");
  await new Promise((resolve) => child.once("exit", resolve));
  cnilab(["down", name]);
  const all = [...walls.closed, ...walls.opened];
  line(
    `${pods} pods, ${first.cells} cells of which ${probed} probed, saved → regraded (median of ${all.length}): ${median(all).toFixed(0)} ms (target ${targetsMs[pods] ?? "none"} ms)`,
  );
  line(
    `  closing ${median(walls.closed).toFixed(0)} ms, opening ${median(walls.opened).toFixed(0)} ms, fastest ${Math.min(...all).toFixed(0)} ms; from noticing it ${median(own).toFixed(0)} ms; whole at the start ${first.durationMs?.toFixed(0)} ms`,
  );
}

try {
  for (const pods of sizes) await measure(pods);
} finally {
  cleanUp();
}
