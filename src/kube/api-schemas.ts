import table from "./api-schemas.json" with { type: "json" };

/** A schema of OpenAPI v3 with Kubernetes' extensions (kubernetes.io/docs/reference/using-api/server-side-apply). */
export interface OpenApiSchema {
  $ref?: string;
  allOf?: OpenApiSchema[];
  oneOf?: OpenApiSchema[];
  type?: string;
  format?: string;
  description?: string;
  properties?: Record<string, OpenApiSchema>;
  required?: string[];
  items?: OpenApiSchema;
  additionalProperties?: OpenApiSchema | boolean;
  default?: unknown;
  enum?: string[];
  "x-kubernetes-list-type"?: "atomic" | "set" | "map";
  "x-kubernetes-list-map-keys"?: string[];
  "x-kubernetes-map-type"?: "atomic" | "granular";
  "x-kubernetes-patch-strategy"?: string;
  "x-kubernetes-patch-merge-key"?: string;
  "x-kubernetes-preserve-unknown-fields"?: boolean;
  "x-kubernetes-group-version-kind"?: GroupVersionKind[];
}

/** A kind of the API; the core group is the empty text. */
export interface GroupVersionKind {
  group: string;
  version: string;
  kind: string;
}

/** What the API server serves of a kind; one without `resource` is a subresource's alone. */
export interface ServedKind extends GroupVersionKind {
  /** Name of its schema in {@link openApiSchema}. */
  schema: string;
  /** Its name in paths, such as `deployments`. */
  resource?: string;
  namespaced: boolean;
  subresources: readonly string[];
}

interface KindEntry {
  type: string;
  resource?: string;
  namespaced?: boolean;
  subresources?: readonly string[];
}

interface FieldOptions {
  list?: "atomic" | "set" | "map";
  keys?: string[];
  map?: "atomic" | "granular";
  patch?: string;
  key?: string;
  enum?: string[];
  /** Enumeration of a list's items or a map's values. */
  values?: string[];
  default?: unknown;
}

/** A type's notation, with options where it has any. */
type FieldEntry = string | readonly [string, FieldOptions];
/** An object type's fields; `$map` says what kind of map it is. Other types are a notation. */
type TypeEntry = FieldEntry | Readonly<Record<string, FieldEntry>>;

const KINDS = table.kinds as Readonly<Record<string, KindEntry>>;
const TYPES = table.types as unknown as Readonly<Record<string, TypeEntry>>;
const PREFIXES = Object.entries(table.prefixes);

/** Types that the table calls anything, as OpenAPI writes them. */
const SPECIAL: Readonly<Record<string, OpenApiSchema>> = {
  "resource.Quantity": { oneOf: [{ type: "string" }, { type: "number" }] },
  "intstr.IntOrString": { format: "int-or-string", oneOf: [{ type: "integer" }, { type: "string" }] },
};

/** All kinds of the table. */
export const servedKinds: readonly ServedKind[] = Object.entries(KINDS).map(([key, entry]) => {
  const [apiVersion = "", kind = ""] = key.split(" ");
  const [version = "", group = ""] = apiVersion.split("/").toReversed();
  return {
    group,
    version,
    kind,
    schema: longName(entry.type),
    ...(entry.resource === undefined ? {} : { resource: entry.resource }),
    namespaced: entry.namespaced ?? false,
    subresources: entry.subresources ?? [],
  };
});

/** A kind of the table, or undefined for one that it lacks, such as a custom resource. */
export function servedKind(gvk: GroupVersionKind): ServedKind | undefined {
  return servedKinds.find(
    ({ group, version, kind }) => group === gvk.group && version === gvk.version && kind === gvk.kind,
  );
}

function longName(short: string): string {
  const [prefix, long] = PREFIXES.find(([start]) => short.startsWith(start)) ?? ["", ""];
  return long + short.slice(prefix.length);
}

const shortNames = new Map(Object.keys(TYPES).map((short) => [longName(short), short]));
const schemas = new Map<string, OpenApiSchema>();

