import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plan } from "../../plan/types.ts";
import type { Finding } from "../types.ts";

/** Where programs are, also when the user's PATH lacks the sbin folders. */
function searchPath(): string[] {
  return [...new Set([...(process.env["PATH"] ?? "").split(":"), "/usr/sbin", "/sbin", "/usr/bin", "/bin"])].filter(
    Boolean,
  );
}

function isInstalled(program: string): boolean {
  return searchPath().some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      // Not here; the next folder may have it.
      return false;
    }
  });
}

/** Programs the provider and the probes run, with what they are for. */
const PROGRAMS: readonly [program: string, purpose: string, debianPackage: string][] = [
  ["unshare", "starts the lab in namespaces of its own", "util-linux"],
  ["nsenter", "cnilab shell and exec -it", "util-linux"],
  ["bwrap", "keeps commands of a lab away from the host", "bubblewrap"],
  ["ip", "shows a lab's network in exec and shell", "iproute2"],
  ["nft", "shows a lab's rules in exec and shell", "nftables"],
  ["ping", "the ping probe", "iputils-ping"],
  ["curl", "the curl probe", "curl"],
  ["dig", "the dns probe", "dnsutils"],
  ["iperf3", "the iperf probe", "iperf3"],
];

function programFindings(): Finding[] {
  return PROGRAMS.map(([program, purpose, debianPackage]) => {
    if (isInstalled(program)) return { code: "HOST_TOOL", ok: true, message: `${program}: ${purpose}` };
    return {
      code: "HOST_TOOL_MISSING",
      ok: false,
      message: `${program} is missing: ${purpose}`,
      remedy: `install it (Debian, Ubuntu: apt-get install ${debianPackage})`,
    };
  });
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
    message: "br_netfilter is not loaded: on flannel a pod would not reach a Service whose endpoint is on its own node",
    remedy: "modprobe br_netfilter (as root)",
  };
}

/** Tries what every lab begins with. */
async function namespaceFinding(): Promise<Finding> {
  // Loaded for this alone: doctor asks, the start of a lab does not.
  const { execa } = await import("execa");
  const isolate = ["--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child"];
  const { failed, stderr, shortMessage } = await execa("unshare", [...isolate, "true"], { reject: false });
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
  const reason = stderr === "" ? shortMessage : stderr.split("\n").at(-1);
  return {
    code: "HOST_NO_NAMESPACES",
    ok: false,
    message: `namespaces cannot be made: ${reason}`,
    remedy: namespaceRemedy(),
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
 * one, everything (for doctor).
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
  const findings = programFindings();
  if (plan === undefined || plan.cni.name === "flannel") findings.push(bridgeFinding());
  if (plan === undefined) findings.push(await namespaceFinding());
  return findings;
}
