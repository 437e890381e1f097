import type { ControllerRevision, DaemonSet, StatefulSet } from "../../kube/set-types.ts";
import type { PodTemplateSpec } from "../../kube/types.ts";
import { cloneJson, equalJson } from "../store/json.ts";
import type { ObjectStore } from "../store/store.ts";
import { controlledBy } from "./controller.ts";
import { ownerReference } from "./owned-pods.ts";
import { freeTemplateHash } from "./template-hash.ts";

/** The label of pods and revisions that says which template they are of. */
export const REVISION_LABEL = "controller-revision-hash";

/** The revisions of a StatefulSet or DaemonSet, oldest first. */
export function revisionsOf(store: ObjectStore, owner: StatefulSet | DaemonSet): ControllerRevision[] {
  return controlledBy<ControllerRevision>(store, owner.metadata.uid, "ControllerRevision").toSorted(
    (left, right) => left.revision - right.revision,
  );
}

/**
 * The revision of the owner's template, made if there is none. A template that comes back (a rollback) makes its old
 * revision the newest again, as pkg/controller/history does.
 */
export function newestRevision(store: ObjectStore, owner: StatefulSet | DaemonSet): ControllerRevision {
  const revisions = revisionsOf(store, owner);
  const next = (revisions.at(-1)?.revision ?? 0) + 1;
  const present = revisions.find(({ data }) => equalJson(data.spec.template, owner.spec.template));
  if (present !== undefined)
    return present.revision === next - 1 ? present : store.update({ ...present, revision: next });
  const { name, namespace } = owner.metadata;
  const hash = freeTemplateHash(store, "ControllerRevision", owner);
  return store.create<ControllerRevision>({
    apiVersion: "apps/v1",
    kind: "ControllerRevision",
    metadata: {
      name: `${name}-${hash}`,
      ...(namespace === undefined ? {} : { namespace }),
      labels: { ...owner.spec.template.metadata?.labels, [REVISION_LABEL]: hash },
      ownerReferences: [ownerReference(owner)],
    },
    revision: next,
    data: { spec: { template: cloneJson(owner.spec.template) } },
  });
}

/** Removes the oldest revisions beyond revisionHistoryLimit of those that no pod and no status names. */
export function forgetRevisions(store: ObjectStore, owner: StatefulSet | DaemonSet, live: ReadonlySet<string>): void {
  const spare = revisionsOf(store, owner).filter(({ metadata }) => !live.has(metadata.name));
  const surplus = Math.max(0, spare.length - (owner.spec.revisionHistoryLimit ?? 10));
  for (const { metadata } of spare.slice(0, surplus))
    store.delete({ kind: "ControllerRevision", namespace: metadata.namespace ?? "", name: metadata.name });
}

/** The template of a revision. */
export function templateOf(revision: ControllerRevision): PodTemplateSpec {
  return cloneJson(revision.data.spec.template);
}
