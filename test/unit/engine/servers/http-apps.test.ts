import { expect, test } from "vitest";
import { httpApps, type HttpAsked } from "../../../../src/engine/servers/http-apps.ts";

const POD = { name: "kube-proxy", hostname: "worker1", namespace: "kube-system", ips: [] };
const asked = (path: string): HttpAsked => ({
  method: "GET",
  target: path,
  path,
  query: new URLSearchParams(),
  headers: {},
  headerLines: [],
  remoteAddress: "172.30.0.1",
  remotePort: 40_000,
  nowMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
});
const UPDATED = { kind: "http", app: "proxy-health", text: String(Date.UTC(2026, 0, 1)) } as const;
const reply = (path: string, isUnready = false) => {
  const { status, body } = httpApps["proxy-health"](asked(path), POD, { ...UPDATED, isUnready });
  return [status, status === 404 ? body : JSON.parse(body)];
};

test("kube-proxy's own health: a node that is to go is told by /healthz, and /livez is of the process alone", () => {
  const now = "2026-01-02 03:04:05.678 +0000 UTC";
  expect(reply("/healthz")).toEqual([200, { lastUpdated: now, currentTime: now, nodeEligible: true }]);
  const lastUpdated = "2026-01-01 00:00:00.000 +0000 UTC";
  expect(reply("/healthz", true)).toEqual([503, { lastUpdated, currentTime: now, nodeEligible: false }]);
  expect(reply("/livez", true)).toEqual([200, { lastUpdated: now, currentTime: now }]);
  expect(reply("/metrics")).toEqual([404, "404 page not found\n"]);
});
