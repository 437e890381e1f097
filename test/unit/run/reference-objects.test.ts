import { describe, expect, it } from "vitest";
import { referenceObjects } from "../../../src/run/reference-objects.ts";
import { manifest, planOf, step, task } from "./reference-plan.ts";

const policy = (name: string, namespace = "shop", note = "") =>
  manifest(
    `${name}${note}.yaml`,
    `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: ${name}, namespace: ${namespace}}\nspec: {podSelector: {}}\n`,
  );
const namespace = (name: string) =>
  manifest(`${name}.yaml`, `apiVersion: v1\nkind: Namespace\nmetadata: {name: ${name}}\n`);
const none = () => [];

function files(...args: Parameters<typeof referenceObjects>): string[] {
  return referenceObjects(...args).map(({ file }) => file);
}

describe("the reference objects", () => {
  it("are those of the scenario with the solutions of all tasks on top", () => {
    const plan = planOf(
      [step("apply", policy("a")), step("apply", policy("b"))],
      [task(policy("c")), task(policy("a", "shop", "-solved"))],
    );
    expect(files(plan, none)).toEqual(["a-solved.yaml", "b.yaml", "c.yaml"]);
  });

  it("tell apart equal names of other namespaces", () => {
    expect(files(planOf([step("apply", policy("a")), step("apply", policy("a", "ops", "-ops"))]), none)).toHaveLength(
      2,
    );
  });

  it("lose what a delete step names by manifest or by reference, and may get it back", () => {
    const refs = () => [{ kind: "networkpolicy", namespace: "shop", name: "a" }];
    expect(files(planOf([step("apply", policy("a")), step("delete", policy("a"))]), none)).toEqual([]);
    expect(
      files(planOf([step("apply", policy("a")), step("apply", policy("a", "ops", "-ops")), step("delete")]), refs),
    ).toEqual(["a-ops.yaml"]);
    expect(
      files(planOf([step("apply", policy("a")), step("delete", policy("a")), step("apply", policy("a"))]), none),
    ).toEqual(["a.yaml"]);
    expect(files(planOf([step("delete", policy("a")), step("apply", policy("a"))]), none)).toEqual(["a.yaml"]);
  });

  it("lose everything in a namespace that is deleted, and the namespace", () => {
    const plan = planOf([
      step("apply", [...namespace("shop"), ...policy("a"), ...policy("b", "ops")]),
      step("delete", namespace("shop")),
    ]);
    expect(files(plan, none)).toEqual(["b.yaml"]);
  });

  it("leave a namespace that has the name of a deleted policy", () => {
    const plan = planOf([step("apply", [...namespace("a"), ...policy("a")]), step("delete", policy("a"))]);
    expect(files(plan, none)).toEqual(["a.yaml"]);
  });
});
