import { existsSync, readFileSync } from "node:fs";
import { freemem } from "node:os";
import { statfs } from "node:fs/promises";
import type Dockerode from "dockerode";
import { cnis } from "../../cnis/registry.ts";
import type { Cni } from "../../cnis/types.ts";
import { LabError } from "../../core/errors.ts";
import { dockerReason, openDocker } from "../../exec/docker.ts";
import { findProgram } from "../../exec/find-program.ts";
import type { Plan } from "../../plan/types.ts";
import { cniKernelFeatures } from "../real/install-cni.ts";
import { kernelFinding, missingKernelFeatures } from "../kernel-features.ts";
import type { Finding } from "../types.ts";

/** A node's resident memory with kubelet, containerd and its share of a CNI; the control plane needs twice as much. */
const NODE_MEMORY_MB = 400;

/** What a lab's containers and the prepared image write. */
const DISK_GB = 5;

/** What systemd, containerd and the kubelet of one node take of the limits that all nodes share. */
const INOTIFY_PER_NODE = { instances: 60, watches: 20_000 } as const;

/** Nodes that doctor, which knows no lab, asks for. */
const USUAL_NODES = 3;

const OLDEST_ENGINE = [20, 10] as const;

/**
 * What this host lacks for labs on Docker, for this plan or for a usual one. Changes nothing, fetches nothing; images and the
 * kind command are looked for by `up`, which can fetch them.
 */
export async function kindPreflight(plan: Plan | undefined): Promise<Finding[]> {
  const nodes = plan?.topology.nodes.length ?? USUAL_NODES;
  const engine = await engineFindings();
  const findings = [...engine.findings, ...(await programFindings(process.env["PATH"]))];
  if (engine.docker === undefined || !engine.isLocal) return findings;
  findings.push(...limitFindings(nodes), memoryFinding(nodes));
  if (engine.root !== undefined) findings.push(...(await diskFinding(engine.root)));
  if (process.platform === "linux") findings.push(...(await kernelFindings(plan)));
  return findings;
}

interface Engine {
  docker: Dockerode | undefined;
  /** Its containers run on this kernel. */
  isLocal: boolean;
  root?: string;
  findings: Finding[];
}

async function engineFindings(): Promise<Engine> {
  const docker = await openDocker();
  try {
    const [info, version] = await Promise.all([docker.info() as Promise<Record<string, unknown>>, docker.version()]);
    const [major = 0, minor = 0] = version.Version.split(".").map(Number);
    const isOld = major < OLDEST_ENGINE[0] || (major === OLDEST_ENGINE[0] && minor < OLDEST_ENGINE[1]);
    const isLocal = process.platform === "linux" && info["KernelVersion"] === kernelRelease();
    const name = `Docker ${version.Version}`;
    const finding: Finding = isOld
      ? {
          code: "HOST_DOCKER_OLD",
          ok: false,
          message: `${name} is too old: nodes need a cgroup namespace of their own`,
          remedy: `Docker ${OLDEST_ENGINE.join(".")} or newer`,
        }
      : { code: "HOST_DOCKER", ok: true, message: `${name} answers` };
    return { docker, isLocal, root: String(info["DockerRootDir"]), findings: [finding] };
  } catch (error) {
    return { docker: undefined, isLocal: false, findings: [unreachable(error)] };
  }
}

function kernelRelease(): string {
  return readFileSync("/proc/sys/kernel/osrelease", "utf8").trim();
}

function unreachable(error: unknown): Finding {
  const { code } = error as NodeJS.ErrnoException;
  const [message, remedy] =
    code === "EACCES"
      ? ["this user may not use Docker's socket", "sudo usermod -aG docker $USER, then log in anew"]
      : code === "ENOENT"
        ? ["Docker is not running: it has no socket", "install Docker and start it (systemctl start docker)"]
        : [`Docker does not answer: ${dockerReason(error)}`, "start Docker, or set DOCKER_HOST to where it is"];
  return { code: "HOST_DOCKER_UNREACHABLE", ok: false, message, remedy };
}

async function programFindings(path: string | undefined): Promise<Finding[]> {
  const isThere = (await findProgram("docker", path)) !== undefined;
  return [
    isThere
      ? { code: "HOST_TOOL", ok: true, message: "docker: kind works through this command" }
      : {
          code: "HOST_TOOL_MISSING",
          ok: false,
          message: "docker is not in PATH: kind works through this command",
          remedy: "install it (Debian, Ubuntu: apt-get install docker.io)",
        },
  ];
}

