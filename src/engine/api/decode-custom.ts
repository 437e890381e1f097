import { isRecord } from "../../core/is-record.ts";
import { checkValue, hasRules } from "../../kube/custom-resource/check-value.ts";
import type { CustomSchema } from "../../kube/custom-resource/custom-schema.ts";
import { checkDefinition } from "../../kube/custom-resource/definition-check.ts";
import { fillCustomDefaults } from "../../kube/custom-resource/fill-defaults.ts";
import { pruneUnknown } from "../../kube/custom-resource/prune-unknown.ts";
import type { KubeObject } from "../../kube/types.ts";
import { cloneJson } from "../store/json.ts";
import { badRequest } from "./api-error.ts";
import type { Decoded, FieldValidation } from "./decode-object.ts";
import { invalid, type RequestTarget } from "./status-of-error.ts";

/**
 * A custom resource as its definition's schema has it stored: without the fields that are not specified, with the defaults, and refused
 * where a value is wrong (kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions). Of a write of the
 * status only the status is looked at. Throws ApiError.
 */
export function decodeCustom(
  sent: KubeObject,
  target: RequestTarget,
  schema: CustomSchema,
  validation: FieldValidation,
  part: "object" | "status",
): Decoded {
  const object = cloneJson(sent);
  const unknown = pruneUnknown(object, schema).filter((path) => part === "object" || /^status[.[]/.test(path));
  const warnings = unknownFields(unknown, target, validation);
  fillCustomDefaults(object, schema);
  const status = schema.properties?.["status"];
  const problems =
    part === "object"
      ? checkValue(object, schema)
      : isRecord(status) && object["status"] !== undefined
        ? checkValue(object["status"], status, "status", "status.")
        : [];
  if (problems.length > 0) throw invalid(target, problems);
  return { object, warnings };
}

/** What the sender of a definition is told; throws ApiError (422) where it is wrong. */
export function definitionWarnings(definition: KubeObject, target: RequestTarget): string[] {
  const problems = checkDefinition(definition);
  if (problems.length > 0) throw invalid(target, problems);
  const { versions } = definition["spec"] as { versions: { schema: { openAPIV3Schema: CustomSchema } }[] };
  return versions.some(({ schema }) => hasRules(schema.openAPIV3Schema))
    ? ["x-kubernetes-validations: the embedded engine keeps these rules and does not evaluate them"]
    : [];
}

/** What the sender is told of fields that are dropped; throws ApiError (400) where they are refused. */
export function unknownFields(
  paths: readonly string[],
  { resource: { kind, version } }: RequestTarget,
  validation: FieldValidation,
): string[] {
  const told = paths.map((path) => `unknown field ${JSON.stringify(path)}`);
  if (told.length > 0 && validation === "Strict")
    throw badRequest(
      `${kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind}: strict decoding error: ${told.join(", ")}`,
    );
  return validation === "Warn" ? told : [];
}
