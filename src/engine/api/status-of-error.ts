import { LabError } from "../../core/errors.ts";
import { FieldError, type WrongField } from "../admission/field-error.ts";
import { ApiError, type StatusCause } from "./api-error.ts";
import { qualifiedName, type Resource } from "./resources.ts";

/** What a request was about when it failed. */
export interface RequestTarget {
  resource: Resource;
  namespace?: string | undefined;
  name?: string | undefined;
}

/** The API's error for what the store and its rules throw; an error that is none of ours comes back as it is. */
export function statusOfError(error: unknown, target: RequestTarget | undefined): unknown {
  if (!(error instanceof LabError) || target === undefined) return error;
  const { resource, name = "" } = target;
  const details = { name, group: resource.group, kind: resource.name };
  const what = `${qualifiedName(resource)} "${name}"`;
  switch (error.code) {
    case "OBJECT_EXISTS":
      return new ApiError("AlreadyExists", `${what} already exists`, details);
    case "OBJECT_NOT_FOUND":
      return new ApiError("NotFound", `${what} not found`, details);
    case "NAMESPACE_NOT_FOUND":
      return namespaceMissing(error, target);
    case "NAMESPACE_PROTECTED":
      return new ApiError("Forbidden", `${what} is forbidden: this namespace may not be deleted`, details);
    case "STORE_CONFLICT":
      return conflict(
        target,
        "the object has been modified; please apply your changes to the latest version and try again",
      );
    default:
      if (error instanceof FieldError) {
        return invalid(target, [causeOf(error.wrong)]);
      }
      return invalid(target, [{ reason: "FieldValueInvalid", message: error.message, field: "" }]);
  }
}

/** apimachinery field.Error, of each type in its words. */
function causeOf({ field, value, detail, reason }: WrongField): StatusCause {
  if (reason === "required")
    return {
      reason: "FieldValueRequired",
      message: detail === "" ? "Required value" : `Required value: ${detail}`,
      field,
    };
  const what = reason === "not-supported" ? "Unsupported value" : "Invalid value";
  const code = reason === "not-supported" ? "FieldValueNotSupported" : "FieldValueInvalid";
  return { reason: code, message: `${what}: ${JSON.stringify(value)}: ${detail}`, field };
}

function namespaceMissing(error: LabError, { namespace = "", resource, name = "" }: RequestTarget): ApiError {
  if (!error.message.includes("is being deleted")) {
    return new ApiError("NotFound", `namespaces "${namespace}" not found`, { name: namespace, kind: "namespaces" });
  }
  const message = `${qualifiedName(resource)} "${name}" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`;
  const causes = [
    {
      reason: "NamespaceTerminating",
      message: `namespace ${namespace} is being terminated`,
      field: "metadata.namespace",
    },
  ];
  return new ApiError("Forbidden", message, { name, group: resource.group, kind: resource.name, causes });
}

export function conflict({ resource, name = "" }: RequestTarget, why: string): ApiError {
  return new ApiError("Conflict", `Operation cannot be fulfilled on ${qualifiedName(resource)} "${name}": ${why}`, {
    name,
    group: resource.group,
    kind: resource.name,
  });
}

/** apimachinery errors.NewInvalid: the causes joined, each behind its field. */
export function invalid({ resource, name = "" }: RequestTarget, causes: StatusCause[]): ApiError {
  const { kind, group } = resource;
  const written = causes.map(({ field, message }) => (field === "" ? message : `${field}: ${message}`));
  const why = written.length === 1 ? written[0] : `[${written.join(", ")}]`;
  const subject = `${group === "" ? kind : `${kind}.${group}`} "${name}"`;
  return new ApiError("Invalid", `${subject} is invalid: ${why}`, { name, group, kind, causes });
}