/** inotify limits: kubernetes/kubernetes#104303, kind's "known issues". */
function limitFindings(nodes: number): Finding[] {
  return (["instances", "watches"] as const).map((what) => {
    const name = `fs.inotify.max_user_${what}`;
    const file = `/proc/sys/${name.replaceAll(".", "/")}`;
    const limit = existsSync(file) ? Number(readFileSync(file, "utf8")) : Number.POSITIVE_INFINITY;
    const needed = INOTIFY_PER_NODE[what] * nodes;
    if (limit >= needed) return { code: "HOST_INOTIFY", ok: true, message: `${name} is ${limit}` };
    return {
      code: "HOST_INOTIFY_LIMIT",
      ok: false,
      message: `${name} is ${limit}: ${nodes} nodes need about ${needed}, and fail with "too many open files"`,
      remedy: "sysctl fs.inotify.max_user_instances=8192 fs.inotify.max_user_watches=524288 (as root)",
    };
  });
}

function memoryFinding(nodes: number): Finding {
  const needed = NODE_MEMORY_MB * (nodes + 1);
  const free = Math.floor(availableBytes() / 1024 ** 2);
  if (free >= needed) return { code: "HOST_MEMORY", ok: true, message: `${free} MB of memory are available` };
  return {
    code: "HOST_MEMORY_LOW",
    ok: false,
    message: `${free} MB of memory are available; ${nodes} nodes need about ${needed} MB`,
    remedy: "end what takes memory, or use a topology with fewer nodes",
  };
}

/** What programs could have without swapping: the page cache counts (proc(5), MemAvailable). */
function availableBytes(): number {
  const meminfo = existsSync("/proc/meminfo") ? readFileSync("/proc/meminfo", "utf8") : "";
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo)?.[1];
  return kib === undefined ? freemem() : Number(kib) * 1024;
}

async function diskFinding(root: string): Promise<Finding[]> {
  // Only root may look into it on most hosts, but its file system can be asked for from outside.
  if (!existsSync(root)) return [];
  const { bavail, bsize } = await statfs(root);
  const free = Math.floor((bavail * bsize) / 1024 ** 3);
  if (free >= DISK_GB) return [{ code: "HOST_DISK", ok: true, message: `${free} GB are free in ${root}` }];
  return [
    {
      code: "HOST_DISK_LOW",
      ok: false,
      message: `${free} GB are free in ${root}; a lab needs about ${DISK_GB} GB`,
      remedy: "docker system prune removes what nobody uses",
    },
  ];
}

/** As {@link triedKernel}; a host where the kernel cannot be tried is one finding more. */
async function kernelFindings(plan: Plan | undefined): Promise<Finding[]> {
  try {
    return await triedKernel(plan);
  } catch (error) {
    if (!(error instanceof LabError) || error.code !== "KERNEL_FEATURES_UNKNOWN") throw error;
    const [message = ""] = error.message.split("\n");
    return [{ code: error.code, ok: false, message, ...(error.hint === undefined ? {} : { remedy: error.hint }) }];
  }
}

/** With a plan, what its CNI's mode lacks; for doctor, each mode that this kernel cannot carry, as a thing to know. */
async function triedKernel(plan: Plan | undefined): Promise<Finding[]> {
  if (plan !== undefined) {
    const missing: string[] = await missingKernelFeatures(cniKernelFeatures(plan));
    // ipv6.disable=1 of the kernel's command line; nodes switch it on for themselves where it is there.
    if (plan.cni.podCidrs.length > 1 && !existsSync("/proc/sys/net/ipv6")) missing.push("IPv6");
    return missing.map((feature) => kernelFinding(feature, plan.cni));
  }
  const modes = Object.values<Cni>(cnis).flatMap(({ name, install }) =>
    Object.entries(install.modes).map(([mode, { kernel }]) => ({ name: `${name} ${mode}`, kernel })),
  );
  const missing = await missingKernelFeatures([...new Set(modes.flatMap(({ kernel }) => kernel))]);
  const lacking = modes.filter(({ kernel }) => kernel.some((feature) => missing.includes(feature)));
  return [
    {
      code: "HOST_KERNEL",
      ok: true,
      message:
        lacking.length === 0
          ? "the kernel carries every mode of every CNI"
          : `the kernel has no ${missing.join(", ")}: no ${lacking.map(({ name }) => name).join(", ")} here`,
    },
  ];
}
