import { expect, test } from "vitest";
import { cnis } from "../../../src/cnis/registry.ts";
import { planVariants, variantKey } from "../../../src/run/compare-variants.ts";
import type { RunContext } from "../../../src/run/context.ts";
import { readLab } from "../../../src/run/read-lab.ts";

const context: RunContext = {
  env: {},
  stateRoot: "/nonexistent",
  signal: new AbortController().signal,
  emit: () => undefined,
  now: () => new Date(0),
  monotonicMs: () => 0,
};

test("a variant has the release that its provider gives: the one a model follows, or the one that is installed", async () => {
  const read = await readLab("first-lab");
  const planned = planVariants(read, { cnis: [], providers: ["netns", "kind"] }, context);
  const { version, install } = cnis.calico;
  expect(version).not.toBe(install.version);
  expect(planned.map(({ variant }) => [variant.provider, variant.cniVersion])).toEqual([
    ["netns", version],
    ["kind", install.version],
  ]);
});

test("an option goes to the CNIs that have it, and is part of what the variant is", async () => {
  const read = await readLab("flat-network");
  const cnis = [{ name: "flannel" }, { name: "weave" }];
  const request = { cnis, providers: ["kind"], cniOptions: { encrypted: "true" } };
  const planned = planVariants(read, request, context);
  expect(planned.map(({ variant: { cni, options } }) => [cni, options])).toEqual([
    ["flannel", undefined],
    ["weave", { encrypted: true }],
  ]);
  const [, encrypted] = planned.map(({ variant }) => variantKey(variant));
  const [, plain] = planVariants(read, { cnis, providers: ["kind"] }, context).map(({ variant }) =>
    variantKey(variant),
  );
  expect(encrypted).not.toBe(plain);
});

test("an option that no CNI has is an error, and so is one without a CNI", async () => {
  const read = await readLab("flat-network");
  const of = (cnis: { name: string }[]) => (): unknown =>
    planVariants(read, { cnis, providers: ["kind"], cniOptions: { encryptd: "true" } }, context);
  expect(of([{ name: "flannel" }, { name: "weave" }])).toThrow('unknown field "encryptd"');
  expect(of([])).toThrow("--cni-option encryptd=true belongs to no CNI");
});

test("the same variant named twice is planned once", async () => {
  const read = await readLab("first-lab");
  const cni = [{ name: "calico" }, { name: "calico", mode: "vxlan" }];
  expect(planVariants(read, { cnis: cni, providers: ["netns"] }, context)).toHaveLength(1);
});
