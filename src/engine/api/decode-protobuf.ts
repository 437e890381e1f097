import { setField } from "../../core/json-field.ts";
import { isRecord } from "../../core/is-record.ts";
import { badRequest } from "./api-error.ts";
import { parseJson } from "./decode-object.ts";
import table from "./protobuf-fields.json" with { type: "json" };

/*
 * The API's protobuf encoding (kubernetes.io/docs/reference/using-api/api-concepts, alternate representations): kubectl sends what
 * it creates as a typed object so, and takes answers in JSON.
 */

/** Begins every message; the rest is a runtime.Unknown: 1 = {1 = apiVersion, 2 = kind}, 2 = the object. */
const MAGIC = Buffer.from("k8s\0");

const MESSAGES: Readonly<Record<string, Readonly<Record<string, string>>>> = table.messages;

/** Deeper messages are refused before anything recurses over them. */
const DEEPEST = 64;

/** Go packages of the groups whose objects are known here. */
const PACKAGES: Readonly<Record<string, string>> = {
  v1: "core",
  "apps/v1": "apps",
  "batch/v1": "batch",
  "networking.k8s.io/v1": "networking",
  "rbac.authorization.k8s.io/v1": "rbac",
  "policy/v1": "policy",
  "scheduling.k8s.io/v1": "scheduling",
  "discovery.k8s.io/v1": "discovery",
  "coordination.k8s.io/v1": "coordination",
  "storage.k8s.io/v1": "storage",
  "autoscaling/v1": "autoscaling",
  "autoscaling/v2": "autoscalingv2",
  "authorization.k8s.io/v1": "authorization",
  "authentication.k8s.io/v1": "authentication",
};

type Plain = Record<string, unknown>;
type Read = bigint | Buffer;

/** An object of the API from its protobuf encoding; throws ApiError for bytes that are none, and for kinds that are not known here. */
export function decodeProtobuf(body: Buffer): unknown {
  if (!body.subarray(0, MAGIC.length).equals(MAGIC)) throw badRequest("the body is not Kubernetes' protobuf encoding");
  let [apiVersion, kind] = ["", ""];
  let raw: Buffer = Buffer.alloc(0);
  for (const [number, value] of fieldsIn(body.subarray(MAGIC.length))) {
    if (number === 2) raw = bytesOf(value);
    if (number !== 1) continue;
    for (const [part, text] of fieldsIn(bytesOf(value))) {
      if (part === 1) apiVersion = bytesOf(text).toString("utf8");
      if (part === 2) kind = bytesOf(text).toString("utf8");
    }
  }
  const message = messageOf(apiVersion, kind);
  if (!Object.hasOwn(MESSAGES, message))
    throw badRequest(`no kind ${kind} of ${apiVersion} is taken as protobuf; send JSON`);
  return { apiVersion, kind, ...decodeMessage(message, raw, 0) };
}

/** Options are of every group. */
function messageOf(apiVersion: string, kind: string): string {
  if (kind === "DeleteOptions") return "meta.DeleteOptions";
  return `${Object.hasOwn(PACKAGES, apiVersion) ? PACKAGES[apiVersion] : "?"}.${kind}`;
}

function decodeMessage(message: string, bytes: Buffer, depth: number): Plain {
  if (depth > DEEPEST) throw badRequest(`the object provided is nested more than ${DEEPEST} levels deep`);
  const fields = MESSAGES[message] ?? {};
  const result: Plain = {};
  for (const [number, value] of fieldsIn(bytes)) {
    const written = fields[number];
    // What a newer client knows and this table does not.
    if (written === undefined) continue;
    const colon = written.indexOf(":");
    const name = written.slice(0, colon);
    const type = written.slice(colon + 1);
    if (name === "") Object.assign(result, decodeMessage(type.replace(/^[!*]+/, ""), bytesOf(value), depth + 1));
    else addField(result, name, type, value, depth);
  }
  return result;
}

function addField(result: Plain, name: string, type: string, value: Read, depth: number): void {
  if (type.startsWith("!")) addValue(result, name, type.slice(1), value, depth, true);
  else addValue(result, name, type, value, depth, false);
}

/** `isKept`: a zero that Go's JSON would leave out (omitempty) is not sent as a value either, unless behind a pointer. */
function addValue(result: Plain, name: string, type: string, value: Read, depth: number, isKept: boolean): void {
  if (type.startsWith("*")) {
    addValue(result, name, type.slice(1), value, depth, true);
  } else if (type.startsWith("[]")) {
    const items = (result[name] ??= []) as unknown[];
    items.push(decodeValue(type.slice(2).replace(/^\*/, ""), value, depth));
  } else if (type.startsWith("{}")) {
    addEntry((result[name] ??= {}) as Plain, type.slice(2), bytesOf(value), depth);
  } else {
    const decoded = decodeValue(type, value, depth);
    if (decoded !== undefined && (isKept || !isZero(decoded))) setField(result, name, decoded);
  }
}

