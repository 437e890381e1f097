import { LabError } from "../../core/errors.ts";
import type { Plan } from "../../plan/types.ts";
import type { Finding } from "../types.ts";
import { chooseCluster, openChosen } from "./kubeconfig.ts";

/** Whether the cluster that is meant can be reached. What a plan lacks in it is told by `up`, with lines of manifests. */
export async function existingPreflight(plan: Plan | undefined): Promise<Finding[]> {
  try {
    const choice = chooseCluster(plan?.access, process.env);
    const api = await openChosen(choice);
    try {
      const message = `context ${choice.context}: Kubernetes ${await api.version()} at ${api.connection.server}`;
      return [{ code: "EXISTING_CLUSTER", ok: true, message }];
    } finally {
      api.close();
    }
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    const { code, message, hint } = error;
    return [{ code, ok: false, message, ...(hint === undefined ? {} : { remedy: hint }) }];
  }
}
