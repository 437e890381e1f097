import { expect, test } from "vitest";
import { createLens } from "../../../src/run/lens.ts";
import { fakeCluster } from "../../fixtures/fake-cluster.ts";
import { manifest, planOf, task } from "./reference-plan.ts";

const policy = (name: string) =>
  manifest(
    `${name}.yaml`,
    `{ apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: { name: ${name} }, spec: { podSelector: {} } }`,
  );
const required = { ...task(policy("required")), probes: ["must"] };
const bonus = (name: string) => ({ ...task(policy(name)), name, probes: [name], isBonus: true as const });

test("a probe is held against the solutions that it needs, and against all", async () => {
  const plan = planOf([], [required, bonus("one"), bonus("two")]);
  const lens = await createLens(plan, [], fakeCluster());
  const names = (probe: string): string[] | undefined =>
    lens.withoutOtherBonus(probe)?.world.policies.map(({ policy: { metadata } }) => metadata.name);
  expect(lens.reference.world.policies).toHaveLength(3);
  expect([names("must"), names("one"), names("of no task")]).toEqual([["required"], ["required", "one"], ["required"]]);
  expect(lens.withoutOtherBonus("must")).toBe(lens.withoutOtherBonus("of no task"));
});

test("without bonus tasks there is one reference", async () => {
  const lens = await createLens(planOf([], [required]), [], fakeCluster());
  expect([lens.withoutOtherBonus("must"), lens.withoutOtherBonus("other")]).toEqual([undefined, undefined]);
});
