import { LabError } from "../../core/errors.ts";
import type { KubeObject } from "../../kube/types.ts";
import { ApiError } from "../real/api/api-error.ts";
import type { KubernetesApi } from "../real/api/kubernetes-api.ts";
import { labelsOf, selectorOf, type Owner } from "./names.ts";

const DELETE_TIMEOUT_MS = 180_000;

/** Names of the namespaces in a cluster that are a lab's, ours among them. */
export async function namespacesOf(api: KubernetesApi, owner: Owner): Promise<string[]> {
  const found = await api.list({ kind: "Namespace", labelSelector: selectorOf(owner) });
  return found.map(({ metadata }) => metadata.name);
}

/**
 * Makes a namespace with the lab's labels. It is never applied: that would take over one which is there. Throws
 * EXISTING_NAMESPACE_TAKEN.
 */
export async function createNamespace(api: KubernetesApi, owner: Owner, namespace: KubeObject): Promise<void> {
  try {
    await api.connection.send({
      method: "POST",
      path: "/api/v1/namespaces",
      query: { fieldManager: "cnilab" },
      body: labelled(namespace, owner),
    });
  } catch (error) {
    if (!(error instanceof ApiError) || error.reason !== "AlreadyExists") throw error;
    throw taken([namespace.metadata.name]);
  }
}

/** The namespace with the labels that say whose it is. */
export function labelled(namespace: KubeObject, owner: Owner): KubeObject {
  const { metadata } = namespace;
  return { ...namespace, metadata: { ...metadata, labels: { ...metadata.labels, ...labelsOf(owner) } } };
}

export function taken(names: readonly string[]): LabError {
  const many = names.length === 1 ? `namespace ${names[0]} is` : `namespaces ${names.join(", ")} are`;
  return new LabError("EXISTING_NAMESPACE_TAKEN", `${many} in the cluster already, and not this lab's`, {
    hint: "a lab works in namespaces of its own, which are removed with it; rename the lab's, or use another cluster",
  });
}

/** Deletes all namespaces of a lab with what is in them; resolves when they are gone. Idempotent. Rejects with DELETE_STUCK. */
export async function removeNamespaces(api: KubernetesApi, owner: Owner): Promise<void> {
  for (;;) {
    const names = await namespacesOf(api, owner);
    if (names.length === 0) return;
    await api.delete(
      names.map((name) => ({ kind: "Namespace", name })),
      { timeoutMs: DELETE_TIMEOUT_MS },
    );
  }
}
