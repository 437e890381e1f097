import { LabError } from "../../core/errors.ts";
import type { KubeObject } from "../../kube/types.ts";
import { apiTime, systemClock, type Clock } from "../clock.ts";
import { nameSuffix, seededRandom, seededUuid, type Random } from "../seeded-random.ts";
import {
  bumpsGeneration,
  deletionFinalizers,
  finalizersOf,
  gracePeriod,
  isToBeRemoved,
  markDeleted,
  withoutOwner,
  type DeleteOptions,
} from "./deletion.ts";
import { History, type StoreEvent } from "./history.ts";
import { cloneJson, equalJson, freezeJson } from "./json.ts";
import { hasGeneration, hasStatus, isNamespaced, kindKey, type InterpretedKinds } from "./kinds.ts";
import { checkName } from "./names.ts";
import { describe, merged, notFound, type StoreRef } from "./object-parts.ts";
import { inOrder, ObjectTable, type Entry, type IndexedKind } from "./object-table.ts";
import { WatchHub, type Watch, type WatchOptions } from "./watch.ts";

/** What a rule sees besides the draft. `old` is absent on creation. */
export interface AdmissionRequest {
  operation: "create" | "update" | "delete";
  key: string;
  old?: KubeObject;
  store: ObjectStore;
}

/** A rule every write passes, in order: it may fill in the draft (not on delete), or refuse by throwing a LabError. */
export type AdmissionRule = (draft: KubeObject, request: AdmissionRequest) => void;

export interface StoreOptions {
  clock?: Clock;
  random?: Random;
  admission?: readonly AdmissionRule[];
  /** Changes kept for watches that begin at an older version; at least this many, at most twice as many. */
  historyLimit?: number;
}

/**
 * A Kubernetes-shaped object store in memory (kubernetes.io/docs/reference/using-api/api-concepts). Objects it gives
 * out are frozen and shared: clone before changing. Every write is synchronous and gets the next version of one counter.
 */
export class ObjectStore {
  private readonly table = new ObjectTable();
  private readonly history: History;
  private readonly hub: WatchHub;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly admission: readonly AdmissionRule[];
  private counter = 0;
  private sequence = 0;
  private undo: (() => void)[] | undefined;

  constructor(options: StoreOptions = {}) {
    this.clock = options.clock ?? systemClock;
    this.random = options.random ?? seededRandom(1);
    this.admission = options.admission ?? [];
    this.history = new History(options.historyLimit ?? 4096);
    this.hub = new WatchHub(this.history);
  }

  /** Version of the newest change; a list made now is of this version. */
  get version(): number {
    return this.counter;
  }

  get<K extends keyof InterpretedKinds>(kind: K, name: string, namespace = ""): InterpretedKinds[K] | undefined {
    return this.table.get(kind, namespace, name)?.object as InterpretedKinds[K] | undefined;
  }

  /** Objects of one kind in order of creation. */
  list<K extends keyof InterpretedKinds>(kind: K, namespace?: string): InterpretedKinds[K][] {
    return inOrder(this.table.entries(kind, namespace)) as InterpretedKinds[K][];
  }

  /** Services that have a cluster address; EndpointSlices of the Service "namespace/name". In order of creation. */
  indexed<K extends IndexedKind>(kind: K, value: string): InterpretedKinds[K][] {
    return inOrder(this.table.withValue(kind, value)) as InterpretedKinds[K][];
  }

  /** Objects of all kinds, or of one kind and namespace, in order of creation; unknown kinds by their name alone. */
  all(filter: { kind?: string; namespace?: string } = {}): KubeObject[] {
    const { kind, namespace } = filter;
    const entries =
      kind === undefined
        ? [...this.table.all()]
        : this.table.keysOf(kind).flatMap((key) => [...this.table.entries(key)]);
    return inOrder(entries.filter((entry) => namespace === undefined || entry.namespace === namespace));
  }

  /** All objects with what their kinds are filed under, in order of creation. */
  snapshot(): { key: string; object: KubeObject }[] {
    return [...this.table.all()].toSorted((left, right) => left.sequence - right.sequence);
  }

  /** What the kind of an object, or of a reference to one, is filed under. */
  keyOf(object: { apiVersion: string; kind: string }): string {
    return kindKey(object.apiVersion, object.kind);
  }

