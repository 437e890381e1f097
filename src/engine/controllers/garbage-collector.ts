import type { KubeObject, OwnerReference } from "../../kube/types.ts";
import { type DeleteOptions, FOREGROUND_FINALIZER, ORPHAN_FINALIZER, withoutOwner } from "../store/deletion.ts";
import { kindKey } from "../store/kinds.ts";
import type { ObjectStore } from "../store/store.ts";
import type { Controller } from "./controller.ts";

/**
 * Deletes objects all of whose owners are gone, in the background, and what an owner owns that waits for it, in the foreground; an
 * owner with the finalizer `orphan` is freed of what it owns (kubernetes.io/docs/concepts/architecture/garbage-collection).
 */
export const garbageCollector: Controller = {
  name: "garbage-collector",
  *keysOf({ type, key, object, previous }) {
    const { uid, namespace = "", name, ownerReferences = [] } = object.metadata;
    if (type === "DELETED") yield `owner ${uid}`;
    // An object can name an owner that is gone already.
    else if (type === "ADDED") for (const owner of ownerReferences) yield `owner ${owner.uid}`;
    if (type !== "DELETED" && isWaiting(object)) yield waitingKey(key, namespace, name);
    // Somebody may wait for what it no longer owns.
    for (const owner of previous?.metadata.ownerReferences ?? []) {
      if (type === "DELETED" || !ownerReferences.some((one) => one.uid === owner.uid))
        yield waitingKey(kindKey(owner.apiVersion, owner.kind), namespace, owner.name);
    }
  },
  reconcile(key, { store }) {
    if (key.startsWith("owner ")) collectOrphans(store, key.slice("owner ".length));
    else collectFor(store, JSON.parse(key) as [string, string, string]);
  },
};

function waitingKey(kind: string, namespace: string, name: string): string {
  return JSON.stringify([kind, namespace, name]);
}

/** Whether an object's deletion waits for this controller. */
function isWaiting({ metadata: { deletionTimestamp, finalizers = [] } }: KubeObject): boolean {
  return (
    deletionTimestamp !== undefined &&
    (finalizers.includes(FOREGROUND_FINALIZER) || finalizers.includes(ORPHAN_FINALIZER))
  );
}

function collectOrphans(store: ObjectStore, uid: string): void {
  for (const object of store.dependents(uid)) {
    const isOrphaned = object.metadata.ownerReferences?.every((owner) => ownerOf(store, object, owner) === undefined);
    if (isOrphaned === true && object.metadata.deletionTimestamp === undefined) deleteObject(store, object, {});
  }
}

/** Does what an owner in deletion waits for, as far as it can be done now. */
function collectFor(store: ObjectStore, [kind, namespace, name]: readonly [string, string, string]): void {
  const owner = store.find({ kind, namespace, name }) ?? store.find({ kind, namespace: "", name });
  if (owner === undefined || !isWaiting(owner)) return;
  const { uid = "", finalizers = [] } = owner.metadata;
  if (finalizers.includes(ORPHAN_FINALIZER)) {
    for (const dependent of store.dependents(uid)) store.update(withoutOwner(dependent, uid));
    letGo(store, owner, ORPHAN_FINALIZER);
    return;
  }
  for (const dependent of store.dependents(uid)) {
    const others = dependent.metadata.ownerReferences?.filter((one) => one.uid !== uid) ?? [];
    const isKept = others.some((one) => {
      const other = ownerOf(store, dependent, one);
      return other !== undefined && !isWaiting(other);
    });
    if (isKept) store.update(withoutOwner(dependent, uid));
    else if (dependent.metadata.deletionTimestamp === undefined) {
      // What owns something itself waits for it in turn.
      const isOwner = store.dependents(dependent.metadata.uid ?? "").length > 0;
      deleteObject(store, dependent, isOwner ? { propagation: "Foreground" } : {});
    }
  }
  const isBlocked = store
    .dependents(uid)
    .some(({ metadata }) =>
      metadata.ownerReferences?.some((one) => one.uid === uid && one.blockOwnerDeletion === true),
    );
  if (!isBlocked) letGo(store, owner, FOREGROUND_FINALIZER);
}

/** The write that takes the last finalizer away removes the object. */
function letGo(store: ObjectStore, owner: KubeObject, finalizer: string): void {
  const { namespace = "", name } = owner.metadata;
  const live = store.find({ kind: store.keyOf(owner), namespace, name });
  if (live === undefined) return;
  const finalizers = live.metadata.finalizers?.filter((each) => each !== finalizer) ?? [];
  store.update({ ...live, metadata: { ...live.metadata, finalizers } });
}

function deleteObject(store: ObjectStore, object: KubeObject, options: DeleteOptions): void {
  const { namespace = "", name } = object.metadata;
  store.delete({ kind: store.keyOf(object), namespace, name }, options);
}

/** The owner that a reference means, if it is there. */
function ownerOf(store: ObjectStore, dependent: KubeObject, owner: OwnerReference): KubeObject | undefined {
  const kind = store.keyOf(owner);
  const { namespace = "" } = dependent.metadata;
  return [namespace, ""]
    .map((place) => store.find({ kind, namespace: place, name: owner.name }))
    .find((found) => found?.metadata.uid === owner.uid);
}
