import { stringify } from "yaml";
import { DEFAULT_REAL_CLUSTER } from "../../lab/real-cluster.ts";
import type { Plan, PlannedNode } from "../../plan/types.ts";
import { isReservedLabel } from "../real/node-labels.ts";
import { STORE_PATH } from "./node-store.ts";

/** Whether kind decides about the taints of the only node, so that others have to be set through the API. */
export function hasTaintsToPatch({ topology }: Plan): boolean {
  return topology.nodes.length === 1 && (topology.nodes[0]?.taints.length ?? 0) > 0;
}

/** Nodes in the order in which kind gets them; kind's own is by role. */
export function nodesInOrder({ topology }: Plan): PlannedNode[] {
  const { nodes } = topology;
  return [...nodes.filter(({ role }) => role === "control-plane"), ...nodes.filter(({ role }) => role === "worker")];
}

/**
 * kind's configuration (v1alpha4) for a plan, as YAML. Nodes register under the topology's names, whatever their containers
 * are called; `storeOnHost` is the folder, on Docker's host, that holds the images of a prepared node image.
 */
export function kindConfig(plan: Plan, { storeOnHost }: { storeOnHost: string | undefined }): string {
  const { cni, cluster, realCluster = DEFAULT_REAL_CLUSTER } = plan;
  const nodes = nodesInOrder(plan);
  const patches = [
    { kind: "ClusterConfiguration", networking: { dnsDomain: cluster.dnsDomain } },
    ...realCluster.kubeadmPatches,
  ];
  return stringify({
    kind: "Cluster",
    apiVersion: "kind.x-k8s.io/v1alpha4",
    networking: {
      ipFamily: cni.podCidrs.length > 1 ? "dual" : "ipv4",
      disableDefaultCNI: true,
      podSubnet: cni.podCidrs.join(","),
      serviceSubnet: cluster.serviceCidrs.join(","),
      kubeProxyMode: realCluster.kubeProxyMode,
    },
    kubeadmConfigPatches: patches.map((patch) => (typeof patch === "string" ? patch : stringify(patch))),
    nodes: nodes.map((node, index) => nodeConfig(plan, node, { isFirst: index === 0, storeOnHost })),
  });
}

function nodeConfig(
  { topology, realCluster = DEFAULT_REAL_CLUSTER }: Plan,
  node: PlannedNode,
  { isFirst, storeOnHost }: { isFirst: boolean; storeOnHost: string | undefined },
): Record<string, unknown> {
  const labels = Object.fromEntries(Object.entries(node.labels).filter(([key]) => !isReservedLabel(key)));
  const ports = realCluster.portMappings.filter((mapping) => mapping.node === node.name);
  const registration = {
    name: node.name,
    // kind fails to remove a taint that is not there.
    ...(topology.nodes.length === 1 ? {} : { taints: node.taints }),
  };
  return {
    role: node.role,
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
    ...(storeOnHost === undefined
      ? {}
      : { extraMounts: [{ hostPath: storeOnHost, containerPath: STORE_PATH, readOnly: true }] }),
    ...(ports.length === 0
      ? {}
      : {
          extraPortMappings: ports.map(({ containerPort, hostPort, listenAddress = "127.0.0.1", protocol }) => ({
            containerPort,
            hostPort,
            listenAddress,
            protocol: protocol.toUpperCase(),
          })),
        }),
    kubeadmConfigPatches: [
      stringify({ kind: isFirst ? "InitConfiguration" : "JoinConfiguration", nodeRegistration: registration }),
    ],
  };
}
