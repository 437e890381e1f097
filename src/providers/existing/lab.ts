import { LabError } from "../../core/errors.ts";
import { requireUp, stateWhenUp } from "../state-file.ts";
import type { Cluster } from "../types.ts";
import { connect, openAgents } from "./connect.ts";
import { openChosen } from "./kubeconfig.ts";
import { namespacesOf, removeNamespaces } from "./namespaces.ts";
import { agentsNamespace, selectorOf } from "./names.ts";
import { readExistingState, removeExistingState } from "./state.ts";
import type { ExistingHandle } from "./up.ts";

/** Whether the agents of a lab that was fully up are there. Rejects with API_UNREACHABLE. */
export async function isUp(stateDirectory: string): Promise<boolean> {
  const state = stateWhenUp(readExistingState(stateDirectory));
  if (state === undefined) return false;
  const api = await openChosen(state);
  try {
    return (await namespacesOf(api, state)).includes(agentsNamespace(state.lab));
  } finally {
    api.close();
  }
}

/** A client for a lab that is up; rejects with LAB_NOT_RUNNING. */
export async function attach(handle: unknown, stateDirectory: string): Promise<Cluster> {
  const state = requireUp(readExistingState(stateDirectory));
  const { plan, nodes: pairs } = handle as ExistingHandle;
  const nodes = new Map(pairs);
  const api = await openChosen(state);
  try {
    const agents = await openAgents(api, { choice: state, owner: state, nodes });
    return await connect({ api, agents, plan, owner: state, nodes });
  } catch (error) {
    api.close();
    throw error;
  }
}

/**
 * Removes the lab's namespaces from its cluster, then our file. Idempotent. Where the cluster cannot be reached the file stays,
 * and the error says how to do it by hand.
 */
export async function down(stateDirectory: string): Promise<void> {
  const state = readExistingState(stateDirectory);
  if (state === undefined) return;
  try {
    const api = await openChosen(state);
    await removeNamespaces(api, state).finally(() => api.close());
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    const hint = `what is left of it: kubectl get namespaces -l ${selectorOf(state)}`;
    throw new LabError(error.code, `lab ${state.lab} is not removed from ${state.context}: ${error.message}`, {
      hint: error.hint === undefined ? hint : `${error.hint}; ${hint}`,
      cause: error,
    });
  }
  removeExistingState(stateDirectory);
}
