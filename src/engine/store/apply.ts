import type { LabWarning } from "../../core/errors.ts";
import { isRecord } from "../../core/is-record.ts";
import type { KubeObject } from "../../kube/types.ts";
import { cloneJson } from "./json.ts";
import { kindKey } from "./kinds.ts";
import { listKeysOf, mergeApplied } from "./merge.ts";
import type { StoreRef } from "./object-parts.ts";
import type { ObjectStore } from "./store.ts";

/** Where `kubectl apply` keeps what it last applied, as JSON; kept here under the same name so that kubectl agrees. */
export const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** What became of one applied object. */
export interface AppliedObject {
  ref: StoreRef;
  action: "created" | "configured" | "unchanged";
  warnings: LabWarning[];
}

/**
 * Creates or updates like `kubectl apply`, in the order given: all objects are accepted or none. Throws what the store
 * and its rules throw, the first problem met. `warningsOf` is asked about each stored object.
 */
export function applyObjects(
  store: ObjectStore,
  objects: readonly KubeObject[],
  warningsOf: (object: KubeObject) => LabWarning[] = () => [],
): AppliedObject[] {
  return store.transaction(() => objects.map((object) => applyOne(store, object, warningsOf)));
}

function applyOne(
  store: ObjectStore,
  object: KubeObject,
  warningsOf: (object: KubeObject) => LabWarning[],
): AppliedObject {
  const wanted = cleaned(object);
  store.place(wanted);
  const key = kindKey(wanted.apiVersion, wanted.kind);
  const { name, namespace } = wanted.metadata;
  const ref = { kind: wanted.kind, name, ...(namespace === undefined ? {} : { namespace }) };
  const live = store.find({ ...ref, kind: key, namespace: namespace ?? "" });
  const annotated = withLastApplied(wanted);
  if (live === undefined) return { ref, action: "created", warnings: warningsOf(store.create(annotated)) };
  const merged = mergeApplied(lastApplied(live), live, annotated, listKeysOf(key)) as KubeObject;
  const written = store.update({ ...merged, metadata: { ...merged.metadata, name } });
  const isUnchanged = written.metadata.resourceVersion === live.metadata.resourceVersion;
  return { ref, action: isUnchanged ? "unchanged" : "configured", warnings: warningsOf(written) };
}

/** The object without what only the server sets, so that the output of `kubectl get -o yaml` can be applied. */
function cleaned(object: KubeObject): KubeObject {
  const wanted = cloneJson(object);
  delete wanted["status"];
  const { metadata } = wanted;
  delete metadata.uid;
  delete metadata.resourceVersion;
  delete metadata.generation;
  delete metadata.creationTimestamp;
  delete metadata.deletionTimestamp;
  if (metadata.annotations !== undefined) delete metadata.annotations[LAST_APPLIED];
  return wanted;
}

function withLastApplied(wanted: KubeObject): KubeObject {
  const annotations = { ...wanted.metadata.annotations, [LAST_APPLIED]: JSON.stringify(wanted) };
  return { ...wanted, metadata: { ...wanted.metadata, annotations } };
}

/** What was last applied; undefined for an object that apply did not make, and where the annotation is not JSON. */
function lastApplied(live: KubeObject): unknown {
  const text = live.metadata.annotations?.[LAST_APPLIED];
  if (text === undefined) return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    return isRecord(parsed) ? parsed : undefined;
  } catch {
    // Anyone may write annotations; without a readable one nothing is taken away, as kubectl does.
    return undefined;
  }
}