  find(ref: StoreRef): KubeObject | undefined {
    return this.entryOf(ref)?.object;
  }

  /** Objects that name this uid among their owners. */
  dependents(uid: string): KubeObject[] {
    return this.table.ownedBy(uid).map(({ object }) => object);
  }

  /** Adds an object; throws OBJECT_EXISTS, NAMESPACE_NOT_FOUND, OBJECT_INVALID or what a rule throws. */
  create<T extends KubeObject>(object: T): T {
    const draft = cloneJson(object);
    const { metadata } = draft;
    if (metadata.name === undefined && metadata.generateName !== undefined)
      metadata.name = metadata.generateName + nameSuffix(this.random);
    const key = kindKey(draft.apiVersion, draft.kind);
    this.place(draft);
    checkName(draft, key);
    const namespace = metadata.namespace ?? "";
    if (this.table.get(key, namespace, metadata.name) !== undefined) {
      throw new LabError("OBJECT_EXISTS", `${describe(draft)} already exists`);
    }
    if (namespace !== "") this.checkNamespace(draft, namespace);
    if (hasStatus(key)) delete draft["status"];
    delete metadata.deletionTimestamp;
    metadata.uid = seededUuid(this.random);
    delete metadata.generation;
    if (hasGeneration(key)) metadata.generation = 1;
    metadata.creationTimestamp = apiTime(this.clock.nowMs());
    this.admit(draft, { operation: "create", key, store: this });
    this.commit("ADDED", { key, namespace, name: metadata.name, object: draft, sequence: this.sequence++ }, undefined);
    return draft;
  }

  /**
   * Replaces everything but status; a write that changes nothing makes no version. With a resourceVersion in the
   * object, throws STORE_CONFLICT where the stored one is newer. Removes an object in deletion once its last finalizer goes.
   */
  update<T extends KubeObject>(object: T): T {
    return this.write(object, "object");
  }

  /** Replaces status only; otherwise like {@link update}. */
  updateStatus<T extends KubeObject>(object: T): T {
    return this.write(object, "status");
  }

  /** Replaces the object and its status in one write, as the API does for the binding of a pod to a node. */
  updateWithStatus<T extends KubeObject>(object: T): T {
    return this.write(object, "all");
  }

  /**
   * Deletes an object; throws OBJECT_NOT_FOUND. One with finalizers, and a pod that runs on a node, only gets a
   * deletionTimestamp: whoever holds it removes it later.
   */
  delete(ref: StoreRef, options: DeleteOptions = {}): void {
    const entry = this.entryOf(ref);
    if (entry === undefined) throw notFound(ref);
    this.admit(entry.object, { operation: "delete", key: entry.key, old: entry.object, store: this });
    if (options.propagation === "Orphan" && entry.object.metadata.uid !== undefined)
      this.orphan(entry.object.metadata.uid);
    const { gracePeriodSeconds: asked } = options;
    const grace = gracePeriod(entry.object, asked);
    const draft = cloneJson(entry.object);
    const finalizers = deletionFinalizers(draft.metadata, options.propagation);
    if (finalizers.length > 0) draft.metadata.finalizers = [...finalizers];
    else delete draft.metadata.finalizers;
    if (grace === 0 && finalizersOf(draft).length === 0) {
      this.remove(entry);
      return;
    }
    markDeleted(draft, this.clock.nowMs(), grace, asked);
    if (!equalJson(draft, entry.object)) this.commit("MODIFIED", { ...entry, object: draft }, entry);
  }

  /** Runs `work`; when it throws, every write it made is taken back and no watcher learns of it. Does not nest. */
  transaction<T>(work: () => T): T {
    if (this.undo !== undefined) throw new Error("transactions do not nest");
    const { counter, sequence } = this;
    this.undo = [];
    try {
      return work();
    } catch (error) {
      for (const undo of this.undo.toReversed()) undo();
      this.counter = counter;
      this.sequence = sequence;
      this.history.rollback(counter);
      throw error;
    } finally {
      this.undo = undefined;
      this.hub.wake();
    }
  }

  /** Events after `version`; throws STORE_TOO_OLD where they are no longer all there. */
  eventsSince(version: number): StoreEvent[] {
    return this.history.since(version);
  }

