import { join } from "node:path";
import { LabError } from "../../core/errors.ts";
import { hasAddOn } from "../../plan/has-add-on.ts";
import type { Plan } from "../../plan/types.ts";
import { realCapabilities } from "../real/capabilities.ts";
import type { Capabilities, Provider } from "../types.ts";
import { readKindState, KUBECONFIG_FILE } from "./state.ts";

function capabilities(): Capabilities {
  return realCapabilities(
    [
      "external-host",
      "several-node-networks",
      "link-mtu",
      "node-exec",
      "reset",
      "add-ons",
      "node-taints",
      "cluster-settings",
      "dual-stack",
    ],
    ["pause", "linkDown", "killCniAgent", "restart"],
  );
}

/** What kind lacks of this plan. */
function refusals(plan: Pick<Plan, "topology" | "realCluster">): LabError[] {
  return [...addOnRefusals(plan), ...familyRefusals(plan)];
}

function addOnRefusals(plan: Pick<Plan, "realCluster">): LabError[] {
  if (!hasAddOn(plan, "istio")) return [];
  const hint = "the embedded engine has it: provider netns";
  return [new LabError("PLAN_PROVIDER_LACKS", "provider kind has no add-on istio", { hint })];
}

/** The router between several networks, and kind's knowledge of nodes in them, are for IPv4. */
function familyRefusals({ topology: { networks } }: Pick<Plan, "topology">): LabError[] {
  if (networks.length === 1 || networks.every(({ subnets }) => subnets.length === 1)) return [];
  const message = `provider kind makes no dual-stack cluster (cluster.ipFamily) of nodes in ${networks.length} networks`;
  const hint = "take a topology with one network, or leave cluster.ipFamily out";
  return [new LabError("PLAN_PROVIDER_LACKS", message, { hint })];
}

/** Real Kubernetes whose nodes are Docker containers, made by the kind command. What it does is loaded when it is used. */
export const kind: Provider = {
  kind: "kind",
  summary: "containers as nodes of a real Kubernetes cluster, made by kind; needs Docker",
  capabilities,
  refusals,
  preflight: async (plan) => (await import("./preflight.ts")).kindPreflight(plan),
  needs: async (plan, supplies) => (await import("./images.ts")).kindNeeds(plan, supplies),
  up: async (plan, context) => (await import("./up.ts")).up(plan, context),
  attach: async (handle, stateDirectory) => (await import("./lab.ts")).attach(handle, stateDirectory),
  kubeconfig: (stateDirectory) => join(stateDirectory, KUBECONFIG_FILE),
  isUp: async (handle, stateDirectory) =>
    readKindState(stateDirectory) !== undefined && (await import("./lab.ts")).isUp(handle, stateDirectory),
  failedLab: async (stateDirectory) =>
    readKindState(stateDirectory) === undefined ? undefined : (await import("./lab.ts")).failedLab(stateDirectory),
  // The file is written before anything is made: without it, Docker need not even be there.
  down: async (handle, stateDirectory) => {
    if (readKindState(stateDirectory) !== undefined) await (await import("./lab.ts")).down(handle, stateDirectory);
  },
};
