import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import writeFileAtomic from "write-file-atomic";
import { LabError } from "../../core/errors.ts";
import type { Plan } from "../../plan/types.ts";
import { openKubernetesApi, type KubernetesApi } from "../real/api/kubernetes-api.ts";
import type { Remotes } from "./machines.ts";
import { KUBECONFIG_FILE } from "./state.ts";

const API_PORT = 6443;

/** kubeadm's kubeconfig of the administrator, into the lab's state directory. Rejects with MACHINE_NO_KUBECONFIG. */
export async function fetchKubeconfig(plan: Plan, remotes: Remotes, stateDirectory: string): Promise<void> {
  const [first = ""] = controlPlanes(plan);
  const text = await remotes.get(first)?.readFile("/etc/kubernetes/admin.conf", { sudo: true });
  if (text === undefined) {
    throw new LabError(
      "MACHINE_NO_KUBECONFIG",
      `${first} has no /etc/kubernetes/admin.conf, though kubeadm has run there`,
    );
  }
  await writeFileAtomic(join(stateDirectory, KUBECONFIG_FILE), text.toString("utf8"), { mode: 0o600 });
}

/** The cluster's API, through the machines' own SSH connections: no other port of theirs need be open to us. */
export async function openMachinesApi(plan: Plan, remotes: Remotes, stateDirectory: string): Promise<KubernetesApi> {
  const file = join(stateDirectory, KUBECONFIG_FILE);
  const dial = (): Promise<Duplex> => dialAny(plan, remotes);
  return openKubernetesApi(await readFile(file, "utf8"), { file, dial });
}

/** A stream to the first control plane that opens one; a fault may have taken the others. */
async function dialAny(plan: Plan, remotes: Remotes): Promise<Duplex> {
  let failure = new LabError("LAB_STOPPED", "none of the control planes is reached");
  for (const node of controlPlanes(plan)) {
    try {
      const stream = await remotes.get(node)?.connect("127.0.0.1", API_PORT);
      if (stream !== undefined) return stream;
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      failure = error;
    }
  }
  throw failure;
}

function controlPlanes({ topology }: Plan): string[] {
  return topology.nodes.filter(({ role }) => role === "control-plane").map(({ name }) => name);
}