  /** Calls `onEvents` with what changed, in order, in a microtask after the change; see {@link WatchHub}. */
  watch(options: WatchOptions, onEvents: (events: StoreEvent[]) => void): Watch {
    return this.hub.watch(options, this.counter, onEvents);
  }

  private entryOf(ref: StoreRef): Entry | undefined {
    for (const key of this.table.keysOf(ref.kind)) {
      const found =
        this.table.get(key, ref.namespace ?? "", ref.name) ??
        (ref.namespace === undefined ? this.table.get(key, "default", ref.name) : undefined);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Gives a namespaced object its default namespace, and takes a stray one from a cluster-wide object. */
  place(draft: KubeObject): void {
    if (isNamespaced(draft, (group, kind) => this.table.crdScope(group, kind))) draft.metadata.namespace ??= "default";
    else delete draft.metadata.namespace;
  }

  private checkNamespace(object: KubeObject, name: string): void {
    const namespace = this.get("Namespace", name);
    if (namespace === undefined) {
      throw new LabError("NAMESPACE_NOT_FOUND", `${describe(object)}: namespace "${name}" does not exist`, {
        hint: "apply the Namespace first; within one file it must stand before what lives in it",
      });
    }
    if (namespace.metadata.deletionTimestamp !== undefined) {
      throw new LabError("NAMESPACE_NOT_FOUND", `${describe(object)}: namespace "${name}" is being deleted`, {
        hint: "wait until it is gone, then create it again",
      });
    }
  }

  private admit(draft: KubeObject, request: AdmissionRequest): void {
    for (const rule of this.admission) rule(draft, request);
  }

  private write<T extends KubeObject>(object: T, part: "object" | "status" | "all"): T {
    const ref = {
      kind: kindKey(object.apiVersion, object.kind),
      namespace: object.metadata.namespace ?? "",
      name: object.metadata.name,
    };
    const entry = this.table.get(ref.kind, ref.namespace, ref.name);
    if (entry === undefined) throw notFound(ref);
    const stored = entry.object;
    const { resourceVersion, uid } = object.metadata;
    if (
      (resourceVersion !== undefined && resourceVersion !== stored.metadata.resourceVersion) ||
      (uid !== undefined && uid !== stored.metadata.uid)
    ) {
      throw new LabError("STORE_CONFLICT", `${describe(object)} has been changed meanwhile`, {
        hint: "read the newest version, make the change there, and write it again",
      });
    }
    const draft = merged(stored, cloneJson(object), part === "object" && !hasStatus(entry.key) ? "all" : part);
    if (part !== "status") this.admit(draft, { operation: "update", key: entry.key, old: stored, store: this });
    if (isToBeRemoved(draft)) {
      this.remove({ ...entry, object: draft });
      return draft as T;
    }
    if (equalJson(draft, stored)) return stored as T;
    if (part !== "status" && hasGeneration(entry.key) && bumpsGeneration(stored, draft))
      draft.metadata.generation = (stored.metadata.generation ?? 0) + 1;
    this.commit("MODIFIED", { ...entry, object: draft }, entry);
    return draft as T;
  }

  private orphan(uid: string): void {
    for (const { object } of this.table.ownedBy(uid)) this.update(withoutOwner(object, uid));
  }

  private remove(entry: Entry): void {
    const last = this.table.get(entry.key, entry.namespace, entry.name);
    if (last === undefined) return;
    this.commit("DELETED", { ...entry, object: cloneJson(entry.object) }, last);
  }

  private commit(type: StoreEvent["type"], entry: Entry, previous: Entry | undefined): void {
    const version = ++this.counter;
    entry.object.metadata.resourceVersion = String(version);
    freezeJson(entry.object);
    if (type === "DELETED" && previous !== undefined) this.table.remove(previous);
    else this.table.put(entry);
    this.undo?.push(() => (previous === undefined ? this.table.remove(entry) : this.table.put(previous)));
    this.history.append({
      type,
      key: entry.key,
      object: entry.object,
      version,
      ...(previous === undefined ? {} : { previous: previous.object }),
    });
    if (this.undo === undefined) this.hub.wake();
  }
}
