import { setField } from "../../core/json-field.ts";
import { goJson, isSame, type JsonObject } from "./json-value.ts";
import { isRecord } from "../../core/is-record.ts";
import { type Atom, memberType } from "./schema.ts";

/**
 * One step to a field, as FieldsV1 writes it: `f:` and a field's name, `k:` and the keys of a list's item, `v:` and the item of a set,
 * `i:` and an index (KEP-555; sigs.k8s.io/structured-merge-diff, fieldpath).
 */
export type PathElement = string;

export function fieldElement(name: string): PathElement {
  return `f:${name}`;
}

/** The item of a list with the keys `keys`. */
export function keyElement(keys: JsonObject): PathElement {
  return `k:${goJson(keys)}`;
}

/** The item of a set. */
export function valueElement(value: unknown): PathElement {
  return `v:${goJson(value)}`;
}

/**
 * A set of fields: the members here, and below each child's step those there. A field with fields below it need not be a member. Never
 * changed once it is given out.
 */
export class FieldSet {
  readonly #members = new Set<PathElement>();
  readonly #children = new Map<PathElement, FieldSet>();

  static of(...paths: (readonly PathElement[])[]): FieldSet {
    const set = new FieldSet();
    for (const path of paths) set.insert(path);
    return set;
  }

  /** While it is being made: adds the field at a path. The whole object, the empty path, belongs to no set. */
  insert(path: readonly PathElement[]): void {
    const [first, ...rest] = path;
    if (first === undefined) return;
    if (rest.length === 0) {
      this.#members.add(first);
      return;
    }
    let child = this.#children.get(first);
    if (child === undefined) this.#children.set(first, (child = new FieldSet()));
    child.insert(rest);
  }

  get isEmpty(): boolean {
    return this.#members.size === 0 && [...this.#children.values()].every((child) => child.isEmpty);
  }

  /** Whether the set has the field one step below. */
  has(element: PathElement): boolean {
    return this.#members.has(element);
  }

  /** The fields below one step. */
  below(element: PathElement): FieldSet {
    return this.#children.get(element) ?? new FieldSet();
  }

  union(other: FieldSet): FieldSet {
    return this.#combine(
      [...this.#members, ...other.#members],
      [...this.#children.keys(), ...other.#children.keys()],
      (element) => this.below(element).union(other.below(element)),
    );
  }

  intersection(other: FieldSet): FieldSet {
    return this.#combine(
      [...this.#members].filter((element) => other.has(element)),
      this.#children.keys(),
      (element) => this.below(element).intersection(other.below(element)),
    );
  }

  /** Fields that `other` has not; those below a field of `other` remain. */
  difference(other: FieldSet): FieldSet {
    return this.#combine(
      [...this.#members].filter((element) => !other.has(element)),
      this.#children.keys(),
      (element) => this.below(element).difference(other.below(element)),
    );
  }

  /** Fields that neither are in `other` nor below one of its fields. */
  recursiveDifference(other: FieldSet): FieldSet {
    return this.#combine(
      [...this.#members].filter((element) => !other.has(element)),
      [...this.#children.keys()].filter((element) => !other.has(element)),
      (element) => this.below(element).recursiveDifference(other.below(element)),
    );
  }

  #combine(
    members: Iterable<PathElement>,
    children: Iterable<PathElement>,
    child: (element: PathElement) => FieldSet,
  ): FieldSet {
    const set = new FieldSet();
    for (const element of members) set.#members.add(element);
    for (const element of new Set(children)) {
      const below = child(element);
      if (!below.isEmpty) set.#children.set(element, below);
    }
    return set;
  }

