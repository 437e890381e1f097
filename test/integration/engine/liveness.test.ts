import { expect, test } from "vitest";
import { inNamespace } from "../../in-namespace.ts";

test("a container whose liveness probe fails loses its sockets, gets them again, and backs off; the one beside it goes on", async () => {
  expect(await inNamespace("liveness.ts")).toEqual({
    first: { ports: ["answered", "answered"], restartCount: 0, endpoints: 1 },
    again: { ports: ["answered", "answered"], restartCount: 1, endpoints: 1 },
    waiting: {
      ports: ["answered", "refused"],
      restartCount: 1,
      endpoints: 0,
      state: {
        waiting: {
          reason: "CrashLoopBackOff",
          message: "back-off 10s restarting failed container: Container broken failed liveness probe",
        },
      },
      lastState: { terminated: expect.objectContaining({ exitCode: 143, reason: "Error" }) },
    },
    events: ["Warning Unhealthy 2", "Normal Killing 2"],
  });
});
