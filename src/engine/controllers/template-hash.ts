import type { KubeObject, PodTemplateSpec } from "../../kube/types.ts";
import { fnv1a, safeEncode } from "../seeded-random.ts";
import type { ObjectStore } from "../store/store.ts";

/**
 * The hash of a workload's template, salted until no object of the kind is called NAME-HASH (the API's collisionCount): how
 * the sets of Deployments and the revisions of the other workloads are named.
 */
export function freeTemplateHash(
  store: ObjectStore,
  kind: "ReplicaSet" | "ControllerRevision",
  { metadata, spec }: KubeObject & { spec: { template: PodTemplateSpec } },
): string {
  for (let collisions = 0; ; collisions += 1) {
    const salt = collisions === 0 ? "" : String(collisions);
    const hash = safeEncode(fnv1a(JSON.stringify(spec.template) + salt));
    if (store.get(kind, `${metadata.name}-${hash}`, metadata.namespace) === undefined) return hash;
  }
}
