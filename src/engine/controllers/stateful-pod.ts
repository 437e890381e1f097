import type { ControllerRevision, StatefulSet } from "../../kube/set-types.ts";
import type { Pod } from "../../kube/types.ts";
import { ownerReference } from "./owned-pods.ts";
import { REVISION_LABEL, templateOf } from "./revisions.ts";

/** The numbers of a set's replicas, in order. */
export function ordinalsOf({ spec }: StatefulSet): number[] {
  const start = spec.ordinals?.start ?? 0;
  return Array.from({ length: spec.replicas ?? 1 }, (_, index) => start + index);
}

/** The number at the end of a pod's name, or undefined where the rest is not the set's name. */
export function ordinalOf(set: StatefulSet, pod: Pod): number | undefined {
  const { name } = pod.metadata;
  const digits = name.startsWith(`${set.metadata.name}-`) ? name.slice(set.metadata.name.length + 1) : "";
  return /^(0|[1-9]\d*)$/.test(digits) ? Number(digits) : undefined;
}

/** Name of the revision that a pod was made of. */
export function podRevision(pod: Pod): string {
  return pod.metadata.labels?.[REVISION_LABEL] ?? "";
}

/**
 * The pod of one number: its name is its hostname, and the set's serviceName its subdomain, so that the headless Service
 * of that name has a record of it (stateful_set_utils.go, newVersionedStatefulSetPod).
 */
export function newStatefulPod(set: StatefulSet, ordinal: number, revision: ControllerRevision): Pod {
  const { metadata, spec } = templateOf(revision);
  const name = `${set.metadata.name}-${ordinal}`;
  const { serviceName } = set.spec;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...metadata,
      name,
      namespace: set.metadata.namespace ?? "default",
      labels: {
        ...metadata?.labels,
        "statefulset.kubernetes.io/pod-name": name,
        "apps.kubernetes.io/pod-index": String(ordinal),
        [REVISION_LABEL]: revision.metadata.name,
      },
      ownerReferences: [ownerReference(set)],
    },
    spec: {
      ...spec,
      hostname: name,
      ...(serviceName === undefined || serviceName === "" ? {} : { subdomain: serviceName }),
    },
  };
}
