import type { IncomingMessage } from "node:http";
import { ApiError, badRequest } from "./api-error.ts";
import type { FieldValidation } from "./decode-object.ts";

/** How a write is to be carried out. */
export interface WriteOptions {
  /** All checks are made and nothing is stored. */
  isDryRun: boolean;
  fieldValidation: FieldValidation;
  /** Whose the written fields become (KEP-555). */
  manager: string;
}

/** How a server-side apply is to be carried out. */
export interface ApplyOptions extends WriteOptions {
  /** Takes fields that other managers own, instead of a conflict. */
  force: boolean;
}

/** The longest name of a field manager (apimachinery meta/v1/validation, FieldManagerMaxLength), in bytes. */
const LONGEST_MANAGER = 128;

/** Reads what a POST, PUT or PATCH asks for besides its body. Throws ApiError. */
export function writeOptions(request: IncomingMessage, query: URLSearchParams): WriteOptions {
  if (request.method === "PATCH" && query.has("force"))
    throw invalidOptions("force: Forbidden: may not be specified for non-apply patch");
  return { ...commonOptions(query), manager: namedManager(query) || agentOf(request) };
}

/** Reads what a server-side apply asks for, which must say who applies. Throws ApiError. */
export function applyOptions(query: URLSearchParams): ApplyOptions {
  const manager = namedManager(query);
  if (manager === "") throw invalidOptions("fieldManager: Required value: is required for apply patch");
  const force = query.get("force") ?? "";
  if (!["", "true", "false", "1", "0"].includes(force)) throw badRequest(`invalid force: ${force}`);
  return { ...commonOptions(query), manager, force: force === "true" || force === "1" };
}

function commonOptions(query: URLSearchParams): Omit<WriteOptions, "manager"> {
  const fieldValidation = query.get("fieldValidation") ?? "";
  if (!["", "Strict", "Warn", "Ignore"].includes(fieldValidation))
    throw badRequest(`invalid fieldValidation: ${fieldValidation}`);
  return {
    isDryRun: isDryRun(query.getAll("dryRun")),
    fieldValidation: fieldValidation === "" ? "Warn" : (fieldValidation as FieldValidation),
  };
}

/** Whether `dryRun` asks for one. Throws ApiError for any value but All. */
export function isDryRun(values: readonly string[]): boolean {
  const given = values.filter((value) => value !== "");
  if (given.some((value) => value !== "All")) throw badRequest(`Unsupported value: ${given.join(", ")}: dryRun: All`);
  return given.length > 0;
}

function namedManager(query: URLSearchParams): string {
  const manager = query.get("fieldManager") ?? "";
  if (Buffer.byteLength(manager) > LONGEST_MANAGER)
    throw invalidOptions(`fieldManager: Too long: may not be more than ${LONGEST_MANAGER} bytes`);
  if (/\p{C}/u.test(manager))
    throw invalidOptions("fieldManager: Invalid value: should only contain printable characters");
  return manager;
}

/** What a client that names no manager is called: its user agent as far as the first slash (apiserver managerOrUserAgent). */
function agentOf({ headers }: IncomingMessage): string {
  const [name = ""] = (headers["user-agent"] ?? "").split("/");
  const printable = name.replaceAll(/\p{C}/gu, "");
  return Buffer.from(printable)
    .subarray(0, LONGEST_MANAGER)
    .toString("utf8")
    .replace(/\uFFFD$/, "");
}

function invalidOptions(why: string): ApiError {
  return new ApiError("Invalid", `PatchOptions.meta.k8s.io "" is invalid: ${why}`, {
    group: "meta.k8s.io",
    kind: "PatchOptions",
  });
}
