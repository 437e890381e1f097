import { createHash } from "node:crypto";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { hostname } from "node:os";

/** Labels of everything of ours in Docker; node containers carry kind's own, since kind takes no others. */
export const LABELS = {
  lab: "cnilab.dev/lab",
  /** {@link ownerOf} of the state directory that it belongs to. */
  owner: "cnilab.dev/owner",
  /** "network", "external", "agent", or "probe" for one that asks whether a name can be had. */
  role: "cnilab.dev/role",
} as const;

/** kind's labels of node containers (sigs.k8s.io/kind/pkg/cluster/constants). */
export const KIND_LABELS = { cluster: "io.x-k8s.kind.cluster", role: "io.x-k8s.kind.role" } as const;

/** A container's hostname has at most 63 characters, and kind appends "-external-load-balancer". */
const MAX_CLUSTER_NAME = 40;

/** kind's name for a lab's cluster, and its Docker network's: `cnilab-LAB`, long names cut and told apart by a digest. */
export function clusterName(lab: string): string {
  const name = `cnilab-${lab}`;
  if (name.length <= MAX_CLUSTER_NAME) return name;
  const digest = createHash("sha256").update(lab).digest("hex").slice(0, 8);
  return `${name.slice(0, MAX_CLUSTER_NAME - 9)}-${digest}`;
}

function machineId(): string {
  const file = "/etc/machine-id";
  return existsSync(file) ? readFileSync(file, "utf8").trim() : hostname();
}

/**
 * Whose a lab's things in Docker are: a digest of this machine and its state directory, the same every time. Two users, or
 * two machines with one Docker engine, may have labs of the same name.
 */
export function ownerOf(stateDirectory: string): string {
  const path = existsSync(stateDirectory) ? realpathSync(stateDirectory) : stateDirectory;
  return createHash("sha256").update(`${machineId()}\0${path}`).digest("hex").slice(0, 16);
}

/**
 * Container names that kind gives to nodes of these roles, in this order (kind's MakeNodeNamer): the first of a role has no
 * number, the second has 2.
 */
export function containerNames(cluster: string, roles: readonly ("control-plane" | "worker")[]): string[] {
  const counts = new Map<string, number>();
  return roles.map((role) => {
    const count = (counts.get(role) ?? 0) + 1;
    counts.set(role, count);
    return `${cluster}-${role}${count === 1 ? "" : count}`;
  });
}
