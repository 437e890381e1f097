import { apiVersionOf } from "../../../kube/group-version.ts";
import { LabError } from "../../../core/errors.ts";
import type { EndpointSlice, KubeObject, Pod, PodCondition } from "../../../kube/types.ts";
import { isSetOfPods } from "../../../kube/rollout.ts";
import type { WaitFor } from "../../types.ts";
import type { ApiConnection } from "./connection.ts";
import type { ObjectQuery } from "./follow.ts";
import { refText } from "./object-text.ts";
import { type ApiResource, type ApiResources } from "./resources.ts";
import { untilObjects } from "./until.ts";
import { deploymentGap, podGap, refuseHopeless, rolledOutGap } from "./wait-reasons.ts";

/**
 * Resolves once the condition holds, looking again at each change. Rejects with WAIT_TIMEOUT, which says what is still
 * missing, with WAIT_HOPELESS where no time would mend it, or with the signal's reason.
 */
export async function waitFor(
  connection: ApiConnection,
  resources: ApiResources,
  condition: WaitFor,
  { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal | undefined },
): Promise<void> {
  const resource = await resources.find(condition.ref.kind);
  let deletedUid: string | undefined;
  let isFirst = true;
  await untilObjects(
    connection,
    resources,
    queriesOf(condition, resource),
    (objects) => {
      const object = objects.find((each) => each.kind === resource.kind && each.metadata.name === condition.ref.name);
      if (isFirst) deletedUid = object?.metadata.uid;
      isFirst = false;
      return missing(condition, object, objects, deletedUid);
    },
    {
      timeoutMs,
      signal,
      timeout: (gap) =>
        new LabError(
          "WAIT_TIMEOUT",
          `${refText(condition.ref)} was not ${wantedText(condition)} within ${timeoutMs / 1000} s: ${gap}`,
        ),
    },
  );
}

function queriesOf({ kind, ref }: WaitFor, resource: ApiResource): ObjectQuery[] {
  const place = ref.namespace === undefined ? {} : { namespace: ref.namespace };
  const itself = { kind: resource.kind, apiVersion: apiVersionOf(resource), name: ref.name, ...place };
  if (kind === "endpoints") {
    const labelSelector = `kubernetes.io/service-name=${ref.name}`;
    return [itself, { kind: "EndpointSlice", ...place, labelSelector }];
  }
  const hasPods = ["Deployment", "StatefulSet", "DaemonSet"].includes(resource.kind);
  return (kind === "condition" || kind === "rollout") && hasPods ? [itself, { kind: "Pod", ...place }] : [itself];
}

/** What the condition still lacks, in a sentence, or undefined when it holds. */
export function missing(
  condition: WaitFor,
  object: KubeObject | undefined,
  objects: readonly KubeObject[],
  deletedUid?: string,
): string | undefined {
  const name = refText(condition.ref);
  if (condition.kind === "deleted") {
    // Something new of the same name does not mean that the old one is still there.
    if (object === undefined || (deletedUid !== undefined && object.metadata.uid !== deletedUid)) return undefined;
    return object.metadata.deletionTimestamp === undefined
      ? `${name} has not been deleted`
      : `${name} is still being deleted`;
  }
  if (object === undefined) return `${name} does not exist`;
  if (condition.kind === "endpoints") return endpointGap(objects, condition.count);
  if (condition.kind === "rollout") return rolledOutGap(object, objects);
  return conditionGap(object, objects, condition.condition);
}

/** `Available`, `condition=Ready` and `Ready=False` as `kubectl wait --for` takes them; the case of letters does not count. */
function conditionGap(object: KubeObject, objects: readonly KubeObject[], wanted: string): string | undefined {
  if (isSetOfPods(object) && wanted.toLowerCase() === "ready") return rolledOutGap(object, objects);
  const [type = "", status = "true"] = wanted.replace(/^condition=/i, "").split("=");
  const { conditions = [], observedGeneration } = (object["status"] ?? {}) as {
    conditions?: PodCondition[];
    observedGeneration?: number;
  };
  const isStale = observedGeneration !== undefined && observedGeneration < (object.metadata.generation ?? 0);
  const found = conditions.find((condition) => condition.type.toLowerCase() === type.toLowerCase());
  if (!isStale && found?.status.toLowerCase() === status.toLowerCase()) return undefined;
  if (object.kind === "Deployment") return deploymentGap(object, objects);
  if (object.kind === "Pod") {
    refuseHopeless(object as Pod);
    return podGap(object as Pod);
  }
  if (found === undefined) return `it has no condition ${type}`;
  return `condition ${found.type} is ${found.status}${found.message === undefined ? "" : `: ${found.message}`}`;
}

function endpointGap(objects: readonly KubeObject[], count: number): string | undefined {
  const slices = objects.filter((object): object is EndpointSlice => object.kind === "EndpointSlice");
  const ready = slices
    .flatMap(({ endpoints }) => endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready !== false);
  const addresses = new Set(ready.flatMap((endpoint) => endpoint.addresses));
  return addresses.size === count ? undefined : `${addresses.size} of ${count} ready endpoints`;
}

function wantedText(condition: WaitFor): string {
  switch (condition.kind) {
    case "condition":
      return condition.condition;
    case "deleted":
      return "deleted";
    case "endpoints":
      return `given ${condition.count} endpoints`;
    case "rollout":
      return "rolled out";
  }
}
