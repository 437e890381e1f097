import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ApiError } from "../../../../src/engine/api/api-error.ts";
import { decodeProtobuf } from "../../../../src/engine/api/decode-protobuf.ts";

const varint = (value: number): number[] =>
  value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(Math.floor(value / 0x80))];
const number = (field: number, value: number): Buffer => Buffer.from([...varint(field * 8), ...varint(value)]);
const bytes = (field: number, ...parts: (Buffer | string)[]): Buffer => {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part as string)));
  return Buffer.concat([Buffer.from([...varint(field * 8 + 2), ...varint(body.length)]), body]);
};
const sent = (apiVersion: string, kind: string, ...object: Buffer[]): Buffer =>
  Buffer.concat([Buffer.from("k8s\0"), bytes(1, bytes(1, apiVersion), bytes(2, kind)), bytes(2, ...object)]);
const decoded = (...parameters: Parameters<typeof sent>): unknown => decodeProtobuf(sent(...parameters));

describe("an object in protobuf", () => {
  test("has its fields by name: texts, numbers, lists, maps, and types of their own", () => {
    const container = bytes(1, "main");
    const port = bytes(6, bytes(1, "http"), number(3, 8080));
    const resources = bytes(8, bytes(1, bytes(1, "cpu"), bytes(2, bytes(1, "100m"))));
    const metadata = bytes(1, bytes(1, "web"), bytes(11, bytes(1, "app"), bytes(2, "web")), bytes(8, number(1, 60)));
    const spec = bytes(2, bytes(2, container, port, resources));
    expect(decoded("v1", "Pod", metadata, spec)).toEqual({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "web", labels: { app: "web" }, creationTimestamp: "1970-01-01T00:01:00Z" },
      spec: {
        containers: [
          { name: "main", ports: [{ name: "http", containerPort: 8080 }], resources: { limits: { cpu: "100m" } } },
        ],
      },
    });
  });

  test("keeps a zero behind a pointer, and leaves out one that Go's JSON leaves out", () => {
    expect(decoded("apps/v1", "Deployment", bytes(2, number(1, 0), number(5, 0)))).toEqual({
      apiVersion: "apps/v1",
      kind: "Deployment",
      spec: { replicas: 0 },
    });
  });

  test("has a number or a text where either may be", () => {
    const port = (...target: Buffer[]): Buffer => bytes(2, bytes(1, number(3, 80), bytes(4, ...target)));
    const target = (...parts: Buffer[]): unknown =>
      (decoded("v1", "Service", port(...parts)) as { spec: { ports: [{ targetPort: unknown }] } }).spec.ports[0]
        .targetPort;
    expect(target(number(1, 0), number(2, 8080))).toBe(8080);
    expect(target(number(1, 1), bytes(3, "http"))).toBe("http");
  });

  test("may be the options of a deletion, of any group, or an eviction with them", () => {
    const options = Buffer.concat([number(1, 0), bytes(2, bytes(1, "u")), bytes(4, "Foreground"), bytes(5, "All")]);
    const plain = {
      gracePeriodSeconds: 0,
      preconditions: { uid: "u" },
      propagationPolicy: "Foreground",
      dryRun: ["All"],
    };
    expect(decoded("apps/v1", "DeleteOptions", options)).toEqual({
      apiVersion: "apps/v1",
      kind: "DeleteOptions",
      ...plain,
    });
    expect(decoded("policy/v1", "Eviction", bytes(1, bytes(1, "web")), bytes(2, options))).toEqual({
      apiVersion: "policy/v1",
      kind: "Eviction",
      metadata: { name: "web" },
      deleteOptions: plain,
    });
  });

  test("of a kind that is not known is refused by its name, and fields that are not known are passed over", () => {
    expect(() => decoded("v1", "constructor")).toThrow("no kind constructor of v1 is taken as protobuf");
    expect(decoded("v1", "ConfigMap", number(99, 7), bytes(98, "new"))).toEqual({
      apiVersion: "v1",
      kind: "ConfigMap",
    });
  });
});

describe("bytes that are no object", () => {
  const outcome = (body: Buffer): unknown => {
    try {
      return decodeProtobuf(body);
    } catch (error) {
      if (error instanceof ApiError && error.code === 400) return error;
      throw error;
    }
  };

  test("get 400 whatever they are", () => {
    const kinds = fc.constantFrom(
      ["v1", "Pod"],
      ["apps/v1", "ControllerRevision"],
      ["v1", "Event"],
      ["batch/v1", "Job"],
    );
    fc.assert(
      fc.property(kinds, fc.uint8Array({ maxLength: 200 }), ([apiVersion = "", kind = ""], noise) => {
        expect(outcome(sent(apiVersion, kind, Buffer.from(noise)))).toBeDefined();
        expect(outcome(Buffer.concat([Buffer.from("k8s\0"), noise]))).toBeDefined();
      }),
      { numRuns: 2000 },
    );
  });

  test("that begin as an object do, cut anywhere or with one byte changed, are an object or get 400", () => {
    const whole = sent(
      "v1",
      "Event",
      bytes(1, bytes(1, "e"), bytes(8, number(1, 60)), bytes(17, bytes(7, bytes(1, "{}")))),
      bytes(6, number(1, 60)),
    );
    for (let length = 0; length <= whole.length; length += 1) expect(outcome(whole.subarray(0, length))).toBeDefined();
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }), (index, byte) => {
        const changed = Buffer.from(whole);
        changed[index] = byte;
        expect(outcome(changed)).toBeDefined();
      }),
      { numRuns: 2000 },
    );
  });

  test("with a time beyond any clock, or JSON that is broken or too deep, get 400", () => {
    const far = [number(1, 2 ** 53 - 1)];
    expect(outcome(sent("v1", "Event", bytes(6, ...far)))).toBeInstanceOf(ApiError);
    const raw = bytes(2, bytes(1, `{"a":${"[".repeat(300)}${"]".repeat(300)}}`));
    expect(outcome(sent("apps/v1", "ControllerRevision", raw))).toBeInstanceOf(ApiError);
    expect(outcome(sent("apps/v1", "ControllerRevision", bytes(2, bytes(1, "{"))))).toBeInstanceOf(ApiError);
  });
});
