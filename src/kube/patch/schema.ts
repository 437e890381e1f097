import { apiVersionOf } from "../group-version.ts";
import { isRecord } from "../../core/is-record.ts";
import { type GroupVersionKind, kindSchema, type OpenApiSchema, referenceOf, openApiSchema } from "../api-schemas.ts";

/**
 * Types as structured merge and diff knows them (sigs.k8s.io/structured-merge-diff, schema/elements.go), made of OpenAPI
 * schemas by the rules of kube-openapi's schemaconv. A value of a type with several members is what it looks like.
 */
export interface Atom {
  scalar?: ScalarType;
  list?: ListAtom;
  map?: MapAtom;
}

export type ScalarType = "string" | "numeric" | "boolean" | "untyped";

export interface ListAtom {
  element: () => Atom;
  /** Whether items have an identity: the fields `keys`, or where there are none the item itself. Else the list is one value. */
  isAssociative: boolean;
  keys: readonly string[];
}

export interface MapAtom {
  /** The name of its type in messages. */
  name: string;
  fields: ReadonlyMap<string, FieldAtom>;
  /** Type of members that are no fields; undefined where there may be none. */
  element?: () => Atom;
  /** Whether the map is one value. */
  isAtomic: boolean;
}

export interface FieldAtom {
  type: () => Atom;
  default: unknown;
  /** What stands for it in an object of the API server that has it not; undefined for a field that may be absent. */
  zero: unknown;
  /** How strategic merge patches treat it: `merge`, `replace`, `retainKeys`. */
  patchStrategies: readonly string[];
  patchMergeKey: string | undefined;
}

const UNTYPED: Atom = {
  scalar: "untyped",
  list: { element: () => UNTYPED, isAssociative: false, keys: [] },
  map: { name: "untyped", fields: new Map(), element: () => UNTYPED, isAtomic: true },
};

/** Of a value whose schema nobody knows: maps by their members, lists as one value. */
const DEDUCED: Atom = {
  scalar: "untyped",
  list: { element: () => UNTYPED, isAssociative: false, keys: [] },
  map: { name: "deduced", fields: new Map(), element: () => DEDUCED, isAtomic: false },
};

const PACKAGES = "io.k8s.apimachinery.pkg.";
const named = new Map<string, Atom>([
  [`${PACKAGES}api.resource.Quantity`, { scalar: "untyped" }],
  [`${PACKAGES}runtime.RawExtension`, UNTYPED],
]);

/**
 * The type of a kind: of the API server's own kinds, of `schema` for a custom resource (its `openAPIV3Schema`), or a type deduced from
 * values where neither is known.
 */
export function typeOfKind(gvk: GroupVersionKind, schema?: OpenApiSchema): Atom {
  if (schema !== undefined) {
    let type = customTypes.get(schema);
    if (type === undefined) customTypes.set(schema, (type = customType(gvk, schema)));
    return type;
  }
  const known = kindSchema(gvk);
  return known === undefined ? DEDUCED : atomOf(known, gvk.kind);
}

const customTypes = new WeakMap<OpenApiSchema, Atom>();

/** A custom resource's schema says nothing of what every object has. */
function customType(gvk: GroupVersionKind, schema: OpenApiSchema): Atom {
  const metadata = { $ref: `#/components/schemas/${PACKAGES}apis.meta.v1.ObjectMeta` };
  const properties = { ...schema.properties, apiVersion: { type: "string" }, kind: { type: "string" }, metadata };
  return atomOf({ ...schema, type: "object", properties }, `${apiVersionOf(gvk)} ${gvk.kind}`);
}

const converted = new WeakMap<OpenApiSchema, Atom>();

function atomOf(schema: OpenApiSchema, name: string, keepsUnknown = false): Atom {
  const known = converted.get(schema);
  if (known !== undefined) return known;
  const reference = referenceOf(schema);
  const atom = reference === undefined ? inlineAtom(schema, name, keepsUnknown) : referredAtom(schema, reference);
  converted.set(schema, atom);
  return atom;
}