/** A schema by its name in `components.schemas`. Throws for one that the table lacks: the generator closes it over all references. */
export function openApiSchema(name: string): OpenApiSchema {
  const known = schemas.get(name);
  if (known !== undefined) return known;
  const short = shortNames.get(name);
  const entry = short === undefined ? undefined : TYPES[short];
  if (short === undefined || entry === undefined) throw new Error(`api-schemas.json has no type ${name}`);
  const schema = SPECIAL[short] ?? typeSchema(entry);
  const kinds = servedKinds.filter((kind) => kind.schema === name);
  if (kinds.length > 0)
    schema["x-kubernetes-group-version-kind"] = kinds.map(({ group, kind, version }) => ({ group, kind, version }));
  schemas.set(name, schema);
  return schema;
}

/** The schema of a kind of the table. */
export function kindSchema(gvk: GroupVersionKind): OpenApiSchema | undefined {
  const served = servedKind(gvk);
  return served && openApiSchema(served.schema);
}

/** Name of the schema that one refers to. */
export function referenceOf(schema: OpenApiSchema): string | undefined {
  const reference = schema.$ref ?? (schema.allOf?.length === 1 ? schema.allOf[0]?.$ref : undefined);
  return reference?.slice("#/components/schemas/".length);
}

function typeSchema(entry: TypeEntry): OpenApiSchema {
  if (typeof entry === "string" || Array.isArray(entry)) return fieldSchema(entry as FieldEntry).schema;
  const properties: Record<string, OpenApiSchema> = {};
  const required: string[] = [];
  const { $map: mapType, ...fields } = entry as Readonly<Record<string, FieldEntry>>;
  for (const [name, field] of Object.entries(fields)) {
    const { schema, isRequired } = fieldSchema(field);
    properties[name] = schema;
    if (isRequired) required.push(name);
  }
  return {
    type: "object",
    properties,
    ...(required.length > 0 && { required }),
    ...(mapType !== undefined && { "x-kubernetes-map-type": mapType as "atomic" | "granular" }),
  };
}

const ZERO: Readonly<Record<string, unknown>> = { string: "", integer: 0, number: 0, boolean: false };

function fieldSchema(entry: FieldEntry): { schema: OpenApiSchema; isRequired: boolean } {
  const [written, options]: readonly [string, FieldOptions] = typeof entry === "string" ? [entry, {}] : entry;
  const isRequired = written.endsWith("!");
  const notation = isRequired ? written.slice(0, -1) : written;
  const isNeverAbsent = notation.endsWith("{}");
  const schema = { ...notationSchema(isNeverAbsent ? notation.slice(0, -2) : notation) };
  // Options beside a reference are lost in OpenAPI 3.0, so it goes into an allOf.
  if (schema.$ref !== undefined && (isNeverAbsent || Object.keys(options).length > 0)) {
    schema.allOf = [{ $ref: schema.$ref }];
    delete schema.$ref;
  }
  const zero = isNeverAbsent ? {} : isRequired && schema.type !== undefined ? ZERO[schema.type] : undefined;
  const value = "default" in options ? options.default : zero;
  if (value !== undefined && value !== null) schema.default = value;
  if (options.enum !== undefined) schema.enum = options.enum;
  if (options.values !== undefined) {
    if (schema.items !== undefined) schema.items = { ...schema.items, enum: options.values };
    else schema.additionalProperties = { type: "string", enum: options.values };
  }
  if (options.list !== undefined) schema["x-kubernetes-list-type"] = options.list;
  if (options.keys !== undefined) schema["x-kubernetes-list-map-keys"] = options.keys;
  if (options.map !== undefined) schema["x-kubernetes-map-type"] = options.map;
  if (options.patch !== undefined) schema["x-kubernetes-patch-strategy"] = options.patch;
  if (options.key !== undefined) schema["x-kubernetes-patch-merge-key"] = options.key;
  return { schema, isRequired };
}

const SCALARS: Readonly<Record<string, string>> = {
  "#": "integer",
  string: "string",
  boolean: "boolean",
  number: "number",
  object: "object",
};

function notationSchema(notation: string): OpenApiSchema {
  if (notation.endsWith("[]")) return { type: "array", items: notationSchema(notation.slice(0, -2)) };
  if (notation.startsWith("{")) return { type: "object", additionalProperties: notationSchema(notation.slice(1, -1)) };
  if (notation === "*") return {};
  const [base = "", format] = notation.split(":");
  const type = SCALARS[base];
  if (type === undefined) return { $ref: `#/components/schemas/${longName(notation)}` };
  return format === undefined ? { type } : { type, format };
}
