import { LabError } from "../core/errors.ts";
import { DEFAULT_REAL_CLUSTER } from "../lab/real-cluster.ts";
import type { Plan } from "../plan/types.ts";
import type { ResetResult } from "../providers/types.ts";
import type { Provisioned } from "./provision.ts";
import { forgetAnswers } from "./reset-lab.ts";

/** What of a plan its cluster is made from, each part under the name that messages give it. */
function clusterParts({ provider, topology, cni, cluster, realCluster }: Plan): Record<string, unknown> {
  const { networks, nodes } = topology;
  const { name, mode, podCidrs, mtu, options } = cni;
  const { kubeProxyMode, addOns, kubeadmPatches, portMappings } = realCluster ?? DEFAULT_REAL_CLUSTER;
  return {
    provider,
    networks,
    nodes,
    CNI: name,
    "CNI mode": mode,
    "pod network": podCidrs,
    "pod MTU": mtu,
    "CNI options": options,
    "cluster networks": cluster,
    "kube-proxy mode": kubeProxyMode,
    "add-ons": addOns.toSorted(),
    "kubeadm patches": kubeadmPatches,
    "port mappings": portMappings,
  };
}

/** Equal for plans whose labs can follow one another on one cluster. */
export function clusterKey(plan: Plan): string {
  return JSON.stringify(clusterParts(plan), inKeyOrder);
}

/** The first thing that a cluster made for one plan has other than another plan needs; undefined where it can serve both. */
export function whyNotReusable(made: Plan, next: Plan): string | undefined {
  const [one, other] = [clusterParts(made), clusterParts(next)];
  return Object.keys(one).find(
    (part) => JSON.stringify(one[part], inKeyOrder) !== JSON.stringify(other[part], inKeyOrder),
  );
}

/**
 * Brings a cluster back to how it was after CNI installation and gives it another lab's plan; scenario and baseline are
 * the caller's to make. State folder, lock and `plan.lab.name` stay those of the lab that the cluster was made for. Throws
 * RESET_NOT_POSSIBLE, REUSE_DIFFERENT, and RESET_UNCLEAN, after which the cluster is fit only to be removed.
 */
export async function reuseCluster(lab: Provisioned, next: Plan): Promise<{ lab: Provisioned; reset: ResetResult }> {
  const { cluster, plan, wish, record, up } = lab;
  const difference = whyNotReusable(wish, next);
  if (difference !== undefined) {
    const message = `lab ${next.lab.name} cannot run on the cluster of ${plan.lab.name}: other ${difference}`;
    throw new LabError("REUSE_DIFFERENT", message);
  }
  if (cluster.reset === undefined) {
    throw new LabError("RESET_NOT_POSSIBLE", `provider ${plan.provider} cannot bring a cluster back to its beginning`);
  }
  const reset = await cluster.reset();
  const adopted = up.adopt?.(next) ?? next;
  const moved: Plan = { ...adopted, lab: { ...next.lab, name: plan.lab.name } };
  return { lab: { ...lab, plan: moved, wish: next, record: { ...forgetAnswers(record), plan: moved } }, reset };
}

/** Maps of a lab file may be written in any order. */
function inKeyOrder(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1)));
}
