import type { Lab } from "../lab/types.ts";
import type { Capabilities } from "../providers/types.ts";

/** A feature that a provider may lack. */
export type Feature = Capabilities["features"][number];

/** Why a lab needs each feature; a feature that is not a key is not needed. */
export function featuresNeeded(lab: Lab): Map<Feature, string> {
  const needs = new Map<Feature, string>();
  const need = (feature: Feature, why: string): void => {
    if (!needs.has(feature)) needs.set(feature, why);
  };
  const { networks, nodes } = lab.topology;
  if (networks.length > 1) need("several-node-networks", `its nodes are in ${networks.length} networks`);
  for (const node of nodes) {
    for (const { mtu, network } of node.interfaces) {
      if (mtu !== 1500) need("link-mtu", `the link of ${node.name} to ${network} has MTU ${mtu}`);
    }
    if (node.role === "worker" && node.taints.length > 0) need("node-taints", `its node ${node.name} has taints`);
  }
  for (const { name, from, options } of lab.probes) {
    if (from?.kind === "external" || mentions(options, "external"))
      need("external-host", `probe ${JSON.stringify(name)} uses a host outside the cluster`);
    // A node that is only probed needs nothing that runs on it.
    if (from?.kind === "node" || isSwitchedOn(options, "nodes"))
      need("node-exec", `probe ${JSON.stringify(name)} starts on a node`);
  }
  for (const { kind, options } of lab.scenario) {
    if (mentions(options, "external")) need("external-host", `a step ${kind} uses a host outside the cluster`);
    if (mentions(options, "node")) need("node-exec", `a step ${kind} runs on a node`);
  }
  if (lab.ipFamily === "dual") need("dual-stack", "its cluster has IPv4 and IPv6 (cluster.ipFamily)");
  const addOns = lab.realCluster?.addOns ?? [];
  if (addOns.length > 0) need("add-ons", `it asks for ${addOns.join(", ")}`);
  const settings = settingsOf(lab);
  if (settings.length > 0) need("cluster-settings", `it sets ${settings.join(", ")}`);
  return needs;
}

function settingsOf({ realCluster }: Lab): string[] {
  if (realCluster === undefined) return [];
  const { addOns, kubeadmPatches, portMappings } = realCluster;
  const settings = [
    ...(kubeadmPatches.length > 0 ? ["cluster.kubeadmPatches"] : []),
    ...(portMappings.length > 0 ? ["cluster.portMappings"] : []),
  ];
  // What a lab says of add-ons alone leaves the mode at its default.
  return settings.length > 0 || addOns.length > 0 ? settings : ["cluster.kubeProxyMode"];
}

/** Whether options hold a reference of that kind, or the switch (`external: true`) that stands for it. */
function mentions(options: unknown, kind: "external" | "node"): boolean {
  if (typeof options !== "object" || options === null) return false;
  if ((options as { kind?: unknown }).kind === kind || isSwitchedOn(options, kind)) return true;
  return Object.values(options).some((value) => mentions(value, kind));
}

function isSwitchedOn(options: unknown, name: string): boolean {
  return (
    typeof options === "object" &&
    options !== null &&
    Object.hasOwn(options, name) &&
    (options as Record<string, unknown>)[name] === true
  );
}
