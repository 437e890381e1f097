import { expect, test } from "vitest";
import { inNamespace } from "../../in-namespace.ts";

const ready = { ready: true, serving: true, terminating: false };
const leaving = { ready: false, serving: true, terminating: true };

test("a deleted pod serves while its preStop hook takes its time: new connections where nobody is ready, standing ones anyway", async () => {
  const seen = (await inNamespace("termination.ts")) as { closedAfterMs: number };
  expect(seen).toEqual({
    before: { request: "answered", conditions: [ready], connection: "HTTP/1.1 200 OK" },
    alone: {
      request: "answered",
      conditions: [leaving],
      connection: "HTTP/1.1 200 OK",
      deletionGracePeriodSeconds: 30,
    },
    beside: { request: "refused", conditions: [leaving, ready], connection: "HTTP/1.1 200 OK" },
    again: { request: "answered", conditions: [leaving] },
    closedAfterMs: expect.any(Number) as number,
    gone: { request: "refused", conditions: [], pods: ["client"] },
  });
  expect(seen.closedAfterMs).toBeGreaterThanOrEqual(3999);
});
