import { isRecord } from "../../core/is-record.ts";
import type { KubeObject } from "../../kube/types.ts";
import { isKindMeant, type InterpretedKinds } from "./kinds.ts";

/** A stored object and where it is filed; `object` is frozen. */
export interface Entry {
  key: string;
  namespace: string;
  name: string;
  object: KubeObject;
  /** Order of creation, over all kinds. */
  sequence: number;
}

/**
 * What objects of a kind are found by beside their names, as by an indexer of client-go: Services by their cluster addresses, slices by the
 * "namespace/name" of their Service.
 */
const INDEXERS = {
  Service: ({ spec }: InterpretedKinds["Service"]): readonly string[] => spec.clusterIPs ?? [],
  EndpointSlice: ({ metadata: { namespace, labels } }: InterpretedKinds["EndpointSlice"]): readonly string[] => {
    const service = labels?.["kubernetes.io/service-name"];
    return service === undefined ? [] : [`${namespace}/${service}`];
  },
} as const;
export type IndexedKind = keyof typeof INDEXERS;

function indexedBy({ key, object }: Entry): string[] {
  const indexer = Object.hasOwn(INDEXERS, key) ? INDEXERS[key as IndexedKind] : undefined;
  // An object of the kind: that is what its key says.
  return (indexer?.(object as never) ?? []).map((value) => `${key} ${value}`);
}

/** Objects by kind, namespace and name, by the uid of their owners and by what their kind is indexed by. Holds no rules. */
export class ObjectTable {
  private readonly kinds = new Map<string, Map<string, Map<string, Entry>>>();
  private readonly owned = new Map<string, Set<Entry>>();
  private readonly indexed = new Map<string, Set<Entry>>();

  get(key: string, namespace: string, name: string): Entry | undefined {
    return this.kinds.get(key)?.get(namespace)?.get(name);
  }

  put(entry: Entry): void {
    const previous = this.get(entry.key, entry.namespace, entry.name);
    if (previous !== undefined) this.forget(previous);
    const byNamespace = ensure(this.kinds, entry.key, () => new Map<string, Map<string, Entry>>());
    ensure(byNamespace, entry.namespace, () => new Map<string, Entry>()).set(entry.name, entry);
    for (const { uid } of entry.object.metadata.ownerReferences ?? [])
      ensure(this.owned, uid, () => new Set<Entry>()).add(entry);
    for (const value of indexedBy(entry)) ensure(this.indexed, value, () => new Set<Entry>()).add(entry);
  }

  remove(entry: Entry): void {
    this.forget(entry);
    const byNamespace = this.kinds.get(entry.key);
    const byName = byNamespace?.get(entry.namespace);
    byName?.delete(entry.name);
    if (byName?.size === 0) byNamespace?.delete(entry.namespace);
  }

  private forget(entry: Entry): void {
    for (const { uid } of entry.object.metadata.ownerReferences ?? []) removeFrom(this.owned, uid, entry);
    for (const value of indexedBy(entry)) removeFrom(this.indexed, value, entry);
  }

  /** Keys that a reference by kind means; see {@link isKindMeant}. */
  keysOf(kind: string): string[] {
    return this.kinds.has(kind) ? [kind] : [...this.kinds.keys()].filter((key) => isKindMeant(key, kind));
  }

  *entries(key: string, namespace?: string): Generator<Entry> {
    const byNamespace = this.kinds.get(key);
    if (byNamespace === undefined) return;
    if (namespace !== undefined) {
      yield* byNamespace.get(namespace)?.values() ?? [];
      return;
    }
    for (const byName of byNamespace.values()) yield* byName.values();
  }

  *all(): Generator<Entry> {
    for (const key of this.kinds.keys()) yield* this.entries(key);
  }

  /** What a stored CustomResourceDefinition says of the scope of its kind. */
  crdScope(group: string, kind: string): string | undefined {
    for (const { object } of this.entries("CustomResourceDefinition")) {
      const spec = object["spec"];
      if (isRecord(spec) && spec["group"] === group && isRecord(spec["names"]) && spec["names"]["kind"] === kind)
        return String(spec["scope"]);
    }
    return undefined;
  }

  ownedBy(uid: string): Entry[] {
    return [...(this.owned.get(uid) ?? [])];
  }

  /** What has this value where its kind is indexed. */
  withValue(key: IndexedKind, value: string): Entry[] {
    return [...(this.indexed.get(`${key} ${value}`) ?? [])];
  }
}

function removeFrom<K>(map: Map<K, Set<Entry>>, key: K, entry: Entry): void {
  const entries = map.get(key);
  entries?.delete(entry);
  if (entries?.size === 0) map.delete(key);
}

function ensure<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}

/** The objects of entries in order of creation. */
export function inOrder(entries: Iterable<Entry>): KubeObject[] {
  return [...entries].toSorted((left, right) => left.sequence - right.sequence).map(({ object }) => object);
}
