import type { Lab } from "../lab/types.ts";
import type { Capabilities } from "../providers/types.ts";

/** A feature that a provider may lack. */
export type Feature = Capabilities["features"][number];

/** Why a lab needs each feature; a feature that is not a key is not needed. */
export function featuresNeeded(lab: Lab): Map<Feature, string> {
  const needs = new Map<Feature, string>();
  const { networks, nodes } = lab.topology;
  if (networks.length > 1) needs.set("several-node-networks", `its nodes are in ${networks.length} networks`);
  for (const node of nodes) {
    for (const { mtu, network } of node.interfaces) {
      if (mtu !== 1500) needs.set("link-mtu", `the link of ${node.name} to ${network} has MTU ${mtu}`);
    }
  }
  for (const { name, from, options } of lab.probes) {
    if (from?.kind === "external" || mentions(options, "external")) needs.set("external-host", `probe ${JSON.stringify(name)} uses a host outside the cluster`);
    if (from?.kind === "node" || mentions(options, "node")) needs.set("node-exec", `probe ${JSON.stringify(name)} uses a node`);
  }
  for (const { kind, options } of lab.scenario) {
    if (mentions(options, "external")) needs.set("external-host", `a step ${kind} uses a host outside the cluster`);
    if (mentions(options, "node")) needs.set("node-exec", `a step ${kind} runs on a node`);
  }
  return needs;
}

/** Whether options hold a reference of that kind, or the switch (`external: true`, `nodes: true`) that stands for it. */
function mentions(options: unknown, kind: "external" | "node"): boolean {
  if (typeof options !== "object" || options === null) return false;
  const fields = options as Record<string, unknown>;
  if (!Array.isArray(options) && (fields["kind"] === kind || fields[kind] === true || fields[`${kind}s`] === true)) return true;
  return Object.values(fields).some((value) => mentions(value, kind));
}
