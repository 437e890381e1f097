import type { Namespace } from "../../kube/types.ts";
import { cloneJson } from "../store/json.ts";
import type { Controller } from "./controller.ts";

/** Sets a namespace Active, and empties one in deletion before letting it go (its finalizer "kubernetes"). */
export const namespaceController: Controller = {
  name: "namespace",
  *keysOf(event, store) {
    if (event.key === "Namespace") yield event.object.metadata.name;
    else if (event.type === "DELETED" && event.object.metadata.namespace !== undefined) {
      const namespace = store.get("Namespace", event.object.metadata.namespace);
      if (namespace?.metadata.deletionTimestamp !== undefined) yield namespace.metadata.name;
    }
  },
  reconcile(name, { store }) {
    const namespace = store.get("Namespace", name);
    if (namespace === undefined) return;
    if (namespace.metadata.deletionTimestamp === undefined) {
      store.updateStatus({ ...namespace, status: { phase: "Active" } });
      return;
    }
    const contents = store.snapshot().filter(({ object }) => object.metadata.namespace === name);
    for (const { key, object } of contents) {
      // Deleting one object may already have taken another along.
      const ref = { kind: key, namespace: name, name: object.metadata.name };
      if (store.find(ref) !== undefined) store.delete(ref);
    }
    if (store.snapshot().some(({ object }) => object.metadata.namespace === name)) return;
    store.update({ ...cloneJson(namespace), spec: { finalizers: [] } } as Namespace);
  },
};
