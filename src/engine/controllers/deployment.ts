import type { Deployment, Pod, ReplicaSet } from "../../kube/types.ts";
import { apiTime } from "../clock.ts";
import { cloneJson, equalJson } from "../store/json.ts";
import type { ObjectStore } from "../store/store.ts";
import { controlledBy, controllerKeyOf, keyOf, splitKey, type Controller } from "./controller.ts";
import { deploymentStatus } from "./deployment-status.ts";
import { ownerReference } from "./owned-pods.ts";
import { newReplicas, oldReplicas, rollingLimits } from "./rolling-update.ts";
import { freeTemplateHash } from "./template-hash.ts";

const HASH_LABEL = "pod-template-hash";
const REVISION = "deployment.kubernetes.io/revision";

/** Makes a ReplicaSet a pod template, and moves replicas from the old ones to the newest as its strategy says. */
export const deploymentController: Controller = {
  name: "deployment",
  kinds: ["Deployment", "ReplicaSet", "Pod"],
  *keysOf(event, store) {
    if (event.key === "Deployment") yield keyOf(event.object);
    else if (event.key === "ReplicaSet") {
      const owner = controllerKeyOf(event.object, "Deployment");
      if (owner !== undefined) yield owner;
    } else if (event.type === "DELETED") {
      // Recreate waits for the last old pod.
      const set = controllerKeyOf(event.object, "ReplicaSet");
      const owner = set === undefined ? undefined : ownerOfSet(store, set);
      if (owner !== undefined) yield owner;
    }
  },
  reconcile(key, { store, clock }) {
    const { namespace, name } = splitKey(key);
    const deployment = store.get("Deployment", name, namespace);
    if (deployment === undefined) return;
    if (deployment.metadata.deletionTimestamp === undefined) roll(store, deployment);
    const current = store.get("Deployment", name, namespace);
    if (current === undefined) return;
    const sets = setsOf(store, current);
    store.updateStatus({
      ...current,
      status: deploymentStatus(current, newestSet(current, sets), sets, apiTime(clock.nowMs())),
    });
  },
};

function ownerOfSet(store: ObjectStore, setKey: string): string | undefined {
  const { namespace, name } = splitKey(setKey);
  const set = store.get("ReplicaSet", name, namespace);
  return set === undefined ? undefined : controllerKeyOf(set, "Deployment");
}

function setsOf(store: ObjectStore, deployment: Deployment): ReplicaSet[] {
  const revision = (set: ReplicaSet): number => Number(set.metadata.annotations?.[REVISION] ?? 0);
  return controlledBy<ReplicaSet>(store, deployment.metadata.uid, "ReplicaSet").toSorted(
    (left, right) => revision(left) - revision(right),
  );
}

