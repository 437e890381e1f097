import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { dockerError, openDocker } from "../../exec/docker.ts";
import { openKubernetesApi } from "../real/api/kubernetes-api.ts";
import { requireUp, stateWhenUp } from "../state-file.ts";
import type { Cluster } from "../types.ts";
import { connect } from "./connect.ts";
import { inspectMachines, requireControlPlane } from "./machines.ts";
import { untilEngineKeeps } from "./engine.ts";
import { removeAbandonedBuilds } from "./node-image.ts";
import { clusterContainers, removeCluster } from "./remove.ts";
import { KUBECONFIG_FILE, readKindState, removeKindFiles } from "./state.ts";
import type { KindHandle } from "./up.ts";

/** Whether containers of a lab that was fully up are there, running or not. */
export async function isUp(_handle: unknown, stateDirectory: string): Promise<boolean> {
  const state = stateWhenUp(readKindState(stateDirectory));
  if (state === undefined) return false;
  try {
    const docker = await openDocker();
    return (await clusterContainers(docker, state)).length > 0;
  } catch (error) {
    throw dockerError("look for the lab", error);
  }
}

/** A client for a lab that is up; rejects with LAB_NOT_RUNNING or LAB_STOPPED. */
export async function attach(handle: unknown, stateDirectory: string): Promise<Cluster> {
  const state = requireUp(readKindState(stateDirectory));
  const { plan } = handle as KindHandle;
  try {
    const docker = await openDocker();
    requireControlPlane(await inspectMachines(docker, state), state);
    const file = join(stateDirectory, KUBECONFIG_FILE);
    const api = await openKubernetesApi(await readFile(file, "utf8"), { file });
    const { cluster } = await connect({ docker, state, stateDirectory, plan, api });
    return cluster;
  } catch (error) {
    throw dockerError("reach the lab", error);
  }
}

/** A command that looks into the first node of a lab whose making failed; undefined where it has none. */
export async function failedLab(stateDirectory: string): Promise<string | undefined> {
  const state = readKindState(stateDirectory);
  if (state === undefined) return undefined;
  const { nodes } = await inspectMachines(await openDocker(), state);
  const [first] = nodes;
  if (first === undefined) return undefined;
  return first.status === "running"
    ? `docker exec -it ${first.containerName} bash`
    : `docker logs ${first.containerName}`;
}

/** Removes the lab from Docker, then its files. Idempotent. */
export async function down(_handle: unknown, stateDirectory: string): Promise<void> {
  const state = readKindState(stateDirectory);
  // The file is written before anything is made: without it, Docker need not even be there.
  if (state === undefined) return;
  try {
    const docker = await openDocker();
    await untilEngineKeeps(docker, state);
    await removeCluster(docker, state);
    await removeAbandonedBuilds(docker);
  } catch (error) {
    throw dockerError("remove the lab", error);
  }
  removeKindFiles(stateDirectory);
}