function referredAtom(schema: OpenApiSchema, reference: string): Atom {
  let atom = named.get(reference);
  if (atom === undefined) {
    atom = atomOf(openApiSchema(reference), reference.split(".").at(-1) ?? reference);
    named.set(reference, atom);
  }
  const mapType = schema["x-kubernetes-map-type"];
  return mapType === undefined || atom.map === undefined
    ? atom
    : { ...atom, map: { ...atom.map, isAtomic: mapType === "atomic" } };
}

function inlineAtom(schema: OpenApiSchema, name: string, isWithin: boolean): Atom {
  const keepsUnknown = isWithin || schema["x-kubernetes-preserve-unknown-fields"] === true;
  switch (schema.type) {
    case undefined:
      return {
        scalar: "untyped",
        list: listAtom(schema, name, keepsUnknown),
        map: mapAtom(schema, name, keepsUnknown),
      };
    case "object":
      return { map: mapAtom(schema, name, keepsUnknown) };
    case "array":
      return { list: listAtom(schema, name, keepsUnknown) };
    case "integer":
    case "number":
      return { scalar: "numeric" };
    case "boolean":
      return { scalar: "boolean" };
    default:
      return { scalar: schema.format === undefined || schema.format === "byte" ? "string" : "untyped" };
  }
}

function listAtom(schema: OpenApiSchema, name: string, keepsUnknown: boolean): ListAtom {
  const { items } = schema;
  const listType = schema["x-kubernetes-list-type"];
  const strategies = strategiesOf(schema);
  const mergeKey = schema["x-kubernetes-patch-merge-key"];
  // Lists without a type are what their patch strategy says.
  const isAssociative = listType === undefined ? strategies.includes("merge") : listType !== "atomic";
  const keys =
    listType === undefined ? (mergeKey === undefined ? [] : [mergeKey]) : schema["x-kubernetes-list-map-keys"];
  return {
    element: () => (items === undefined ? UNTYPED : atomOf(items, name, keepsUnknown)),
    isAssociative,
    keys: isAssociative && listType !== "set" ? (keys ?? []) : [],
  };
}

function strategiesOf(schema: OpenApiSchema): string[] {
  return schema["x-kubernetes-patch-strategy"]?.split(",") ?? [];
}

/** The API server's objects are Go's: structures and required fields are never absent. */
function zeroOf({ default: value }: OpenApiSchema, isRequired: boolean): unknown {
  const isZero = value === "" || value === 0 || value === false || isRecord(value);
  return isZero ? value : isRequired ? null : undefined;
}

function mapAtom(schema: OpenApiSchema, name: string, keepsUnknown: boolean): MapAtom {
  const fields = new Map(
    Object.entries(schema.properties ?? {}).map(([field, property]): [string, FieldAtom] => [
      field,
      {
        type: () => atomOf(property, `${name}.${field}`, keepsUnknown),
        default: property.default,
        zero: zeroOf(property, schema.required?.includes(field) ?? false),
        patchStrategies: strategiesOf(property),
        patchMergeKey: property["x-kubernetes-patch-merge-key"],
      },
    ]),
  );
  const { additionalProperties: others } = schema;
  const isOpen = others === true || (others === undefined && (keepsUnknown || fields.size === 0));
  const element =
    typeof others === "object" ? () => atomOf(others, name, keepsUnknown) : isOpen ? () => DEDUCED : undefined;
  return {
    name,
    fields,
    ...(element && { element }),
    isAtomic: schema["x-kubernetes-map-type"] === "atomic",
  };
}

/** The one member of a type that a value is of; all of them for a value that is null, absent or of none. */
export function deduce(atom: Atom, value: unknown): Atom {
  if (value === undefined || value === null) return atom;
  if (Array.isArray(value)) return atom.list === undefined ? atom : { list: atom.list };
  if (typeof value === "object") return atom.map === undefined ? atom : { map: atom.map };
  return atom.scalar === undefined ? atom : { scalar: atom.scalar };
}

/** Type of a map's member, or undefined where the map may not have it. */
export function memberType(map: MapAtom, name: string): Atom | undefined {
  return (map.fields.get(name)?.type ?? map.element)?.();
}
