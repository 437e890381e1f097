import { describe, expect, it } from "vitest";
import { apply } from "../../../src/scenarios/apply.ts";
import { scenarioContext } from "../../fixtures/scenario-context.ts";
import { shopPod } from "../../fixtures/shop-world.ts";

const planned = [{ object: shopPod({ name: "extra" }), file: "manifests/shop.yaml", line: 1 }];

describe("apply", () => {
  it.each([
    ["manifests/shop.yaml", ["manifests/shop.yaml"]],
    [
      ["a.yaml", "b.yml"],
      ["a.yaml", "b.yml"],
    ],
    [{ files: "a.json" }, ["a.json"]],
    [{ files: ["a.yaml"] }, ["a.yaml"]],
  ])("takes %j", (written, files) => {
    expect(apply.manifests(apply.options.parse(written))).toEqual(files);
  });

  it.each([
    "../shop.yaml",
    "/etc/shop.yaml",
    "manifests/../../x.yaml",
    "shop.txt",
    "",
    [],
    { files: [] },
    { file: "a.yaml" },
  ])("refuses %j", (written) => {
    expect(apply.options.safeParse(written).success).toBe(false);
  });

  it("applies the objects and waits for their effect", async () => {
    const context = scenarioContext();
    await apply.run(apply.options.parse("a.yaml"), planned, context);
    expect(context.cluster.log).toEqual(["apply shop/Pod/extra", "settle"]);
    expect(context.lines).toEqual(["shop/pod/extra created", "in effect after 3 ms"]);
  });

  it("refuses manifests without an object", async () => {
    await expect(apply.run(apply.options.parse("a.yaml"), [], scenarioContext())).rejects.toMatchObject({
      code: "SCENARIO_NOTHING_TO_APPLY",
    });
  });
});