  /** With all fields of object types on the way to a member as members; items of maps and lists are not added. */
  withNamedFields(atom: Atom): FieldSet {
    const set = new FieldSet();
    for (const element of this.#members) set.#members.add(element);
    for (const [element, child] of this.#children) {
      const isField = element.startsWith("f:");
      if (isField && atom.map?.fields.has(element.slice(2))) set.#members.add(element);
      const type = isField ? atom.map && memberType(atom.map, element.slice(2)) : atom.list?.element();
      set.#children.set(element, child.withNamedFields(type ?? {}));
    }
    return set;
  }

  /** All members, those here before those below, in the order of {@link comparePathElements}. */
  *paths(prefix: readonly PathElement[] = []): Generator<PathElement[]> {
    for (const element of [...this.#members].toSorted(comparePathElements)) yield [...prefix, element];
    for (const element of [...this.#children.keys()].toSorted(comparePathElements))
      yield* this.below(element).paths([...prefix, element]);
  }

  /** The set in the format FieldsV1 of managedFields. */
  toFieldsV1(): JsonObject {
    const fields: JsonObject = {};
    const elements = new Set([...this.#members, ...this.#children.keys()]);
    for (const element of [...elements].toSorted(comparePathElements)) {
      const below = this.below(element);
      const self = this.has(element) && !below.isEmpty ? { ".": {} } : {};
      setField(fields, element, { ...self, ...below.toFieldsV1() });
    }
    return fields;
  }

  /** Reads FieldsV1; steps of an unknown sort are left out. Throws TypeError for what is no FieldsV1. */
  static fromFieldsV1(fields: unknown): FieldSet {
    const set = new FieldSet();
    if (!isRecord(fields)) throw new TypeError("FieldsV1 is a map");
    for (const [written, below] of Object.entries(fields)) {
      const element = written === "." ? undefined : canonical(written);
      if (element === undefined) continue;
      if (!isRecord(below)) throw new TypeError("FieldsV1 is a map of maps");
      const children = FieldSet.fromFieldsV1(below);
      if ("." in below || children.isEmpty) set.#members.add(element);
      if (!children.isEmpty) set.#children.set(element, children);
    }
    return set;
  }
}

function canonical(written: string): PathElement | undefined {
  switch (written.slice(0, 2)) {
    case "f:":
    case "i:":
      return written;
    case "k:":
    case "v:":
      return written.slice(0, 2) + goJson(parse(written));
    default:
      return undefined;
  }
}

function parse(element: PathElement): unknown {
  try {
    return JSON.parse(element.slice(2));
  } catch (cause) {
    throw new TypeError(`no path element: ${element}`, { cause });
  }
}

const SORTS = ["f:", "k:", "v:", "i:"];

/** The order of path elements in FieldsV1 and messages: fields, keys, values, indices. */
export function comparePathElements(left: PathElement, right: PathElement): number {
  const sort = left.slice(0, 2);
  const bySort = SORTS.indexOf(sort) - SORTS.indexOf(right.slice(0, 2));
  if (bySort !== 0) return bySort;
  if (sort === "f:") return compareTexts(left, right);
  if (sort === "i:") return Number(left.slice(2)) - Number(right.slice(2));
  return sort === "v:" ? compareValues(parse(left), parse(right)) : compareKeys(parse(left), parse(right));
}

function compareKeys(left: unknown, right: unknown): number {
  const [mine, others] = [Object.entries(left as JsonObject), Object.entries(right as JsonObject)];
  for (const [index, [name, value]] of mine.entries()) {
    const other = others[index];
    if (other === undefined) return 1;
    const order = compareTexts(name, other[0]) || compareValues(value, other[1]);
    if (order !== 0) return order;
  }
  return mine.length - others.length;
}

const VALUE_SORTS = ["number", "string", "boolean"];

function compareValues(left: unknown, right: unknown): number {
  const bySort = VALUE_SORTS.indexOf(typeof left) - VALUE_SORTS.indexOf(typeof right);
  if (bySort !== 0 || isSame(left, right)) return bySort;
  return typeof left === "string" ? compareTexts(left, right as string) : Number(left) - Number(right);
}

function compareTexts(left: string, right: string): number {
  return left === right ? 0 : left < right ? -1 : 1;
}

/** A path as the API writes it in conflicts: `.spec.containers[name="web"].image`. */
export function formatFieldPath(path: readonly PathElement[]): string {
  return path.map(formatElement).join("");
}

/** One step of {@link formatFieldPath}. */
export function formatElement(element: PathElement): string {
  switch (element.slice(0, 2)) {
    case "f:":
      return `.${element.slice(2)}`;
    case "k:":
      return `[${Object.entries(parse(element) as JsonObject)
        .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
        .join(",")}]`;
    case "v:":
      return `[=${JSON.stringify(parse(element))}]`;
    default:
      return `[${element.slice(2)}]`;
  }
}
