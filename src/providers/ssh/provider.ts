import { join } from "node:path";
import { realCapabilities } from "../real/capabilities.ts";
import type { Capabilities, Provider } from "../types.ts";
import { refusals } from "./refusals.ts";
import { readSshState, KUBECONFIG_FILE } from "./state.ts";
import { readVmState } from "./vm/state.ts";

function capabilities(): Capabilities {
  // Nothing outside a machine could hold its processes: it has no pause.
  return realCapabilities(
    ["external-host", "node-exec", "reset", "node-taints", "cluster-settings"],
    ["linkDown", "loss", "rateLimit", "delay", "killCniAgent", "restart"],
  );
}

/** Real Kubernetes on machines that are there, by kubeadm and Ansible. What it does is loaded when it is used. */
export const ssh: Provider = {
  kind: "ssh",
  summary: "physical or virtual machines as nodes of a real Kubernetes cluster, over SSH, made by kubeadm and Ansible",
  capabilities,
  takesMachines: true,
  refusals,
  preflight: async (plan) => (await import("./host-findings.ts")).hostFindings(plan),
  needs: async (plan, supplies) => (await import("./software.ts")).sshNeeds(plan, supplies),
  up: async (plan, context) => (await import("./up.ts")).up(plan, context),
  attach: async (handle, stateDirectory) => (await import("./lab.ts")).attach(handle, stateDirectory),
  kubeconfig: (stateDirectory) => join(stateDirectory, KUBECONFIG_FILE),
  isUp: async (_handle, stateDirectory) =>
    readSshState(stateDirectory) !== undefined && (await import("./lab.ts")).isUp(stateDirectory),
  failedLab: async (stateDirectory) =>
    readSshState(stateDirectory) === undefined ? undefined : (await import("./lab.ts")).failedLab(stateDirectory),
  // A file is written before a machine is touched.
  down: async (_handle, stateDirectory, tell) => {
    if (readSshState(stateDirectory) !== undefined || readVmState(stateDirectory) !== undefined)
      await (await import("./lab.ts")).down(stateDirectory, tell);
  },
};
