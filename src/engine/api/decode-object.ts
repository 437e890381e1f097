import { apiVersionOf } from "../../kube/group-version.ts";
import { isRecord } from "../../core/is-record.ts";
import { kindSchema, servedKind } from "../../kube/api-schemas.ts";
import { isNamesake, kindFacts } from "../../kube/api-fields.ts";
import { formatPath } from "../../kube/manifest-findings.ts";
import { checkObject, type ObjectProblem } from "../../kube/object-check.ts";
import type { KubeObject } from "../../kube/types.ts";
import { dropUnknownFields } from "../../kube/unknown-fields.ts";
import { cloneJson } from "../store/json.ts";
import { ApiError, badRequest, type StatusCause } from "./api-error.ts";
import { decodeCustom, definitionWarnings, unknownFields } from "./decode-custom.ts";
import { type Resource } from "./resources.ts";
import { invalid, type RequestTarget } from "./status-of-error.ts";

/** What to make of unknown fields: refuse, warn, or drop them without a word (KEP-2885). */
export type FieldValidation = "Strict" | "Warn" | "Ignore";

/** Deeper values are refused before anything recurses over them. */
const DEEPEST = 256;

/** An object that was sent, as it is to be stored, and what its sender is to be told. */
export interface Decoded {
  object: KubeObject;
  warnings: string[];
}

/** Parses a request's body; throws ApiError where it is no JSON, or nested too deeply. */
export function parseJson(body: Buffer): unknown {
  let value: unknown;
  try {
    value = JSON.parse(body.toString("utf8"));
  } catch (error) {
    throw badRequest(`the object provided is unrecognized: ${error instanceof Error ? error.message : String(error)}`);
  }
  checkDepth(value);
  return value;
}

/** Parses the body of a server-side apply, YAML or JSON; throws ApiError where it is neither, or nested too deeply. */
export async function parseYaml(body: Buffer): Promise<unknown> {
  const text = body.toString("utf8");
  if (text.trimStart().startsWith("{")) return parseJson(body);
  const { parse } = await import("yaml");
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw badRequest(`error decoding YAML: ${error instanceof Error ? error.message : String(error)}`);
  }
  checkDepth(value);
  return value;
}

function checkDepth(value: unknown): void {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > DEEPEST) throw badRequest(`the object provided is nested more than ${DEEPEST} levels deep`);
    level = level.flatMap((each): unknown[] => (typeof each === "object" && each !== null ? Object.values(each) : []));
  }
}

/**
 * Checks that a value is an object of the target's resource, name and namespace, and its fields as manifests of a lab are
 * checked, a custom resource's by its schema; of other kinds fields that they have not are dropped. Absent names and namespaces are
 * the target's. Throws ApiError.
 */
export function decodeObject(
  value: unknown,
  target: RequestTarget,
  validation: FieldValidation,
  part: "object" | "status" = "object",
): Decoded {
  const object = identified(value, target);
  const { schema } = target.resource;
  if (schema !== undefined) return decodeCustom(object, target, schema, validation, part);
  if (!isCheckable(target.resource)) return decodeUninterpreted(object, target, validation);
  const { generateName } = object.metadata as Partial<KubeObject["metadata"]>;
  const isGenerated = (object.metadata as { name?: string }).name === undefined && typeof generateName === "string";
  const checked = checkObject(
    isGenerated ? { ...object, metadata: { ...object.metadata, name: `${generateName}00000` } } : object,
  );
  const warnings = checked.warnings.map(({ message, hint }) => (hint === undefined ? message : `${message}: ${hint}`));
  warnings.push(...refused(checked.problems, target, validation));
  if (checked.object === undefined) throw badRequest(`the object provided is no ${target.resource.kind}`);
  const { metadata } = checked.object;
  if (isGenerated) delete (metadata as { name?: string }).name;
  return { object: checked.object, warnings };
}

function decodeUninterpreted(sent: KubeObject, target: RequestTarget, validation: FieldValidation): Decoded {
  const schema = kindSchema(target.resource);
  if (schema === undefined) return { object: sent, warnings: [] };
  const object = cloneJson(sent);
  const warnings = unknownFields(dropUnknownFields(object, schema), target, validation);
  if (target.resource.key === "CustomResourceDefinition") warnings.push(...definitionWarnings(object, target));
  return { object, warnings };
}

/** Nodes are refused in manifests alone; kinds of the same name in other groups are others. */
function isCheckable(resource: Resource): boolean {
  const facts = kindFacts(resource.kind);
  const apiVersion = apiVersionOf(resource);
  return resource.kind !== "Node" && facts?.apiVersion === apiVersion && !isNamesake(resource.kind, apiVersion);
}

