import type { Draft, Judge } from "./judge.ts";
import { portsOf } from "./needs.ts";

/** Programs of a cluster by their names in /proc, which are cut at 15 bytes, and of CNIs' agents; "" is the kernel. */
const OF_CLUSTER =
  /^(kubelet|kube-apiserver|kube-controller|kube-scheduler|kube-proxy|etcd|calico-node|bird6?|flanneld|weaver|weave-npc|)$/;

/** As external-server.py calls itself. */
const OF_DEAD_LAB = /^cnilab-external$/;

/** Ports that Kubernetes or the CNI will need and somebody has. */
export const takenPorts: Judge = ({ listeners = [], cluster }, { role }, needs) =>
  portsOf(role, needs).flatMap(({ protocol, port, what }): Draft[] => {
    const holders = listeners.filter((each) => each.protocol === protocol && each.port === port);
    if (holders.length === 0) return [];
    const names = [...new Set(holders.map(({ holder }) => holder ?? "the kernel, or another user's process"))];
    const areAll = (pattern: RegExp): boolean =>
      holders.every(({ holder }) => pattern.test(holder?.split(" ")[0] ?? ""));
    const goes =
      needs.force === "before" &&
      (role === "external" ? areAll(OF_DEAD_LAB) : (cluster?.known ?? []).length > 0 && areAll(OF_CLUSTER));
    return [
      {
        code: "MACHINE_PORT_TAKEN",
        ok: goes,
        message: `${protocol} port ${port} of ${what} is taken by ${names.join(", ")}`,
        remedy: `end it: ss -lnp${protocol === "tcp" ? "t" : "u"} 'sport = ${port}' shows it (as root)`,
      },
    ];
  });

/** Clusters and containers that a lab would disturb, or take away by force. */
export const others: Judge = ({ cluster = { known: [], strange: [] }, containers = [] }, _machine, { force }) => {
  const drafts: Draft[] = [];
  const { known, strange } = cluster;
  if (force !== undefined && strange.length > 0) {
    drafts.push({
      code: "MACHINE_HAS_CLUSTER",
      message: `there is a cluster, or what one left, that --force does not know how to take away: ${listed(strange)}`,
      remedy: "remove it by its own tools, such as k3s-uninstall.sh; or use another machine",
    });
  } else if (known.length + strange.length > 0) {
    const goes = force === "before";
    drafts.push({
      code: "MACHINE_HAS_CLUSTER",
      ok: goes,
      message: `there is a cluster, or what one left: ${listed([...known, ...strange])}${goes ? "; --force takes it away" : ""}`,
      remedy: "use another machine; or remove it (kubeadm reset), or cnilab up --force if it may be destroyed",
    });
  }
  for (const { where, count } of containers) {
    const goes = where === "containerd, namespace k8s.io";
    drafts.push({
      code: "MACHINE_CONTAINERS",
      ok: force !== undefined,
      message:
        `it has ${count} container${count === 1 ? "" : "s"} of others (${where})` +
        (force === undefined ? "" : goes ? "; --force takes them away" : "; they stay"),
      remedy: "use another machine; or remove them, or cnilab up --force, which takes away those of a cluster",
    });
  }
  return drafts;
};

function listed(signs: readonly string[]): string {
  return signs.slice(0, 5).join(", ") + (signs.length > 5 ? `, and ${signs.length - 5} more` : "");
}
