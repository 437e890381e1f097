import adminPolicies from "./admin-policy-fields.json" with { type: "json" };
import { gatewayFields } from "./gateway/gateway-fields.ts";
import mesh from "./mesh/istio-fields.json" with { type: "json" };
import table from "./api-fields.json" with { type: "json" };

/** The type of a field of the API, as api-fields.json and the tables beside it have it. */
export type FieldType =
  | { is: "string" | "boolean" | "integer" | "number" | "int-or-string" | "quantity" | "any" }
  | { is: "list"; of: FieldType }
  | { is: "map"; of: FieldType }
  | { is: "object"; type: string };

/** A field of an object type. */
export interface Field {
  type: FieldType;
  isRequired: boolean;
}

/** A kind whose manifests are checked field by field. */
export interface KindFacts {
  apiVersion: string;
  /** Name of its object type for {@link fieldsOf}. */
  type: string;
  namespaced: boolean;
}

const gateway = gatewayFields();

const KINDS: Readonly<Record<string, KindFacts>> = {
  ...table.kinds,
  ...adminPolicies.kinds,
  ...mesh.kinds,
  ...gateway.kinds,
};
const TYPES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ...table.types,
  ...adminPolicies.types,
  ...mesh.types,
  ...gateway.types,
};

const SCALARS: Readonly<Record<string, FieldType>> = {
  string: { is: "string" },
  boolean: { is: "boolean" },
  number: { is: "number" },
  quantity: { is: "quantity" },
  "int-or-string": { is: "int-or-string" },
  "#": { is: "integer" },
  "*": { is: "any" },
};

const parsedTypes = new Map<string, ReadonlyMap<string, Field>>();

/** Facts of a kind, or undefined for one whose fields are not known here. */
export function kindFacts(kind: string): KindFacts | undefined {
  return Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
}

/** Whether the kind is a stranger's namesake of one that no cluster has by itself, such as Antrea's ClusterNetworkPolicy. */
export function isNamesake(kind: string, apiVersion: string): boolean {
  const group = (name: string | undefined): string | undefined => name?.split("/")[0];
  return isByDefinition(kind) && group(apiVersion) !== group(KINDS[kind]?.apiVersion);
}

/** Whether clusters have the kind by a definition that is installed alone. */
export function isByDefinition(kind: string): boolean {
  return [adminPolicies.kinds, mesh.kinds, gateway.kinds].some((kinds) => Object.hasOwn(kinds, kind));
}

/** All kinds whose fields are known. */
export function knownKinds(): string[] {
  return Object.keys(KINDS);
}

/** The fields of an object type. Throws for a type that the table lacks: the generator closes it over all references. */
export function fieldsOf(type: string): ReadonlyMap<string, Field> {
  const parsed = parsedTypes.get(type);
  if (parsed !== undefined) return parsed;
  const written = TYPES[type];
  if (written === undefined) throw new Error(`api-fields.json has no type ${type}`);
  const fields = new Map(
    Object.entries(written).map(([name, notation]): [string, Field] => {
      const isRequired = notation.endsWith("!");
      return [name, { type: parseNotation(isRequired ? notation.slice(0, -1) : notation), isRequired }];
    }),
  );
  parsedTypes.set(type, fields);
  return fields;
}

function parseNotation(notation: string): FieldType {
  if (notation.endsWith("[]")) return { is: "list", of: parseNotation(notation.slice(0, -2)) };
  if (notation.startsWith("{")) return { is: "map", of: parseNotation(notation.slice(1, -1)) };
  return SCALARS[notation] ?? { is: "object", type: notation };
}
