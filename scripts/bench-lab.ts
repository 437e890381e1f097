import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/* Labs that benchmarks make, and the peer that makes the same links. */

export const repository = fileURLToPath(new URL("..", import.meta.url));
export const main = join(repository, "dist/cli/main.js");
export const stateHome = mkdtempSync(join(tmpdir(), "cnilab-bench-"));

export interface Report {
  phases: { phase: string; durationMs: number }[];
  probes: { kind: string; durationMs: number; cells: { expected?: string; verdict: string }[] }[];
  verdict: string;
}

export function cnilab(args: string[]): { text: string; wallMs: number } {
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

export const agnhost = "registry.k8s.io/e2e-test-images/agnhost:2.53";

export function writeLab(
  name: string,
  manifest: string,
  probes: object[],
  wait: object[],
  topology: unknown = "two-workers",
): string {
  const folder = join(stateHome, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "pods.yaml"), manifest);
  writeFileSync(
    join(folder, "lab.yaml"),
    JSON.stringify({
      apiVersion: "cnilab.dev/v1alpha1",
      kind: "Lab",
      metadata: { name, title: name },
      topology,
      cni: "calico",
      scenario: [{ apply: "pods.yaml" }, ...wait],
      probes,
    }),
  );
  return folder;
}

export function deployment(replicas: number): string {
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
 * How iproute2 is told to make the links: as its pages have it, or in the fewest steps that we know, whose work in the kernel is ours.
 */
export type BatchKind = "plain" | "lean";

/**
 * The same network by iproute2's batch mode: what calico's model makes for each pod, in as many namespaces. It makes less than
 * ours: no pod objects, servers, rules and sysctls, and all nodes' ends are in one namespace. It has more to do in other things: `ip` works in one
 * namespace only, so there is a process for each pod and one for the rest, and a namespace's name is a mount. `plain` enters it by
 * `ip -n`, which makes a mount namespace and mounts sysfs for each, and leaves veth's queues to the kernel, which waits for a grace period of RCU at each end; `lean`
 * enters by nsenter(1) and asks for one queue, as we do.
 */
export function ipBatch(pods: number, kind: BatchKind): number {
  const queues = kind === "lean" ? "numtxqueues 1 numrxqueues 1 " : "";
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
      `link add v${pod} mtu 1450 address ee:ee:ee:ee:ee:ee ${queues}type veth peer name eth0 mtu 1450 address ${hardware} ${queues}netns p${pod}`,
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
    inside.push(
      kind === "lean" ? `nsenter --net=/run/netns/p${pod} ip -batch ${file}` : `ip -n p${pod} -batch ${file}`,
    );
  }
  writeFileSync(hostBatch, `${host.join("\n")}\n`);
  const path = join(stateHome, "batch.sh");
  writeFileSync(path, [...script, `ip -batch ${hostBatch}`, ...inside, "date +%s%N"].join("\n"));
  const isolate = ["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", path];
  const [start = "", end = ""] = execFileSync("unshare", isolate, { encoding: "utf8" }).trim().split("\n");
  return Number(BigInt(end) - BigInt(start)) / 1e6;
}

/** Takes down whatever labs are still up, and removes their files. */
export function cleanUp(): void {
  spawnSync(process.execPath, [main, "down", "--all"], { env: { ...process.env, XDG_STATE_HOME: stateHome } });
  rmSync(stateHome, { recursive: true, force: true });
}