/** A map's entry is a message of its own: 1 = key, 2 = value. */
function addEntry(map: Plain, type: string, bytes: Buffer, depth: number): void {
  let key = "";
  let value: unknown = type === "string" || type === "bytes" ? "" : undefined;
  for (const [number, read] of fieldsIn(bytes)) {
    if (number === 1) key = bytesOf(read).toString("utf8");
    if (number === 2) value = decodeValue(type, read, depth);
  }
  setField(map, key, value);
}

function isZero(value: unknown): boolean {
  return value === "" || value === 0 || value === false || (isRecord(value) && Object.keys(value).length === 0);
}

function decodeValue(type: string, value: Read, depth: number): unknown {
  switch (type) {
    case "string":
      return bytesOf(value).toString("utf8");
    case "bool":
      return numberOf(value) !== 0;
    case "int":
      return numberOf(value);
    case "bytes":
      return bytesOf(value).toString("base64");
    case "time":
      return timeOf(bytesOf(value));
    case "quantity":
      return bytesOf(fieldsIn(bytesOf(value)).find(([number]) => number === 1)?.[1] ?? Buffer.alloc(0)).toString(
        "utf8",
      );
    case "int-or-string":
      return intOrString(bytesOf(value));
    case "raw":
      return parseJson(bytesOf(fieldsIn(bytesOf(value)).find(([number]) => number === 1)?.[1] ?? Buffer.from("{}")));
    default:
      if (type.startsWith("items:")) {
        const list: Plain = {};
        for (const [, item] of fieldsIn(bytesOf(value)))
          addValue(list, "items", type.slice("items:".length), item, depth, true);
        return list["items"] ?? [];
      }
      return decodeMessage(type, bytesOf(value), depth + 1);
  }
}

/** meta/v1 Time: 1 = seconds, 2 = nanoseconds; an empty message is no time. */
function timeOf(bytes: Buffer): string | undefined {
  const seconds = fieldsIn(bytes).find(([number]) => number === 1)?.[1];
  if (seconds === undefined) return undefined;
  const date = new Date(numberOf(seconds) * 1000);
  if (Number.isNaN(date.getTime())) throw malformed();
  return `${date.toISOString().slice(0, -".000Z".length)}Z`;
}

/** util/intstr: 1 = type (0 is the integer), 2 = integer, 3 = text. */
function intOrString(bytes: Buffer): number | string {
  const fields = new Map(fieldsIn(bytes));
  return numberOf(fields.get(1) ?? 0n) === 0
    ? numberOf(fields.get(2) ?? 0n)
    : bytesOf(fields.get(3) ?? Buffer.alloc(0)).toString("utf8");
}

function bytesOf(value: Read): Buffer {
  if (typeof value === "bigint") throw malformed();
  return value;
}

function numberOf(value: Read): number {
  if (typeof value !== "bigint") throw malformed();
  return Number(BigInt.asIntN(64, value));
}

/** The fields of a message in their order (protobuf.dev/programming-guides/encoding). */
function fieldsIn(bytes: Buffer): [number: number, value: Read][] {
  const fields: [number, Read][] = [];
  for (let at = 0; at < bytes.length;) {
    const [tag, afterTag] = varint(bytes, at);
    const number = Number(tag >> 3n);
    const wireType = Number(tag & 7n);
    const [first, next] = wireType === 0 || wireType === 2 ? varint(bytes, afterTag) : [0n, afterTag];
    if (wireType === 0) {
      fields.push([number, first]);
      at = next;
    } else {
      const start = next;
      at = start + (wireType === 2 ? Number(first) : wireType === 1 ? 8 : wireType === 5 ? 4 : Number.NaN);
      if (!(at <= bytes.length)) throw malformed();
      fields.push([number, bytes.subarray(start, at)]);
    }
  }
  return fields;
}

function varint(bytes: Buffer, start: number): [value: bigint, next: number] {
  let value = 0n;
  for (let index = 0; index < 10; index += 1) {
    const byte = bytes[start + index];
    if (byte === undefined) break;
    value |= BigInt(byte & 0x7f) << BigInt(index * 7);
    if (byte < 0x80) return [value, start + index + 1];
  }
  throw malformed();
}

function malformed(): Error {
  return badRequest("the body is no well-formed protobuf message");
}
