import { describe, expect, it } from "vitest";
import { scale } from "../../../src/scenarios/scale.ts";
import { scenarioContext } from "../../fixtures/scenario-context.ts";

describe("scale", () => {
  it("sets the replicas and waits for the effect", async () => {
    const context = scenarioContext();
    const options = scale.options.parse({ deployment: "web", namespace: "shop", replicas: 3 });
    await scale.run(options, [], context);
    expect(context.cluster.log).toEqual(["scale shop/Deployment/web 3", "settle"]);
    expect(scale.references(options)).toEqual([
      { kind: "workload", namespace: "shop", workload: "deployment", name: "web" },
    ]);
  });

  it.each([
    [{ namespace: "shop", replicas: 1 }, "scale names one workload"],
    [{ deployment: "a", statefulset: "b", namespace: "shop", replicas: 1 }, "scale names one workload"],
  ])("refuses %j", (written, message) => {
    expect(scale.options.safeParse(written).error?.issues).toMatchObject([{ message }]);
  });

  it.each([
    { deployment: "web", replicas: 1 },
    { deployment: "web", namespace: "shop", replicas: -1 },
    { deployment: "web", namespace: "shop", replicas: 1.5 },
  ])("refuses %j", (written) => {
    expect(scale.options.safeParse(written).success).toBe(false);
  });
});
