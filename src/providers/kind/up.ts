import type Dockerode from "dockerode";
import { LabError } from "../../core/errors.ts";
import { sharedSignal } from "../../core/shared-signal.ts";
import { dockerError, dockerReason, openDocker } from "../../exec/docker.ts";
import { DEFAULT_REAL_CLUSTER } from "../../lab/real-cluster.ts";
import type { Plan } from "../../plan/types.ts";
import { installAddOns } from "../real/add-ons.ts";
import type { KubernetesApi } from "../real/api/kubernetes-api.ts";
import { installCni } from "../real/install-cni.ts";
import { clusterNeeds } from "../real/needs.ts";
import { patchLabels } from "../real/node-labels.ts";
import { podImages } from "../real/pod-images.ts";
import { untilReady } from "../real/ready.ts";
import type { UpContext, UpResult } from "../types.ts";
import { hasTaintsToPatch, kindConfig, nodesInOrder } from "./config.ts";
import { providePlugins } from "./cni-plugins.ts";
import { closeDns } from "./close-dns.ts";
import { connect } from "./connect.ts";
import { createCluster, openEarlyApi } from "./create.ts";
import { engineStart } from "./engine.ts";
import { startExternal } from "./external.ts";
import { engineImages, NODE_IMAGE } from "./images.ts";
import { nodesNetworks } from "./layout.ts";
import { setLinkMtus } from "./links.ts";
import { inspectMachines } from "./machines.ts";
import { clusterName, containerNames, ownerOf } from "./names.ts";
import { connectFurther, makeNodeNetworks } from "./node-networks.ts";
import { prepareNodeImage, type PreparedNodeImage } from "./node-image.ts";
import { refuseForeign, removeCluster } from "./remove.ts";
import { readKindState, removeKindFiles, writeKindState, type KindState } from "./state.ts";

/** What {@link attach} needs later. */
export interface KindHandle {
  cluster: string;
  plan: Plan;
}

interface Making {
  docker: Dockerode;
  plan: Plan;
  context: UpContext;
  state: KindState;
  progress: (message: string) => void;
}

/**
 * Makes a lab of kind's nodes. Work overlaps where it can: the CNI is installed while workers join. On rejection or abort all of
 * it is removed, unless `keepFailed` asks to keep what kind made; logs of nodes stay in any case.
 */
export async function up(plan: Plan, context: UpContext): Promise<UpResult> {
  const { stateDirectory } = context;
  const docker = await openDocker();
  const cluster = clusterName(plan.lab.name);
  const ordered = nodesInOrder(plan);
  const names = containerNames(
    cluster,
    ordered.map(({ role }) => role),
  );
  const state: KindState = {
    lab: plan.lab.name,
    cluster,
    owner: ownerOf(stateDirectory),
    stage: "making",
    nodes: Object.fromEntries(ordered.map(({ name }, index) => [name, names[index] ?? ""])),
    ...(plan.topology.networks.length === 1 ? {} : { networks: nodesNetworks(plan, cluster) }),
  };
  const progress = (message: string): void => context.emit({ type: "progress", phase: "provision", message });
  try {
    await refuseForeign(docker, state, readKindState(stateDirectory));
  } catch (error) {
    throw dockerError("look for clusters of this name", error);
  }
  try {
    // What another lab of this folder left; the record of it may be lost.
    await removeCluster(docker, readKindState(stateDirectory) ?? state);
    const engine = await engineStart(docker);
    if (engine !== undefined) state.engine = engine;
    await writeKindState(stateDirectory, state);
    return await make({ docker, plan, context, state, progress });
  } catch (error) {
    const reason = dockerError("make the lab", error);
    if (context.keepFailed !== true || context.signal.aborted) {
      const undone = await undo(docker, readKindState(stateDirectory) ?? state, stateDirectory);
      // It must not hide why the lab failed; the files stay, so that `down` finds what is left.
      if (undone !== undefined) {
        const hint = `cnilab down ${plan.lab.name} removes it`;
        context.emit({ type: "warning", warning: { code: "UNDO_FAILED", message: undone, hint } });
      }
    }
    throw reason;
  }
}

/** Removes what was made, and the files where nothing is left; else says what is. */
async function undo(docker: Dockerode, state: KindState, stateDirectory: string): Promise<string | undefined> {
  try {
    // Nobody but an engine that stops would stop the external host.
    const { external } = await inspectMachines(docker, state);
    await removeCluster(docker, state);
    if (external?.status !== "stopped") {
      removeKindFiles(stateDirectory);
      return undefined;
    }
    await writeKindState(stateDirectory, { ...state, engineStops: true });
    return "the Docker engine stops, and may bring back what was removed when it starts again";
  } catch (failure) {
    await writeKindState(stateDirectory, { ...state, engineStops: true });
    return `what was made of the lab could not be removed yet: ${dockerReason(failure)}`;
  }
}

