import { expect, test } from "vitest";
import { portProtocol } from "../../../../src/engine/mesh/port-protocol.ts";
import { redirectRules } from "../../../../src/engine/mesh/redirect-rules.ts";
import { isRetried, type TryEnd } from "../../../../src/engine/mesh/retry.ts";

test.each([
  [{ name: "http-web" }, "http"],
  [{ name: "http" }, "http"],
  [{ name: "tcp-db" }, "tcp"],
  [{ name: "https" }, "tcp"],
  [{ name: "grpc-api" }, "tcp"],
  [{ name: "web" }, "auto"],
  [{ name: "httpweb" }, "auto"],
  [{}, "auto"],
  [{ name: "tcp-x", appProtocol: "http" }, "http"],
])("%j carries %s", (port, protocol) => expect(portProtocol(port)).toBe(protocol));

test("each family has a table of its own, whose sidecar's own connections are let through", () => {
  const rules = redirectRules(["10.0.0.1", "fd00::1"]);
  expect(rules).toContain("table ip istio");
  expect(rules).toContain("dnat to 10.0.0.1:15006");
  expect(rules).toContain("dnat to [fd00::1]:15006");
  expect(rules).toContain("dnat to [::1]:15001");
  expect(rules.match(/meta mark 1337 return/g)).toHaveLength(2);
});

const ends: Record<string, TryEnd> = {
  "503": { kind: "answer", status: 503 },
  "500": { kind: "answer", status: 500 },
  "409": { kind: "answer", status: 409 },
  refused: { kind: "no-connection" },
  cut: { kind: "reset" },
  late: { kind: "late" },
};

test.each([
  ["5xx", ["503", "500", "refused", "cut", "late"]],
  ["gateway-error", ["503", "refused", "cut", "late"]],
  ["connect-failure", ["refused"]],
  ["reset", ["refused", "cut", "late"]],
  ["retriable-4xx", ["409"]],
  ["500", ["500"]],
  ["refused-stream", []],
])("%s tries again after %j", (condition, again) => {
  const found = Object.entries(ends).filter(([, end]) => isRetried({ on: [condition] }, end));
  expect(found.map(([name]) => name).toSorted()).toEqual(again.toSorted());
});