/** The ReplicaSet whose template is the Deployment's, but for the label that tells sets apart. */
function newestSet(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined {
  const bare = (template: ReplicaSet["spec"]["template"]): unknown => {
    const { [HASH_LABEL]: _hash, ...labels } = template.metadata?.labels ?? {};
    return { ...template, metadata: { ...template.metadata, labels } };
  };
  return sets.find((set) => equalJson(bare(set.spec.template), bare(deployment.spec.template)));
}

function roll(store: ObjectStore, deployment: Deployment): void {
  const sets = setsOf(store, deployment);
  const next = newestSet(deployment, sets);
  const old = sets.filter((set) => set !== next);
  if (deployment.spec["paused"] === true) {
    // Paused: no new template is rolled out, but the newest set still follows a scale.
    if (next === undefined) return;
    resize(store, next, deployment.spec.replicas ?? 1);
    nameRevision(store, deployment, next);
    return;
  }
  const strategy = deployment.spec["strategy"] as { type?: string } | undefined;
  const present =
    strategy?.type === "Recreate"
      ? recreate(store, deployment, next, old)
      : rollingUpdate(store, deployment, next, old);
  if (present === undefined) return;
  nameRevision(store, deployment, present);
  forgetOldSets(store, deployment, old);
}

/** A Deployment has the revision of its newest set, which `kubectl rollout` compares (deployment/util, SetDeploymentRevision). */
function nameRevision(store: ObjectStore, { metadata }: Deployment, newest: ReplicaSet): void {
  const revision = newest.metadata.annotations?.[REVISION];
  const live = store.get("Deployment", metadata.name, metadata.namespace);
  if (revision === undefined || live === undefined || live.metadata.annotations?.[REVISION] === revision) return;
  store.update({
    ...live,
    metadata: { ...live.metadata, annotations: { ...live.metadata.annotations, [REVISION]: revision } },
  });
}

function rollingUpdate(
  store: ObjectStore,
  deployment: Deployment,
  next: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): ReplicaSet {
  const replicas = deployment.spec.replicas ?? 1;
  const limits = rollingLimits(deployment);
  const wanted = newReplicas(replicas, limits, next, old);
  const present =
    next === undefined
      ? createSet(store, deployment, wanted, old)
      : resize(store, adoptAnnotations(store, deployment, next, old), wanted);
  for (const [name, count] of oldReplicas(replicas, limits, present, old)) {
    const set = old.find((candidate) => candidate.metadata.name === name);
    if (set !== undefined) resize(store, set, count);
  }
  return present;
}

function recreate(
  store: ObjectStore,
  deployment: Deployment,
  next: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): ReplicaSet | undefined {
  for (const set of old) resize(store, set, 0);
  if (old.some((set) => controlledBy<Pod>(store, set.metadata.uid, "Pod").length > 0)) return next;
  const replicas = deployment.spec.replicas ?? 1;
  return next === undefined
    ? createSet(store, deployment, replicas, old)
    : resize(store, adoptAnnotations(store, deployment, next, old), replicas);
}

function resize(store: ObjectStore, set: ReplicaSet, replicas: number): ReplicaSet {
  return set.spec.replicas === replicas ? set : store.update({ ...set, spec: { ...set.spec, replicas } });
}

function highestRevision(sets: readonly ReplicaSet[]): number {
  return Math.max(0, ...sets.map((set) => Number(set.metadata.annotations?.[REVISION] ?? 0)));
}

/** Annotations that are the Deployment's own (deployment/util annotationsToSkip). */
const NOT_COPIED: ReadonlySet<string> = new Set(["kubectl.kubernetes.io/last-applied-configuration", REVISION]);

/** What the newest set is told of its Deployment: `kubectl rollout history` reads the change's cause there. */
function copiedAnnotations({ metadata }: Deployment): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata.annotations ?? {}).filter(([name]) => !NOT_COPIED.has(name)));
}

/** The newest set with its Deployment's annotations; a template that comes back (a rollback) makes its old set the newest again. */
function adoptAnnotations(
  store: ObjectStore,
  deployment: Deployment,
  set: ReplicaSet,
  old: readonly ReplicaSet[],
): ReplicaSet {
  const highest = highestRevision(old);
  const own = Number(set.metadata.annotations?.[REVISION] ?? 0);
  const revision = String(own > highest ? own : highest + 1);
  const annotations = { ...set.metadata.annotations, ...copiedAnnotations(deployment), [REVISION]: revision };
  if (equalJson(annotations, set.metadata.annotations)) return set;
  return store.update({ ...set, metadata: { ...set.metadata, annotations } });
}

function createSet(
  store: ObjectStore,
  deployment: Deployment,
  replicas: number,
  old: readonly ReplicaSet[],
): ReplicaSet {
  const { name, namespace } = deployment.metadata;
  const template = cloneJson(deployment.spec.template);
  const hash = freeTemplateHash(store, "ReplicaSet", deployment);
  const labels = { ...template.metadata?.labels, [HASH_LABEL]: hash };
  const selector = cloneJson(deployment.spec.selector);
  const minReadySeconds = deployment.spec["minReadySeconds"];
  return store.create<ReplicaSet>({
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: {
      name: `${name}-${hash}`,
      ...(namespace === undefined ? {} : { namespace }),
      labels,
      annotations: { ...copiedAnnotations(deployment), [REVISION]: String(highestRevision(old) + 1) },
      ownerReferences: [ownerReference(deployment)],
    },
    spec: {
      replicas,
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [HASH_LABEL]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
      ...(minReadySeconds === undefined ? {} : { minReadySeconds }),
    },
  });
}

function forgetOldSets(store: ObjectStore, deployment: Deployment, old: readonly ReplicaSet[]): void {
  const limit = Number(deployment.spec["revisionHistoryLimit"] ?? 10);
  const empty = old.filter(
    (set) =>
      set.spec.replicas === 0 && (set.status?.replicas ?? 0) === 0 && set.metadata.deletionTimestamp === undefined,
  );
  for (const { metadata } of empty.slice(0, Math.max(0, empty.length - limit))) {
    const ref = { kind: "ReplicaSet", namespace: metadata.namespace ?? "", name: metadata.name };
    if (store.find(ref) !== undefined) store.delete(ref);
  }
}
