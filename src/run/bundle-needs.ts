import { cniText } from "../core/cni-text.ts";
import { existsSync, realpathSync } from "node:fs";
import { basename, join, relative } from "node:path";
import type { PlannedObject, Plan } from "../plan/types.ts";
import { imagesOf } from "../providers/real/upstream-manifest.ts";
import type { BundleNeeds } from "../supplies/create-bundle.ts";
import type { ExecutableName } from "../supplies/lock.ts";
import type { Supplies } from "../supplies/types.ts";
import { providerNamed } from "./provision.ts";

/** Everything that making and grading these plans takes from outside, and the labs themselves. Throws SUPPLY_… */
export async function bundleNeeds(plans: readonly Plan[], supplies: Supplies): Promise<BundleNeeds> {
  const images = new Set<string>();
  const ownImages = new Set<string>();
  const files = new Set<string>();
  const executables = new Set<ExecutableName>();
  for (const plan of plans) {
    const needs = await providerNamed(plan.provider).needs?.(plan, supplies);
    // The embedded engine runs no images: without a provider that does, a lab is all there is.
    if (needs === undefined) continue;
    for (const image of [...needs.images, ...imagesOf(objectsOf(plan).map(({ object }) => object))]) images.add(image);
    for (const image of needs.ownImages ?? []) ownImages.add(image);
    for (const file of needs.files) files.add(file);
    for (const executable of needs.executables) executables.add(executable);
  }
  return {
    images: [...images],
    ownImages: [...ownImages],
    files: [...files],
    executables: [...executables],
    labs: plans.map((plan) => ({
      name: plan.lab.name,
      provider: plan.provider,
      cni: cniText(plan.cni.name, plan.cni.mode, plan.cni.options),
      directory: plan.lab.directory,
      files: labFiles(plan),
    })),
  };
}

/** The objects that a lab or its solutions create. */
function objectsOf(plan: Plan): PlannedObject[] {
  return [...plan.scenario.flatMap(({ objects }) => objects), ...plan.tasks.flatMap(({ solution }) => solution)];
}

/** Files that a lab is read from, and its README, as paths below its folder; the lab file first. */
function labFiles(plan: Plan): string[] {
  const { directory, file } = plan.lab;
  const manifests = objectsOf(plan).map((object) => relative(directory, realpathSync(object.file)));
  const readme = existsSync(join(directory, "README.md")) ? ["README.md"] : [];
  return [...new Set([basename(file), ...manifests, ...readme])];
}
