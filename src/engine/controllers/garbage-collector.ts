import type { KubeObject } from "../../kube/types.ts";
import type { ObjectStore } from "../store/store.ts";
import type { Controller } from "./controller.ts";

/**
 * Deletes objects all of whose owners are gone, in the background
 * (kubernetes.io/docs/concepts/architecture/garbage-collection).
 */
export const garbageCollector: Controller = {
  name: "garbage-collector",
  *keysOf(event) {
    if (event.type === "DELETED") yield `owner ${event.object.metadata.uid}`;
    // An object can name an owner that is gone already.
    else if (event.type === "ADDED")
      for (const { uid } of event.object.metadata.ownerReferences ?? []) yield `owner ${uid}`;
  },
  reconcile(key, { store }) {
    for (const object of store.dependents(key.slice("owner ".length))) {
      const isOrphaned = object.metadata.ownerReferences?.every((owner) => !isThere(store, object, owner)) === true;
      if (isOrphaned && object.metadata.deletionTimestamp === undefined) {
        store.delete({
          kind: store.keyOf(object),
          namespace: object.metadata.namespace ?? "",
          name: object.metadata.name,
        });
      }
    }
  },
};

function isThere(
  store: ObjectStore,
  dependent: KubeObject,
  owner: { apiVersion: string; kind: string; name: string; uid: string },
): boolean {
  const kind = store.keyOf(owner);
  const inNamespace = store.find({ kind, namespace: dependent.metadata.namespace ?? "", name: owner.name });
  return (inNamespace ?? store.find({ kind, namespace: "", name: owner.name }))?.metadata.uid === owner.uid;
}