function identified(value: unknown, { resource, namespace, name }: RequestTarget): KubeObject {
  if (!isRecord(value)) throw badRequest("the object provided is unrecognized (must be an object)");
  const expected = apiVersionOf(resource);
  // What the API server has Go types for it knows by the path alone, as clients count on; of other kinds it asks.
  const isTyped = servedKind(resource) !== undefined;
  const { apiVersion = isTyped ? expected : undefined, kind = isTyped ? resource.kind : undefined } = value;
  if (typeof kind !== "string" || kind === "") throw badRequest("Object 'Kind' is missing");
  if (typeof apiVersion !== "string" || apiVersion === "") throw badRequest("Object 'apiVersion' is missing");
  if (kind !== resource.kind) {
    throw badRequest(`${kind} in version ${JSON.stringify(apiVersion)} cannot be handled as a ${resource.kind}`);
  }
  if (apiVersion !== expected) {
    throw badRequest(
      `the API version in the data (${apiVersion}) does not match the expected API version (${expected})`,
    );
  }
  const metadata = value["metadata"] ?? {};
  if (!isRecord(metadata)) throw badRequest("metadata must be an object");
  checkTexts(metadata);
  const given = metadata as Partial<KubeObject["metadata"]>;
  if (name !== undefined && given.name !== undefined && given.name !== name) {
    throw badRequest(`the name of the object (${given.name}) does not match the name on the URL (${name})`);
  }
  if (namespace !== undefined && (given.namespace ?? "") !== "" && given.namespace !== namespace)
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  const place = { ...(name === undefined ? {} : { name }), ...(namespace === undefined ? {} : { namespace }) };
  return { ...value, apiVersion, kind, metadata: { ...metadata, ...place } } as KubeObject;
}

const TEXTS = ["name", "namespace", "generateName", "uid", "resourceVersion"];
const TEXT_MAPS = ["labels", "annotations"];

/** What the store reads of any object's metadata, whatever its kind. */
function checkTexts(metadata: Record<string, unknown>): void {
  for (const field of TEXTS) {
    const value = metadata[field];
    if (value !== undefined && value !== null && typeof value !== "string")
      throw badRequest(`metadata.${field} must be a string`);
    // An empty text is an absent one, as Go has it.
    if (value === null || value === "") delete metadata[field];
  }
  for (const field of TEXT_MAPS) {
    const value = metadata[field] ?? {};
    if (!isRecord(value) || Object.values(value).some((each) => typeof each !== "string"))
      throw badRequest(`metadata.${field} must be a map of strings`);
  }
  const { ownerReferences = [], finalizers = [] } = metadata;
  const areOwners =
    Array.isArray(ownerReferences) &&
    ownerReferences.every((owner) => isRecord(owner) && typeof owner["uid"] === "string");
  if (!areOwners) throw badRequest("metadata.ownerReferences must be a list of references");
  if (!Array.isArray(finalizers) || finalizers.some((each) => typeof each !== "string"))
    throw badRequest("metadata.finalizers must be a list of strings");
}

/** Throws for what the API would refuse; what it would warn of comes back. */
function refused(problems: readonly ObjectProblem[], target: RequestTarget, validation: FieldValidation): string[] {
  const { kind, version } = target.resource;
  const undecodable = (why: string): ApiError =>
    badRequest(`${kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind}: ${why}`);
  const wrongType = problems.find(({ code }) => code === "MANIFEST_WRONG_TYPE");
  if (wrongType !== undefined) throw undecodable(`${formatPath(wrongType.path)}: ${wrongType.message}`);
  const unknown = problems
    .filter(({ code }) => code === "MANIFEST_UNKNOWN_FIELD")
    .map(({ path }) => `unknown field ${JSON.stringify(formatPath(path))}`);
  if (unknown.length > 0 && validation === "Strict") throw undecodable(`strict decoding error: ${unknown.join(", ")}`);
  const causes = problems.filter(({ code }) => code !== "MANIFEST_UNKNOWN_FIELD").map(causeOf);
  if (causes.length > 0) throw invalid(target, causes);
  return validation === "Warn" ? unknown : [];
}

/** field.ErrorType of apimachinery. */
function causeOf({ code, message, path }: ObjectProblem): StatusCause {
  const field = formatPath(path);
  if (code === "MANIFEST_MISSING_FIELD")
    return { reason: "FieldValueRequired", message: `Required value: ${message}`, field };
  if (code === "MANIFEST_DUPLICATE_NAME")
    return { reason: "FieldValueDuplicate", message: `Duplicate value: ${message}`, field };
  return { reason: "FieldValueInvalid", message: `Invalid value: ${message}`, field };
}
