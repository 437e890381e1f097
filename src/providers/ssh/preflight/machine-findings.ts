import { LabError } from "../../../core/errors.ts";
import { makeVisibleLine } from "../../../core/visible-text.ts";
import { missingKernelFeatures } from "../../kernel-features.ts";
import type { Finding } from "../../types.ts";
import type { MachineFacts, MeasuredMachine } from "./facts.ts";
import type { Draft, Judge } from "./judge.ts";
import type { PreflightNeeds } from "./needs.ts";
import { others, takenPorts } from "./of-others.ts";

/** kubeadm's own preflight (cmd/kubeadm/app/preflight): less ends it. */
const CONTROL_PLANE_CPUS = 2;
const CONTROL_PLANE_MEMORY_MB = 1700;
/** kubelet, containerd, kube-proxy and a CNI's agent, and a few small pods. */
const WORKER_MEMORY_MB = 700;

/** Packages, images and what they unpack to, with room for logs. */
const DISK_MB: Readonly<Record<string, number>> = { "/": 1024, "/var/lib": 4096 };
const INODES = 100_000;

const OLDEST_PYTHON = [3, 9] as const;

/** Since then a kubelet refuses to start on cgroup v1 unless its failCgroupV1 says otherwise (KEP-5573). */
const NEEDS_CGROUP_V2 = 35;

const ARCHITECTURES: Readonly<Record<string, string>> = { x86_64: "amd64", aarch64: "arm64" };

const distribution: Judge = ({ system: found }) => {
  const family = [found?.id ?? "", ...(found?.like ?? [])];
  if (family.some((id) => ["debian", "ubuntu", "rhel", "fedora", "centos"].includes(id))) return [];
  return [
    {
      code: "MACHINE_OS",
      message: `${found?.name === undefined || found.name === "" ? "its system" : found.name} is neither Debian-like nor RHEL-like`,
      remedy: "use Debian, Ubuntu, or a system of the RHEL family (docs/providers/ssh-machines.md)",
    },
  ];
};

const system: Judge = ({ architecture, hasSystemd, python }, { role }) => {
  const drafts: Draft[] = [];
  const isOutside = role === "external";
  if (ARCHITECTURES[architecture] === undefined) {
    drafts.push({
      code: "MACHINE_ARCHITECTURE",
      message: `its architecture is ${architecture}`,
      remedy: `${isOutside ? "agents" : "images and packages"} are for x86_64 and aarch64`,
    });
  }
  if (!hasSystemd) {
    drafts.push({
      code: "MACHINE_NO_SYSTEMD",
      message: `systemd does not run it, and ${isOutside ? "the lab's web server is a unit" : "kubelet and containerd are units"} of systemd`,
      remedy: "boot it with systemd",
    });
  }
  const [major, minor] = python;
  if (major < OLDEST_PYTHON[0] || (major === OLDEST_PYTHON[0] && minor < OLDEST_PYTHON[1])) {
    drafts.push({
      code: "MACHINE_PYTHON",
      message: `its python3 is ${python.join(".")}, and ${OLDEST_PYTHON.join(".")} is needed`,
      remedy: `install Python ${OLDEST_PYTHON.join(".")} or newer as python3`,
    });
  }
  return drafts;
};

const sizes: Judge = ({ cpus, memoryMb, disks = [] }, { role }) => {
  const drafts: Draft[] = [];
  if (role === "control-plane" && cpus < CONTROL_PLANE_CPUS) {
    drafts.push({
      code: "MACHINE_CPUS",
      message: `it has ${cpus} CPU, and kubeadm wants ${CONTROL_PLANE_CPUS} for a control plane`,
      remedy: "give it another CPU, or make it a worker",
    });
  }
  const memory = role === "control-plane" ? CONTROL_PLANE_MEMORY_MB : WORKER_MEMORY_MB;
  if (memoryMb < memory) {
    drafts.push({
      code: "MACHINE_MEMORY",
      message: `it has ${memoryMb} MB of memory, and a ${role} needs ${memory} MB`,
      remedy: role === "control-plane" ? "give it more memory, or make it a worker" : "give it more memory",
    });
  }
  const seen = new Set<number>();
  for (const { path, freeMb, freeInodes, device } of disks.toReversed()) {
    if (seen.has(device)) continue;
    seen.add(device);
    const needed = DISK_MB[path] ?? 0;
    if (freeMb < needed || (freeInodes !== null && freeInodes < INODES)) {
      const free = freeMb < needed ? `${freeMb} MB are free` : `${freeInodes} inodes are free`;
      const wanted = freeMb < needed ? `${needed} MB` : `${INODES} inodes`;
      drafts.push({
        code: "MACHINE_DISK",
        message: `${free} in ${path}, and ${wanted} are needed`,
        remedy: `make room there (du -xh ${path} | sort -h)`,
      });
    }
  }
  return drafts;
};

