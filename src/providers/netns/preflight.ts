import { accessSync, constants, existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { cnis } from "../../cnis/registry.ts";
import type { Cni } from "../../cnis/types.ts";
import { makeVisibleLine } from "../../core/visible-text.ts";
import type { Plan } from "../../plan/types.ts";
import type { Fault } from "../fault.ts";
import { kernelFinding, missingKernelFeatures } from "../kernel-features.ts";
import type { Finding } from "../types.ts";
import { conntrackLimit, conntrackRefusal } from "./conntrack-limit.ts";

/** The PATH of commands inside a lab, whatever the user's is (sandboxCommand in src/kernel/sandbox.ts sets it). */
export const LAB_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Where execvp(3) looks without a PATH. */
const DEFAULT_PATH = "/bin:/usr/bin";

function isInstalled(program: string, path: string): boolean {
  const folders = path.split(":").filter((folder) => folder !== "");
  return folders.some((folder) => {
    const file = join(folder, program);
    try {
      accessSync(file, constants.X_OK);
      return statSync(file).isFile();
    } catch {
      // Not here; the next folder may have it.
      return false;
    }
  });
}

/** `probes`: only for labs that have such a probe. */
type ProgramNeed = readonly [program: string, purpose: string, debianPackage: string, probes?: readonly string[]];

/** Programs that start a lab and its sandboxes, found by the user's PATH. */
const HOST_PROGRAMS: readonly ProgramNeed[] = [
  ["unshare", "starts the lab in namespaces of its own", "util-linux"],
  ["nsenter", "cnilab shell and exec -it", "util-linux"],
  ["bwrap", "keeps commands of a lab away from the host", "bubblewrap"],
];

/** Programs of probes and people inside a lab. */
const LAB_PROGRAMS: readonly ProgramNeed[] = [
  ["ip", "shows a lab's network in exec and shell", "iproute2"],
  ["nft", "shows a lab's rules in exec and shell", "nftables"],
  ["ping", "the ping probe", "iputils-ping"],
  ["curl", "the curl probe", "curl"],
  ["dig", "the dns probe", "dnsutils"],
  ["iperf3", "the iperf probe", "iperf3"],
  ["tcpdump", "captures of the path and plaintext probes", "tcpdump", ["path", "plaintext"]],
];

/** Looks for each program only where whoever starts it looks. */
function programFindings(hostPath: string, plan: Plan | undefined): Finding[] {
  const isNeeded = ([, , , probes]: ProgramNeed): boolean =>
    probes === undefined || plan === undefined || plan.probes.some(({ kind }) => probes.includes(kind));
  return [
    ...HOST_PROGRAMS.map((need) => programFinding(need, hostPath, "is not in PATH")),
    ...LAB_PROGRAMS.filter(isNeeded).map((need) => programFinding(need, LAB_PATH, "is missing")),
  ];
}

function programFinding([program, purpose, debianPackage]: ProgramNeed, path: string, problem: string): Finding {
  if (isInstalled(program, path)) return { code: "HOST_TOOL", ok: true, message: `${program}: ${purpose}` };
  return {
    code: "HOST_TOOL_MISSING",
    ok: false,
    message: `${program} ${problem}: ${purpose}`,
    remedy: `install it (Debian, Ubuntu: apt-get install ${debianPackage})`,
  };
}

/** Whether pods of a node are ports of one bridge: netfilter sees what they send each other only with br_netfilter. */
function hasBridge(cni: string): boolean {
  const segment = (cnis as Record<string, Cni>)[cni]?.dataplane?.segment;
  return segment !== undefined && segment !== "none";
}

/** A lab of a mode that the kernel cannot carry is refused before anything is made. A try loads the module, as root's own would be. */
async function modeFindings({ cni }: Plan): Promise<Finding[]> {
  const features = (cnis as Record<string, Cni>)[cni.name]?.dataplane?.kernel?.(cni) ?? [];
  return (await missingKernelFeatures(features)).map((feature) => kernelFinding(feature, cni));
}

function bridgeFinding(): Finding {
  const ok = existsSync("/proc/sys/net/bridge/bridge-nf-call-iptables");
  if (ok)
    return {
      code: "HOST_BRIDGE_NETFILTER",
      ok,
      message: "bridged packets pass netfilter (br_netfilter)",
    };
  return {
    code: "HOST_NO_BRIDGE_NETFILTER",
    ok,
    message:
      "br_netfilter is not loaded: on flannel and weave a pod would not reach a Service whose endpoint is on its own node, " +
      "and weave would enforce no policy",
    remedy: "modprobe br_netfilter (as root)",
  };
}

/** ipv6.disable=1 of the kernel's command line, or a kernel without it; where it is only switched off, labs switch it on for themselves. */
function ipv6Finding(): Finding {
  if (existsSync("/proc/sys/net/ipv6")) return { code: "HOST_IPV6", ok: true, message: "the kernel has IPv6" };
  return {
    code: "HOST_NO_IPV6",
    ok: false,
    message: "this kernel has no IPv6, which dual-stack labs need",
    remedy: "start it without ipv6.disable=1, or leave cluster.ipFamily out",
  };
}

/** Never a failure: rules of SCTP need no socket, and what does is refused by the plan on every host. */
async function sctpFinding(): Promise<Finding> {
  // Loads the C library: doctor asks, the start of a lab does not.
  const { hasSctp } = await import("../../kernel/sockets.ts");
  return hasSctp()
    ? { code: "HOST_SCTP", ok: true, message: "the kernel has SCTP sockets, which no probe uses yet" }
    : { code: "HOST_NO_SCTP", ok: true, message: "this kernel has no SCTP sockets; no lab needs them" };
}

/** Tries what every lab begins with. */
async function namespaceFinding(hostPath: string): Promise<Finding> {
  if (!isInstalled("unshare", hostPath)) {
    return {
      code: "HOST_NO_NAMESPACES",
      ok: false,
      message: "whether namespaces can be made is not known without unshare",
    };
  }
  // Loaded for this alone: doctor asks, the start of a lab does not.
  const { execa } = await import("execa");
  const isolate = ["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child"];
  const { failed, stderr, originalMessage, shortMessage } = await execa("unshare", [...isolate, "true"], {
    reject: false,
  });
  if (!failed) {
    const { failed: isHidden } = await execa("unshare", [...isolate, "--mount-proc", "true"], { reject: false });
    if (isHidden) {
      return {
        code: "HOST_PROC_HIDDEN",
        ok: false,
        message: "a lab cannot have its own /proc: parts of this one are hidden, as in most containers",
        remedy: "run cnilab outside the container, or with --security-opt systempaths=unconfined (docker, podman)",
      };
    }
    return { code: "HOST_NAMESPACES", ok: true, message: "user, network, mount and pid namespaces can be made" };
  }
  const said = stderr.trim() === "" ? (originalMessage ?? shortMessage ?? "") : stderr;
  const reason = makeVisibleLine(said.trim().split("\n").at(-1) ?? "");
  return {
    code: "HOST_NO_NAMESPACES",
    ok: false,
    message: `namespaces cannot be made: ${reason}`,
    remedy: namespaceRemedy(),
  };
}

function hasFault({ scenario }: Plan, wanted: Fault["kind"]): boolean {
  return scenario.some(({ kind, options }) => kind === "fault" && (options as Fault).kind === wanted);
}

/** The table is filled, since its limit is the host's and read-only in namespaces: how large it is decides. */
function conntrackFinding(): Finding {
  const refusal = conntrackRefusal(conntrackLimit());
  if (refusal === undefined)
    return { code: "HOST_CONNTRACK", ok: true, message: "the connection tracking table of a node can be filled" };
  return {
    code: "HOST_CONNTRACK_TOO_LARGE",
    ok: false,
    message: refusal,
    remedy: `sysctl net.netfilter.nf_conntrack_max=262144 (as root), or leave the fault conntrackFull out`,
  };
}

/** Tries it in namespaces that are gone with the command: a module may be loaded by that, which no file tells. */
async function netemFinding(hostPath: string): Promise<Finding> {
  const path = `${hostPath}:${LAB_PATH}`;
  const tc = programFinding(["tc", "tries whether the kernel can delay a link", "iproute2"], path, "is missing");
  if (!tc.ok || !isInstalled("unshare", hostPath)) return tc;
  const { execa } = await import("execa");
  const command = ["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"];
  const isolate = ["--user", "--map-root-user", "--net"];
  const { failed } = await execa("unshare", [...isolate, ...command], { reject: false, env: { PATH: path } });
  if (!failed) return { code: "HOST_NETEM", ok: true, message: "netem: links can be delayed" };
  return {
    code: "HOST_NO_NETEM",
    ok: false,
    message: "this kernel has no netem (CONFIG_NET_SCH_NETEM), which alone makes the fault delay",
    remedy: "modprobe sch_netem (as root), or leave the fault delay out",
  };
}

function sysctl(name: string): string | undefined {
  const path = `/proc/sys/${name.replaceAll(".", "/")}`;
  return existsSync(path) ? readFileSync(path, "utf8").trim() : undefined;
}

function namespaceRemedy(): string {
  if (sysctl("kernel.unprivileged_userns_clone") === "0") return "sysctl kernel.unprivileged_userns_clone=1 (as root)";
  if (sysctl("kernel.apparmor_restrict_unprivileged_userns") === "1") {
    return "sysctl kernel.apparmor_restrict_unprivileged_userns=0 (as root), or run cnilab as root";
  }
  if (sysctl("user.max_user_namespaces") === "0") return "sysctl user.max_user_namespaces=10000 (as root)";
  return "run cnilab as root, or where user namespaces are allowed";
}

/**
 * What this host lacks for labs made of namespaces. With a plan only what costs no process and that plan needs; without
 * one, everything that any lab needs (for doctor).
 */
export async function netnsPreflight(plan: Plan | undefined): Promise<Finding[]> {
  if (process.platform !== "linux") {
    return [
      {
        code: "HOST_NOT_LINUX",
        ok: false,
        message: `the netns provider needs Linux; this is ${process.platform}`,
        remedy: "run it in a Linux virtual machine, or use --provider kind",
      },
    ];
  }
  const hostPath = process.env["PATH"] ?? DEFAULT_PATH;
  const findings = programFindings(hostPath, plan);
  if (plan === undefined || hasBridge(plan.cni.name)) findings.push(bridgeFinding());
  if (plan === undefined || plan.cni.podCidrs.length > 1) findings.push(ipv6Finding());
  if (plan === undefined) findings.push(await sctpFinding(), await namespaceFinding(hostPath));
  else {
    findings.push(...(await modeFindings(plan)));
    if (hasFault(plan, "delay")) findings.push(await netemFinding(hostPath));
    if (hasFault(plan, "conntrackFull")) findings.push(conntrackFinding());
  }
  return findings;
}
