import type { KubeObject } from "../../kube/types.ts";
import type { Controller } from "./controller.ts";

const DEFAULT = "default";

/** Keeps the ServiceAccount "default" in every namespace (kube-controller-manager's serviceaccount controller). */
export const serviceAccountController: Controller = {
  name: "service-account",
  kinds: ["Namespace", "ServiceAccount"],
  *keysOf({ key, type, object }) {
    if (key === "Namespace") yield object.metadata.name;
    else if (type === "DELETED" && object.metadata.name === DEFAULT) yield object.metadata.namespace ?? "";
  },
  reconcile(namespace, { store }) {
    const live = store.get("Namespace", namespace);
    if (live === undefined || live.metadata.deletionTimestamp !== undefined) return;
    if (store.find({ kind: "ServiceAccount", namespace, name: DEFAULT }) !== undefined) return;
    const account: KubeObject = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: DEFAULT, namespace } };
    store.create(account);
  },
};
