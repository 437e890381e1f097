import type { KubeObject } from "../kube/types.ts";
import type { StoreRef } from "./store/object-parts.ts";
import type { ObjectStore } from "./store/store.ts";
import { waitFor, type WaitOptions } from "./wait-for.ts";

/** What pods have to end, as on other providers: a lab has no time to lose. What comes by kubectl says it itself. */
const GRACE_SECONDS = 1;

/** Deletes what is there of these, with what it owns and the pods in it, and resolves when that is gone. Rejects with WAIT_TIMEOUT, or the signal's reason. */
export async function deleteObjects(
  store: ObjectStore,
  refs: readonly StoreRef[],
  { timeoutMs = 60_000, signal }: Partial<WaitOptions> = {},
): Promise<void> {
  const present = withBelow(store, refs);
  const gone = present.map((ref) =>
    waitFor(store, { kind: "deleted", ref }, { timeoutMs, ...(signal === undefined ? {} : { signal }) }),
  );
  const all = Promise.all(gone);
  // Deleting one may take another of the list along.
  for (const ref of present)
    if (store.find(ref) !== undefined)
      store.delete(ref, ref.kind === "Pod" ? { gracePeriodSeconds: GRACE_SECONDS } : {});
  await all;
}

/** What is there of these, each with what nobody else owns either or, a namespace, the pods in it; owners first. */
function withBelow(store: ObjectStore, refs: readonly StoreRef[]): StoreRef[] {
  const found = new Map<string, StoreRef>();
  const visit = (object: KubeObject): void => {
    const { uid = "", namespace, name } = object.metadata;
    if (found.has(uid)) return;
    found.set(uid, { kind: store.keyOf(object), name, ...(namespace === undefined ? {} : { namespace }) });
    const isLost = ({ metadata }: KubeObject): boolean =>
      metadata.ownerReferences?.every((owner) => found.has(owner.uid)) === true;
    const below = object.kind === "Namespace" ? store.list("Pod", name) : store.dependents(uid).filter(isLost);
    for (const each of below) visit(each);
  };
  for (const object of refs.flatMap((ref) => store.find(ref) ?? [])) visit(object);
  return [...found.values()];
}
