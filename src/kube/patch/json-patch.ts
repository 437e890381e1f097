import { fieldOf, setField } from "../../core/json-field.ts";
import { isRecord } from "../../core/is-record.ts";
import { isSame, type JsonObject } from "./json-value.ts";
import { PatchError } from "./patch-error.ts";

const MAX_JSON_PATCH_OPERATIONS = 10_000;

const OPERATIONS = ["add", "remove", "replace", "move", "copy", "test"] as const;

interface Operation {
  op: (typeof OPERATIONS)[number];
  path: string;
  from: string;
  value: unknown;
}

type Container = JsonObject | unknown[];

/**
 * Applies a JSON patch (RFC 6902) as the API server does: all operations or none; a negative index counts from a list's end, which
 * the RFC does not know. The object is not changed. Throws PatchError: 400 for what is no patch, 413 for more than 10,000 operations, 422 for an operation that
 * does not apply; `path` is the operation's JSON pointer.
 */
export function applyJsonPatch(object: JsonObject, operations: unknown): JsonObject {
  if (!Array.isArray(operations)) throw new PatchError(400, "a JSON patch is a list of operations");
  if (operations.length > MAX_JSON_PATCH_OPERATIONS) {
    const allowed = `The allowed maximum operations in a JSON patch is ${MAX_JSON_PATCH_OPERATIONS}`;
    throw new PatchError(413, `${allowed}, got ${operations.length}`);
  }
  const document = { "": structuredClone(object) as unknown };
  for (const operation of operations.map(readOperation)) applyOperation(document, operation);
  const result = document[""];
  if (!isRecord(result)) throw new PatchError(422, "the patch replaces the object by what is none", "");
  return result;
}

function readOperation(written: unknown): Operation {
  if (!isRecord(written)) throw new PatchError(400, "an operation of a JSON patch is an object");
  const op = OPERATIONS.find((name) => name === written["op"]);
  if (op === undefined) throw new PatchError(422, `Unexpected kind: ${String(written["op"])}`);
  const pointer = (name: "path" | "from"): string => {
    const text = written[name];
    if (typeof text !== "string" || (text !== "" && !text.startsWith("/")))
      throw new PatchError(422, `${op} operation failed to decode ${name}`, typeof text === "string" ? text : "");
    return text;
  };
  const needsValue = op === "add" || op === "replace";
  if (needsValue && !("value" in written))
    throw new PatchError(422, `${op} operation without a value`, pointer("path"));
  const from = op === "move" || op === "copy" ? pointer("from") : "";
  return { op, path: pointer("path"), from, value: written["value"] ?? null };
}

function applyOperation(document: JsonObject, { op, path, from, value }: Operation): void {
  switch (op) {
    case "add":
      return add(document, op, path, structuredClone(value));
    case "remove":
      return remove(document, op, path);
    case "replace":
      take(document, op, path);
      return replace(document, op, path, structuredClone(value));
    case "test":
      if (!isSame(find(document, path), value))
        throw new PatchError(422, `testing value ${path} failed: test failed`, path);
      return;
    case "copy":
      return add(document, op, path, structuredClone(take(document, op, from)));
    case "move": {
      if (path.startsWith(`${from}/`)) throw missing(op, path);
      const moved = take(document, op, from);
      remove(document, op, from);
      return add(document, op, path, moved);
    }
  }
}

/** The tokens of a JSON pointer (RFC 6901), below the one member of the document. */
function tokensOf(pointer: string): string[] {
  return pointer.split("/").map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** What holds the last token of a pointer, and that token. */
function parentOf(document: JsonObject, op: string, pointer: string): { parent: Container; key: string } {
  const tokens = tokensOf(pointer);
  const key = tokens.pop() ?? "";
  let parent: unknown = document;
  for (const token of tokens) parent = child(parent, token);
  if (!isRecord(parent) && !Array.isArray(parent)) throw missing(op, pointer);
  return { parent, key };
}

function find(document: JsonObject, pointer: string): unknown {
  let value: unknown = document;
  for (const token of tokensOf(pointer)) value = child(value, token);
  // A member that is absent and one that is null are the same to a test of the API server.
  return value ?? null;
}

function child(container: unknown, token: string): unknown {
  if (isRecord(container)) return fieldOf(container, token);
  if (!Array.isArray(container)) return undefined;
  const index = indexIn(container.length, token);
  return index === undefined ? undefined : (container[index] as unknown);
}

/** A token as an index below `length`; undefined where it is none. */
function indexIn(length: number, token: string): number | undefined {
  if (!/^(0|-?[1-9]\d*)$/.test(token)) return undefined;
  const index = Number(token) < 0 ? length + Number(token) : Number(token);
  return index >= 0 && index < length ? index : undefined;
}

/** The value at a pointer, which must be there. */
function take(document: JsonObject, op: string, pointer: string): unknown {
  const { parent, key } = parentOf(document, op, pointer);
  const value = child(parent, key);
  if (value === undefined) throw missing(op, pointer);
  return value;
}

function add(document: JsonObject, op: string, pointer: string, value: unknown): void {
  const { parent, key } = parentOf(document, op, pointer);
  if (!Array.isArray(parent)) return setField(parent, key, value);
  const index = key === "-" ? parent.length : indexIn(parent.length + 1, key);
  if (index === undefined) throw invalidIndex(op, pointer, key);
  parent.splice(index, 0, value);
}

function replace(document: JsonObject, op: string, pointer: string, value: unknown): void {
  const { parent, key } = parentOf(document, op, pointer);
  if (!Array.isArray(parent)) return setField(parent, key, value);
  const index = indexIn(parent.length, key);
  if (index === undefined) throw invalidIndex(op, pointer, key);
  parent[index] = value;
}

function remove(document: JsonObject, op: string, pointer: string): void {
  const { parent, key } = parentOf(document, op, pointer);
  if (Array.isArray(parent)) {
    const index = indexIn(parent.length, key);
    if (index === undefined) throw invalidIndex(op, pointer, key);
    parent.splice(index, 1);
  } else if (Object.hasOwn(parent, key)) {
    delete parent[key];
  } else {
    const reason = `Unable to remove nonexistent key: ${key}: missing value`;
    throw new PatchError(422, `error in remove for path: '${pointer}': ${reason}`, pointer);
  }
}

function missing(op: string, pointer: string): PatchError {
  const message = `${op} operation does not apply: doc is missing path: ${JSON.stringify(pointer)}: missing value`;
  return new PatchError(422, message, pointer);
}

function invalidIndex(op: string, pointer: string, key: string): PatchError {
  const reason = `Unable to access invalid index: ${key}: invalid index referenced`;
  return new PatchError(422, `error in ${op} for path: '${pointer}': ${reason}`, pointer);
}
