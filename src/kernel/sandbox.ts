import { existsSync, lstatSync, readlinkSync } from "node:fs";
import type { Writable } from "node:stream";
import { ignoreSetgroups } from "./seccomp.ts";

export interface SandboxOptions {
  /** UTS name inside. */
  hostname: string;
  /** Files that appear in /etc: name → path to bind read-only. */
  etc: Record<string, string>;
  env: Record<string, string>;
  /** Adds CAP_NET_ADMIN: for nodes, whose network is the learner's to change. */
  networkAdmin: boolean;
}

/** Accounts and groups that tools expect to find, for a sandbox's /etc; nothing of the host's. */
export const sandboxAccounts: Record<string, string> = {
  // tcpdump changes to this user; only id 0 exists in the user namespace of an ordinary user.
  passwd:
    "root:x:0:0:root:/root:/bin/sh\ntcpdump:x:0:0::/:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
  group: "root:x:0:\nnogroup:x:65534:\n",
};

/** Below / on the host: bound as it is when a folder, made again when a link (merged /usr). */
const SYSTEM = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/** Where commands look for programs unless a container's own PATH says otherwise. */
export const SANDBOX_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** In /etc on the host, without secrets, and needed for tools to work. */
const SHARED_ETC = [
  "alternatives",
  "ld.so.cache",
  "ld.so.conf",
  "ld.so.conf.d",
  "ssl",
  "ca-certificates",
  "pki",
  "protocols",
  "services",
  "iproute2",
  "localtime",
];

function systemMounts(): string[] {
  const args = ["--ro-bind", "/usr", "/usr"];
  for (const path of SYSTEM) {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat === undefined) continue;
    if (stat.isSymbolicLink()) args.push("--symlink", readlinkSync(path), path);
    else args.push("--ro-bind", path, path);
  }
  for (const name of SHARED_ETC) if (existsSync(`/etc/${name}`)) args.push("--ro-bind", `/etc/${name}`, `/etc/${name}`);
  return args;
}

let mounts: string[] | undefined;

/** The descriptor on which the sandbox expects {@link seccompProgram}. */
export const SECCOMP_FD = 3;

/** What to write to {@link SECCOMP_FD} of the command; empty where the architecture has no program, and no such descriptor. */
export const seccompProgram: Buffer = ignoreSetgroups() ?? Buffer.alloc(0);

/**
 * The bwrap(1) command that runs `argv` where it can see the system's programs read-only and nothing else of the host:
 * own pid, ipc, uts and mount namespaces, tmpfs for /tmp, no home, no host sockets, no new privileges, capabilities down
 * to what a container has on its network. The network namespace is the caller's. It dies with its parent.
 * Start it in a session of its own (setsid(2)) unless a person types into it: with the caller's terminal it could type.
 */
export function sandboxCommand(argv: readonly string[], options: SandboxOptions): string[] {
  mounts ??= systemMounts();
  const args = [
    "bwrap",
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--die-with-parent",
  ];
  args.push(
    "--hostname",
    options.hostname,
    "--cap-drop",
    "ALL",
    "--cap-add",
    "CAP_NET_RAW",
    "--cap-add",
    "CAP_NET_BIND_SERVICE",
  );
  if (options.networkAdmin) args.push("--cap-add", "CAP_NET_ADMIN");
  args.push(
    ...mounts,
    "--proc",
    "/proc",
    "--remount-ro",
    "/proc",
    "--dev",
    "/dev",
    "--size",
    String(64 << 20),
    "--tmpfs",
    "/tmp",
  );
  args.push("--dir", "/run", "--dir", "/root", "--dir", "/var/tmp");
  for (const [name, path] of Object.entries(options.etc)) args.push("--ro-bind", path, `/etc/${name}`);
  if (seccompProgram.length > 0) args.push("--seccomp", String(SECCOMP_FD));
  args.push("--remount-ro", "/", "--chdir", "/tmp", "--clearenv");
  const env = {
    PATH: SANDBOX_PATH,
    HOME: "/root",
    LANG: "C.UTF-8",
    ...options.env,
  };
  for (const [name, value] of Object.entries(env)) args.push("--setenv", name, value);
  return [...args, "--", ...argv];
}

/** Gives a started sandbox its seccomp program, on the pipe that is its descriptor {@link SECCOMP_FD}. */
export function sendSeccompProgram(child: { stdio: readonly unknown[] }): void {
  const pipe = child.stdio[SECCOMP_FD] as Writable | null | undefined;
  // A command that never started has closed it already; its own error says so.
  pipe?.on("error", () => undefined);
  pipe?.end(seccompProgram);
}