async function make(making: Making): Promise<UpResult> {
  const { docker, plan, context, progress } = making;
  const { stateDirectory, supplies, signal } = context;
  const [kindExecutable, prepared] = await Promise.all([supplies.executable("kind"), prepare(making)]);
  const state: KindState = { ...making.state, nodeImage: prepared.reference };
  await writeKindState(stateDirectory, state);
  signal.throwIfAborted();
  const { cluster, lab, owner } = state;
  const image = prepared.reference;
  const { subnets, several } = await makeNodeNetworks({ docker, plan, state, stateDirectory, image });

  // One failure ends the others at once.
  const failed = new AbortController();
  const together = sharedSignal(AbortSignal.any([signal, failed.signal]));
  const [nodesMade, whenNodesMade] = aMoment();
  const [configured, whenConfigured] = aMoment();
  const creating = createCluster({
    docker,
    state,
    stateDirectory,
    config: kindConfig(plan, { storeOnHost: prepared.storeOnHost }),
    kindExecutable,
    nodeImage: image,
    commandFolder: several?.commandFolder,
    kubeadmPatches: plan.realCluster?.kubeadmPatches ?? [],
    signal: together,
    progress,
    onNodesMade: nodesMade,
    onConfigured: configured,
  });
  const installing = whenNodesMade.then(async () => {
    if (several !== undefined) await connectFurther(docker, several.layout, whenConfigured);
    await setLinkMtus(docker, state, plan);
    await providePlugins(docker, state, plan, { signal: together, progress });
    const api = await openEarlyApi(docker, state, together);
    progress("the API server answers");
    await Promise.all([closeDns(api, together), installCni({ api, plan, supplies, signal: together, progress })]);
    return api;
  });
  const outside = startExternal(docker, { cluster, lab, owner, volume: prepared.volume });
  const api = await firstFailureEndsAll(failed, creating, installing, outside);
  const { topology, realCluster: { addOns } = DEFAULT_REAL_CLUSTER } = plan;
  await patchNodes(api, plan);
  const connected = await connect({ docker, state, stateDirectory, plan, api });
  try {
    progress(`${topology.nodes.length} nodes have joined`);
    await untilReady({ ...connected, api, plan, signal, progress });
    await installAddOns({ api, addOns, nodeNetworkSubnets: subnets, supplies, signal, progress });
    await connected.cluster.keepSnapshot?.();
  } catch (error) {
    await connected.cluster.close();
    throw error;
  }
  const handle: KindHandle = { cluster, plan };
  return {
    cluster: connected.cluster,
    handle,
    detach: () => writeKindState(stateDirectory, { ...state, stage: "up" }),
  };
}

/** Something that happens once: what tells of it, and what waits for it. */
function aMoment(): [() => void, Promise<void>] {
  let tell = (): void => undefined;
  const moment = new Promise<void>((resolve) => {
    tell = resolve;
  });
  return [() => tell(), moment];
}

/** Rejects with the first failure once all have ended. */
async function firstFailureEndsAll<Result>(
  failed: AbortController,
  creating: Promise<void>,
  installing: Promise<Result>,
  outside: Promise<void>,
): Promise<Result> {
  const failures: unknown[] = [];
  const note = (error: unknown): never => {
    failures.push(error);
    failed.abort(error);
    throw error;
  };
  // `installing` waits for a line of kind that may never come.
  const ended = creating.catch(note);
  const installed = Promise.race([installing.catch(note), ended.then(() => installing)]);
  const results = await Promise.allSettled([ended, installed, outside.catch(note)]);
  if (failures.length > 0) throw failures[0];
  const [, result] = results;
  if (result.status === "rejected") throw result.reason;
  return result.value;
}

/** The node image for this lab, with all images inside that its pods run. */
async function prepare({ docker, plan, context, progress }: Making): Promise<PreparedNodeImage> {
  const { supplies, signal, laterPlans = [] } = context;
  const { images: clusterImages } = await clusterNeeds(plan, supplies);
  const inside = [...new Set([...clusterImages, ...[plan, ...laterPlans].flatMap(podImages)])];
  const ids = await supplies.images([...new Set([...inside, ...engineImages(plan)])]);
  const idOf = (reference: string): string => {
    const id = ids.get(reference);
    if (id === undefined) throw new LabError("SUPPLY_MISSING", `image ${reference} is missing`);
    return id;
  };
  return prepareNodeImage({
    docker,
    base: { reference: NODE_IMAGE, id: idOf(NODE_IMAGE) },
    images: new Map(inside.map((reference) => [reference, idOf(reference)])),
    signal,
    progress,
  });
}

/** Labels and taints that neither kind nor a kubelet may set. */
async function patchNodes(api: KubernetesApi, plan: Plan): Promise<void> {
  const { nodes } = plan.topology;
  await patchLabels(api, nodes);
  if (!hasTaintsToPatch(plan)) return;
  await Promise.all(nodes.map(({ name, taints }) => api.patch({ kind: "Node", name }, { spec: { taints } })));
}
