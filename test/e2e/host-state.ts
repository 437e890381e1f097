import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";

/** What of the host a lab must not change, as text that can be compared. */
export interface HostState {
  links: string;
  routes: string;
  rules: string;
  mounts: string;
  namedNamespaces: string;
}

function output(command: string, ...args: string[]): string {
  return execFileSync(command, args, {
    encoding: "utf8",
    // nft warns of tables that another program owns.
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` },
  });
}

/**
 * Links, routes, mounts and named namespaces of the host; its nftables too where we may read them (root), without counters:
 * those count what anybody's containers send.
 */
export function hostState(): HostState {
  return {
    links: output("ip", "-o", "link"),
    routes: output("ip", "route", "show", "table", "all"),
    rules: process.getuid?.() === 0 ? output("nft", "--stateless", "list", "ruleset") : "",
    mounts: readFileSync("/proc/self/mountinfo", "utf8"),
    namedNamespaces: existsSync("/run/netns") ? readdirSync("/run/netns").join("\n") : "",
  };
}

export interface ProcessRow {
  pid: number;
  parent: number;
  commandLine: string;
  netns: string | undefined;
}

/** Processes as /proc shows them; one that ends meanwhile is left out. */
export function processes(): ProcessRow[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "utf8");
        const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        if (state === "Z" || state === "X") return [];
        const commandLine = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ");
        return [{ pid: Number(name), parent: Number(parent), commandLine, netns: netnsOf(name) }];
      } catch {
        return [];
      }
    });
}

function netnsOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    // Another user's process.
    return undefined;
  }
}

/** The process and everything below it. */
export function treeOf(root: number, rows: readonly ProcessRow[]): ProcessRow[] {
  const tree = rows.filter(({ pid }) => pid === root);
  for (let added = tree; added.length > 0;) {
    const parents = new Set(added.map(({ pid }) => pid));
    added = rows.filter(({ parent }) => parents.has(parent));
    tree.push(...added);
  }
  return tree;
}

/** Docker's, which other work on the host may start at any time; a lab's processes stay in the control group of their parent. */
function isInContainer(pid: number): boolean {
  const isDockers = (file: string): boolean => readFileSync(file, "utf8").includes("/docker/");
  try {
    return isDockers(`/proc/${pid}/cgroup`) && !isDockers("/proc/self/cgroup");
  } catch {
    // It has ended; the next look will not find it.
    return false;
  }
}

/** Processes that belong to labs of this state folder, or that live in a network namespace which was not there before. */
export function labProcesses(stateHome: string, before: ReadonlySet<string>): ProcessRow[] {
  const own = readlinkSync("/proc/self/ns/net");
  return processes().filter(
    ({ pid, commandLine, netns }) =>
      pid !== process.pid &&
      (commandLine.includes(stateHome) ||
        (netns !== undefined && netns !== own && !before.has(netns) && !isInContainer(pid))),
  );
}

/** Network namespaces that some process is in. */
export function namespacesInUse(): Set<string> {
  return new Set(processes().flatMap(({ netns }) => netns ?? []));
}

/** Resolves once `condition` holds; rejects with what `describe` says when it does not within the time. */
export async function until(condition: () => boolean, timeoutMs: number, describe: () => string): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(describe());
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