const kubeletNeeds: Judge = ({ cgroup, swaps = [], modules = {} }, _machine, { kubernetes: [major, minor] }) => {
  const drafts: Draft[] = [];
  const version = `${major}.${minor}`;
  if (cgroup?.version === 1) {
    const refuses = major > 1 || minor >= NEEDS_CGROUP_V2;
    drafts.push({
      code: "MACHINE_CGROUP",
      ok: !refuses,
      message: refuses
        ? `it has cgroup v1, on which kubelets since 1.${NEEDS_CGROUP_V2} do not start by themselves`
        : `it has cgroup v1: the kubelet of ${version} warns of it, and those since 1.${NEEDS_CGROUP_V2} refuse it`,
      remedy: "boot it with systemd.unified_cgroup_hierarchy=1 (kernel command line)",
    });
  }
  const lacking = ["cpu", "cpuset", "memory", "pids"].filter((each) => cgroup?.controllers.includes(each) === false);
  if (lacking.length > 0) {
    drafts.push({
      code: "MACHINE_CGROUP",
      message: `its kernel has no cgroup controller ${lacking.join(", ")}, and the kubelet does not start without`,
      remedy: `boot it with ${lacking.map((each) => `cgroup_enable=${each}`).join(" ")} (kernel command line)`,
    });
  }
  if (swaps.length > 0) {
    drafts.push({
      code: "MACHINE_SWAP",
      message: `swap is on (${swaps.join(", ")}), and a kubelet does not start with it`,
      remedy: "swapoff --all, and take the swap out of /etc/fstab (as root)",
    });
  }
  for (const [module, state] of Object.entries(modules)) {
    if (state !== "missing") continue;
    drafts.push({
      code: "MACHINE_MODULE",
      message: `its kernel has no ${module}`,
      remedy:
        "install the modules of the running kernel (Debian, Ubuntu: linux-image; RHEL: kernel-modules-extra), reboot",
    });
  }
  return drafts;
};

const ownAddress: Judge = ({ interfaces: { problem, links } }, { address }) => {
  if (problem !== null) {
    const remedy = "install iproute2 (Debian, Ubuntu) or iproute (RHEL)";
    return [{ code: "MACHINE_TOOL_MISSING", message: `its interfaces cannot be read: ${problem}`, remedy }];
  }
  const found = links.flatMap(({ addresses }) => addresses);
  if (found.includes(address)) return [];
  const message = `none of its interfaces has its node address ${address}`;
  const remedy = `correct the inventory; it has ${found.join(", ") || "no address"}`;
  return [{ code: "MACHINE_ADDRESS", message, remedy }];
};

const ownName: Judge = ({ names, interfaces: { problem, links } }, { address }) => {
  const drafts: Draft[] = [];
  if (names === undefined || problem !== null) return drafts;
  const { host, addresses } = names;
  const own = new Set(links.flatMap((link) => link.addresses));
  const remedy = `add "${address} ${host}" to /etc/hosts`;
  if (addresses === null) {
    const message = `its own name ${host} is not resolved within 4 s: whatever asks for it hangs`;
    drafts.push({ code: "MACHINE_NAME_RESOLUTION", message, remedy });
  } else if (addresses.length === 0) {
    // kubeadm warns of it, too; nodes are given their addresses.
    const message = `its own name ${host} has no address; kubeadm warns of it`;
    drafts.push({ code: "MACHINE_NAME_RESOLUTION", ok: true, message, remedy });
  } else if (!addresses.some((each) => own.has(each) || each.startsWith("127."))) {
    const message = `its own name ${host} is resolved to ${addresses.join(", ")}, which it does not have`;
    drafts.push({ code: "MACHINE_NAME_RESOLUTION", message, remedy });
  }
  return drafts;
};

