import { describe, expect, it } from "vitest";
import { deleteStep } from "../../../src/scenarios/delete.ts";
import { scenarioContext } from "../../fixtures/scenario-context.ts";
import { shopPod } from "../../fixtures/shop-world.ts";

const run = async (written: unknown, objects = [] as Parameters<typeof deleteStep.run>[1]) => {
  const context = scenarioContext();
  await deleteStep.run(deleteStep.options.parse(written), objects, context);
  return context.cluster.log;
};

describe("delete", () => {
  it.each([
    ["shop/networkpolicy/deny-all", "delete shop/NetworkPolicy/deny-all"],
    ["shop/netpol/deny-all", "delete shop/NetworkPolicy/deny-all"],
    ["namespace/shop", "delete -/Namespace/shop"],
    [{ kind: "NetworkPolicy", namespace: "shop", name: "deny-all" }, "delete shop/NetworkPolicy/deny-all"],
    [{ kind: "Widget", namespace: "shop", name: "one" }, "delete shop/Widget/one"],
    [["shop/pod/a", "shop/svc/b"], "delete shop/Pod/a shop/Service/b"],
  ])("deletes %j and waits for the effect", async (written, line) => {
    expect(await run(written)).toEqual([line, "settle"]);
  });

  it("deletes the objects of a manifest", async () => {
    const options = deleteStep.options.parse(["manifests/a.yaml", "shop/pod/b"]);
    expect(deleteStep.manifests(options)).toEqual(["manifests/a.yaml"]);
    const log = await run(
      ["manifests/a.yaml", "shop/pod/b"],
      [{ object: shopPod({ name: "a" }), file: "a.yaml", line: 1 }],
    );
    expect(log).toEqual(["delete shop/Pod/b shop/Pod/a", "settle"]);
  });

  it.each([
    ["shop/networkpolcy/deny-all", '"shop/networkpolcy/deny-all" has unknown kind "networkpolcy"'],
    ["pod/web", '"pod/web" does not say its namespace'],
    ["shop/namespace/shop", '"shop/namespace/shop": a Namespace is in no namespace'],
    ["web", '"web" names no object'],
    [{ kind: "Pod", name: "web" }, "Pod web does not say its namespace"],
    ["shop/pod/Web", '"shop/pod/Web" has a bad name'],
  ])("refuses %j: %s", (written, message) => {
    const result = deleteStep.options.safeParse(written);
    expect(JSON.stringify(result.error?.issues)).toContain(
      JSON.stringify(message).slice(1, -1).replaceAll('\\"', '\\"'),
    );
  });

  it("refuses a manifest outside the lab", () => {
    expect(deleteStep.options.safeParse("../other.yaml").success).toBe(false);
  });
});
