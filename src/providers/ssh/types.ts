import type { SshTarget } from "../../exec/ssh/types.ts";
import type { PlannedNode } from "../../plan/types.ts";

/** A machine that stands for a node of a lab. */
export interface InventoryMachine extends Pick<PlannedNode, "role" | "labels" | "taints"> {
  /** The lab's name of it, and its name in the cluster. */
  node: string;
  target: SshTarget;
  /** The address that other nodes use. */
  nodeAddress: string;
}

/** What a cluster of machines is made with. */
export interface ClusterSettings {
  /** Without its v: "1.34.4". */
  kubernetesVersion: string;
  podCidrs: readonly string[];
  serviceCidrs: readonly string[];
  dnsDomain: string;
  kubeProxyMode: "iptables" | "nftables";
  /** YAML documents of kubeadm's configuration. */
  kubeadmPatches: readonly string[];
  /** Folder with everything that is installed; undefined for package repositories. See docs/ansible.md. */
  bundle: string | undefined;
}