const firewall: Judge = ({ firewalls = [] }) =>
  firewalls.map((name) => ({
    code: "MACHINE_FIREWALL",
    message: `${name} is active: it drops what it has no rule for, pods' packets on their way through the machine too`,
    remedy: name === "ufw" ? "ufw disable (as root)" : "systemctl disable --now firewalld (as root)",
  }));

/** Ports, clusters and containers of this lab itself are none of `ofOthers`. */
interface Judges {
  always: readonly Judge[];
  ofOthers: readonly Judge[];
}
const OF_NODES: Judges = {
  always: [distribution, system, sizes, kubeletNeeds, ownAddress, ownName, firewall],
  ofOthers: [takenPorts, others],
};
/** Nothing is installed there, and what else runs there is nobody's business. */
const OUTSIDE: Judges = { always: [system, ownAddress], ofOthers: [takenPorts] };

/** What one machine lacks; `isOurs` where this lab holds it already. */
export async function machineFindings(
  machine: MeasuredMachine,
  needs: PreflightNeeds,
  isOurs: boolean,
): Promise<Finding[]> {
  const isOutside = machine.role === "external";
  const { always, ofOthers } = isOutside ? OUTSIDE : OF_NODES;
  const judges = isOurs ? always : [...always, ...ofOthers];
  const drafts = [
    summary(machine),
    ...judges.flatMap((judge) => judge(machine.facts, machine, needs)),
    ...(isOutside ? [] : await kernelDrafts(machine.facts, needs)),
    ...machine.facts.problems.map((problem) => ({
      code: "MACHINE_UNMEASURED",
      message: `a part of it could not be measured: ${problem}`,
    })),
  ];
  return drafts.map((draft) => named(machine.name, draft));
}

/** A finding of one machine, fit for a terminal. */
export function named(machine: string, { code, ok = false, message, remedy }: Draft): Finding {
  const finding = { code, ok, message: makeVisibleLine(`${machine}: ${message}`) };
  return remedy === undefined ? finding : { ...finding, remedy: makeVisibleLine(remedy) };
}

function summary({ role, facts }: MeasuredMachine): Draft {
  const { system: found, architecture, kernelRelease, cpus, memoryMb, disks = [] } = facts;
  const free = Math.floor((disks.at(-1)?.freeMb ?? 0) / 1024);
  return {
    code: "MACHINE",
    ok: true,
    message:
      `${role}, ${found?.name ?? "unknown system"}, kernel ${kernelRelease} (${ARCHITECTURES[architecture] ?? architecture}), ` +
      `${cpus} CPUs, ${memoryMb} MB of memory, ${free} GB free`,
  };
}

/** The machine's answers, judged by those who ask the same of this host. */
async function kernelDrafts({ kernel = [] }: MachineFacts, needs: PreflightNeeds): Promise<Draft[]> {
  const answers = new Map(kernel.map(({ argv, exitCode, stderr }) => [argv.join("\0"), { exitCode, stderr }]));
  try {
    const missing = await missingKernelFeatures([...needs.kernel, ...needs.shapers], (argv) => {
      const { exitCode, stderr } = answers.get(argv.join("\0")) ?? { exitCode: null, stderr: "it was not tried" };
      return Promise.resolve({ exitCode: exitCode ?? undefined, stderr });
    });
    return missing.map((feature) =>
      needs.kernel.includes(feature)
        ? {
            code: "MACHINE_KERNEL_FEATURE",
            message: `its kernel has no ${feature}, which ${needs.cni} needs`,
            remedy: `another mode (${needs.cniPage}), or a kernel that has it`,
          }
        : {
            code: "MACHINE_KERNEL_FEATURE",
            message: `its kernel has no ${feature} (sch_${feature}), which a fault of the lab is made with`,
            remedy: "install the modules of the running kernel (RHEL: kernel-modules-extra), or leave the fault out",
          },
    );
  } catch (error) {
    if (!(error instanceof LabError) || error.code !== "KERNEL_FEATURES_UNKNOWN") throw error;
    return [{ code: error.code, message: error.message, ...(error.hint === undefined ? {} : { remedy: error.hint }) }];
  }
}
