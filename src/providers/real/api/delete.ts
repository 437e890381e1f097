import { apiVersionOf } from "../../../kube/group-version.ts";
import { LabError } from "../../../core/errors.ts";
import type { KubeObject } from "../../../kube/types.ts";
import type { ObjectRef } from "../../types.ts";
import { isNotFound } from "./api-error.ts";
import type { ApiConnection } from "./connection.ts";
import { listCollection, type ObjectQuery } from "./follow.ts";
import { inParallel } from "./in-parallel.ts";
import { refText } from "./object-text.ts";
import { pathOf, type ApiResource, type ApiResources } from "./resources.ts";
import { untilObjects } from "./until.ts";

const AT_ONCE = 8;
/** A shell that sleeps ignores SIGTERM and would hold everything up for half a minute. */
const GRACE_SECONDS = 1;
const POD_OWNERS = new Set(["CronJob", "Job", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"]);

export interface DeleteTarget {
  ref: ObjectRef;
  resource: ApiResource;
}

/**
 * Deletes what is there and resolves when it is gone, the pods of workloads and namespaces included; pods get one second
 * to end. Rejects with DELETE_STUCK, which names finalizers and what a namespace still holds.
 */
export async function deleteObjects(
  connection: ApiConnection,
  resources: ApiResources,
  targets: readonly DeleteTarget[],
  { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal | undefined },
): Promise<void> {
  const deleted = await inParallel(targets, AT_ONCE, (target) => deleteFamily(connection, resources, target));
  const waiting = deleted.flat();
  if (waiting.length === 0) return;
  await untilObjects(
    connection,
    resources,
    queriesOf(waiting),
    (objects) => {
      const left = waiting.filter(({ uid }) => objects.some((object) => object.metadata.uid === uid));
      return left.length === 0 ? undefined : describeLeft(left, objects);
    },
    {
      timeoutMs,
      signal,
      timeout: (gap) => new LabError("DELETE_STUCK", `not gone within ${timeoutMs / 1000} s: ${gap}`),
    },
  );
}

interface Deleted extends DeleteTarget {
  uid: string;
}

/**
 * Deletes an object and at once, before the garbage collector does, the pods below it: a pod whose end has begun with
 * thirty seconds cannot be hurried, the container runtime keeps to the first figure.
 */
async function deleteFamily(
  connection: ApiConnection,
  resources: ApiResources,
  target: DeleteTarget,
): Promise<Deleted[]> {
  const { ref, resource } = target;
  const isNamespace = resource.kind === "Namespace" && resource.group === "";
  const isOwner = POD_OWNERS.has(resource.kind);
  const namespace = isNamespace ? ref.name : (ref.namespace ?? "default");
  const around = isNamespace ? ["Pod"] : isOwner ? ["Job", "ReplicaSet", "Pod"] : [];
  const found = await Promise.all(
    around.map(async (kind) => {
      const place = await resources.find(kind);
      const { objects } = await listCollection(connection, place, { namespace });
      return objects.map((object) => ({ object, resource: place }));
    }),
  );
  const itself = await deleteOne(connection, target);
  if (itself === undefined) return [];
  const owners = new Set([itself.uid]);
  const below: Deleted[] = [];
  // Jobs, ReplicaSets and pods in this order: each is owned by one before it.
  for (const { object, resource: place } of found.flat()) {
    const isBelow = isNamespace || (object.metadata.ownerReferences ?? []).some(({ uid }) => owners.has(uid));
    if (!isBelow) continue;
    // The garbage collector may have been faster with this one, and not yet have come to those below it.
    owners.add(object.metadata.uid ?? "");
    const member = { ...ref, kind: place.kind, namespace, name: object.metadata.name };
    const one = await deleteOne(connection, { ref: member, resource: place });
    if (one !== undefined) below.push(one);
  }
  return [itself, ...below];
}

async function deleteOne(connection: ApiConnection, target: DeleteTarget): Promise<Deleted | undefined> {
  const { ref, resource } = target;
  const path = pathOf(resource, ref.namespace, ref.name);
  const grace = resource.kind === "Pod" ? { gracePeriodSeconds: GRACE_SECONDS } : {};
  try {
    const { body } = await connection.send({
      method: "DELETE",
      path,
      body: { propagationPolicy: "Background", ...grace },
    });
    // What goes at once is answered with a Status that names it, the rest with the object.
    const answer = body as KubeObject & { details?: { uid?: string } };
    const uid = answer.kind === "Status" ? answer.details?.uid : answer.metadata.uid;
    return uid === undefined ? undefined : { ...target, uid };
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

function queriesOf(deleted: readonly Deleted[]): ObjectQuery[] {
  const queries = new Map<string, ObjectQuery>();
  for (const { ref, resource } of deleted) {
    const place = ref.namespace === undefined ? {} : { namespace: ref.namespace };
    const many =
      deleted.filter((each) => each.resource === resource && each.ref.namespace === ref.namespace).length > 1;
    const query = {
      kind: resource.kind,
      apiVersion: apiVersionOf(resource),
      ...place,
      ...(many ? {} : { name: ref.name }),
    };
    queries.set(JSON.stringify(query), query);
  }
  return [...queries.values()];
}

function describeLeft(left: readonly Deleted[], objects: readonly KubeObject[]): string {
  return left.map((target) => `${refText(target.ref)} ${holdup(target, objects)}`).join("; ");
}

/** What keeps an object that is being deleted. */
function holdup({ uid, resource }: Deleted, objects: readonly KubeObject[]): string {
  const object = objects.find((each) => each.metadata.uid === uid);
  const finalizers = object?.metadata.finalizers ?? [];
  if (finalizers.length > 0) return `is kept by its finalizers ${finalizers.join(", ")}`;
  if (resource.kind === "Namespace") {
    const { conditions = [] } = (object?.["status"] ?? {}) as {
      conditions?: { type: string; status: string; message: string }[];
    };
    const telling = conditions.filter(
      ({ type, status }) => status === "True" && /^Namespace(ContentRemaining|FinalizersRemaining|Deletion)/.test(type),
    );
    if (telling.length > 0) return `holds what does not go: ${telling.map(({ message }) => message).join(" ")}`;
  }
  return "is still being deleted";
}
