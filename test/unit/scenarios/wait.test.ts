import { describe, expect, it } from "vitest";
import { LabError } from "../../../src/core/errors.ts";
import { wait } from "../../../src/scenarios/wait.ts";
import { scenarioContext } from "../../fixtures/scenario-context.ts";

const web = { kind: "Deployment", namespace: "shop", name: "web" };

describe("wait", () => {
  it.each([
    [
      { for: "deployment/web", namespace: "shop", condition: "available", timeout: "30s" },
      { kind: "condition", ref: web, condition: "Available" },
      30_000,
    ],
    [{ for: "shop/deploy/web" }, { kind: "condition", ref: web, condition: "Available" }, 60_000],
    [
      { for: "pod/x", namespace: "shop", condition: "READY" },
      { kind: "condition", ref: { kind: "Pod", namespace: "shop", name: "x" }, condition: "Ready" },
      60_000,
    ],
    [
      { for: "pod/x", namespace: "shop", condition: "deleted" },
      { kind: "deleted", ref: { kind: "Pod", namespace: "shop", name: "x" } },
      60_000,
    ],
    [
      { for: "shop/service/db" },
      { kind: "endpoints", ref: { kind: "Service", namespace: "shop", name: "db" }, count: 1 },
      60_000,
    ],
    [
      { for: "shop/svc/db", condition: "endpoints", count: 3 },
      { kind: "endpoints", ref: { kind: "Service", namespace: "shop", name: "db" }, count: 3 },
      60_000,
    ],
    [
      { for: "shop/sts/db" },
      { kind: "condition", ref: { kind: "StatefulSet", namespace: "shop", name: "db" }, condition: "Ready" },
      60_000,
    ],
    [
      { for: "node/worker1" },
      { kind: "condition", ref: { kind: "Node", name: "worker1" }, condition: "Ready" },
      60_000,
    ],
    [
      { for: "shop/job/x", condition: "complete" },
      { kind: "condition", ref: { kind: "Job", namespace: "shop", name: "x" }, condition: "Complete" },
      60_000,
    ],
  ])("%j", async (written, condition, timeoutMs) => {
    const context = scenarioContext();
    await wait.run(wait.options.parse(written), [], context);
    expect(context.cluster.waits).toEqual([{ condition, timeoutMs }]);
  });

  it.each([
    [{ for: "shop/deployment/web", condition: "ready" }, "a Deployment never has the condition ready", ["condition"]],
    [{ for: "shop/pod/x", condition: "endpoints" }, "only a Service has endpoints, not a Pod", ["condition"]],
    [{ for: "shop/pod/x", count: 2 }, "count belongs to condition: endpoints", ["count"]],
    [{ for: "shop/configmap/x" }, "a ConfigMap has no condition that is waited for by default", ["for"]],
    [{ for: "deployment/web" }, '"deployment/web" does not say its namespace', ["for"]],
    [{ for: "web" }, '"web" names no object', ["for"]],
  ])("refuses %j, at its place", (written, message, path) => {
    expect(wait.options.safeParse(written).error?.issues).toMatchObject([{ message, path }]);
  });

  it("fails when the condition does not come: a timeout is never a pass", async () => {
    const context = scenarioContext({
      wait: () => {
        throw new LabError("WAIT_TIMEOUT", "shop/web: 0 of 1 replicas available");
      },
    });
    await expect(wait.run(wait.options.parse({ for: "shop/deploy/web" }), [], context)).rejects.toMatchObject({
      code: "WAIT_TIMEOUT",
    });
    expect(context.lines).toEqual([]);
  });
});
