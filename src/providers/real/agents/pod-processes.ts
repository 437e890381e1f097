import { readdirSync } from "node:fs";
import { join } from "node:path";
import { processStat, readIfThere, type ProcessStat } from "../../../exec/process-stat.ts";

/** A process of a pod, by the numbers of this host's /proc. */
export interface PodProcess {
  pid: number;
  /** Clock ticks after boot; with the pid it names one process for good. */
  startTime: number;
  /** Name of the program, at most 15 bytes (proc_pid_comm(5)). */
  name: string;
  /** The runtime's cgroup of its container. */
  container: string;
}

/** The processes of a pod that matter: one that holds its network namespace, and one that sees its containers' files. */
export interface PodAnchor {
  network: PodProcess;
  /** The first process of the oldest container that is not the sandbox's own. */
  container: PodProcess;
}

/**
 * A pod's cgroup under both drivers: `…/pod8f3c…-…/<container>` and `…-pod8f3c…_….slice/cri-containerd-<container>.scope`. A
 * static pod's uid is the hash of its file, without dashes.
 */
const podCgroup =
  /[/-]pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?(?:\/([^/\n]+))?(?=\/|$)/g;

/** The program that holds a sandbox's namespaces open under containerd, CRI-O and cri-dockerd. */
const SANDBOX_PROGRAM = "pause";

/**
 * Uid and container of a process from its /proc/PID/cgroup, cgroup v1 and v2; undefined outside pods. Where this host is
 * itself a pod, the innermost pod counts.
 */
export function podOfCgroup(text: string): { uid: string; container: string } | undefined {
  for (const line of text.split("\n")) {
    const [, uid, container = ""] = [...line.matchAll(podCgroup)].at(-1) ?? [];
    if (uid !== undefined) return { uid: uid.replaceAll("_", "-"), container };
  }
  return undefined;
}

/** Undefined where no such process runs; one that has ended and is not yet reaped does not run. */
export function statOf(pid: number, proc = "/proc"): ProcessStat | undefined {
  const stat = processStat(pid, proc);
  return stat?.state === "Z" || stat?.state === "X" ? undefined : stat;
}

/**
 * Finds the running processes of all pods, by `<node>/<uid>`: one walk over /proc. A process belongs to the node whose
 * container's first process is among its ancestors, since a pid namespace's orphans go to its first process
 * (pid_namespaces(7)): the same uid in another cluster's node is another pod.
 */
export function scanPods(nodes: ReadonlyMap<string, number>, proc = "/proc"): Map<string, PodProcess[]> {
  const nodeOf = new Map<number, string | undefined>([...nodes].map(([node, pid]) => [pid, node]));
  const findNode = (pid: number): string | undefined => {
    if (nodeOf.has(pid)) return nodeOf.get(pid);
    const stat = pid > 1 ? statOf(pid, proc) : undefined;
    const node = stat === undefined ? undefined : findNode(stat.parent);
    nodeOf.set(pid, node);
    return node;
  };
  const found = new Map<string, PodProcess[]>();
  for (const entry of readdirSync(proc)) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const pod = podOfCgroup(readIfThere(join(proc, entry, "cgroup")) ?? "");
    const stat = pod === undefined ? undefined : statOf(pid, proc);
    const node = stat === undefined ? undefined : findNode(pid);
    if (pod === undefined || stat === undefined || node === undefined) continue;
    const key = `${node}/${pod.uid}`;
    const list = found.get(key) ?? [];
    if (list.length === 0) found.set(key, list);
    list.push({ pid, startTime: stat.startTime, name: stat.name, container: pod.container });
  }
  return found;
}

/**
 * Picks a pod's anchors: its oldest process is the sandbox's (or, under runtimes without one, its first container's), whose
 * network namespace is the pod's even where a container's own children have left for another. Undefined where no
 * container runs.
 */
export function anchorOf(processes: readonly PodProcess[]): PodAnchor | undefined {
  const byAge = processes.toSorted((a, b) => a.startTime - b.startTime || a.pid - b.pid);
  const [network] = byAge;
  const container =
    byAge.find((each) => each.container !== network?.container) ??
    (network?.name === SANDBOX_PROGRAM ? undefined : network);
  return network === undefined || container === undefined ? undefined : { network, container };
}
