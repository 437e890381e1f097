import { LabProblems } from "../core/errors.ts";
import type { BundleIndex } from "../supplies/bundle-types.ts";
import { blobNames } from "../supplies/bundle-index.ts";
import { isSameImage } from "../supplies/image-supply.ts";
import { openBundle, verifyBundle } from "../supplies/open-bundle.ts";
import { hostPlatform } from "../supplies/lock.ts";
import type { RunContext } from "./context.ts";
import { PhaseRunner } from "./phases.ts";
import { localDocker, runSupplies } from "./supplies.ts";

/** What is in a bundle, for `bundle list`. */
export interface BundleContents extends Omit<BundleIndex, "schemaVersion"> {
  path: string;
  blobs: number;
  bytes: number;
}

/** What a load did. */
export interface LoadOutcome {
  path: string;
  /** References that the engine did not have. */
  loaded: string[];
  /** References that it had already. */
  present: string[];
  files: string[];
  executables: string[];
}

/** Reads a bundle's index; throws BUNDLE_…. */
export async function listBundle(path: string): Promise<BundleContents> {
  const { index, blobs } = await openBundle(path);
  const digests = [...blobNames(index).keys()];
  const { schemaVersion: _, ...contents } = index;
  const bytes = digests.reduce((sum, sha256) => sum + blobs.size(sha256), 0);
  await blobs.close();
  return { path, ...contents, blobs: digests.length, bytes };
}

/** Reads every blob; throws LabProblems with a BUNDLE_DIGEST for each that is damaged or missing. */
export async function checkBundle(path: string, context: RunContext): Promise<BundleContents> {
  const phases = new PhaseRunner(context);
  await phases.run("load", `verify ${path}`, async () => {
    const bundle = await openBundle(path);
    const problems = await verifyBundle(bundle);
    await bundle.blobs.close();
    if (problems.length > 0) throw new LabProblems(problems);
  });
  return listBundle(path);
}

/**
 * Verifies a bundle, loads the images that the local engine lacks, and puts files and executables into the cache: labs then
 * run without the bundle, too. Throws as {@link checkBundle}, before anything is loaded.
 */
export async function loadBundle(path: string, outer: RunContext): Promise<LoadOutcome> {
  const context = { ...outer, bundle: path };
  const { images, files, executables } = await checkBundle(path, context);
  const phases = new PhaseRunner(context);
  return phases.run("provision", `load ${path}`, async () => {
    const supplies = runSupplies(context);
    const docker = images.length === 0 ? undefined : await localDocker();
    const present: string[] = [];
    for (const image of images) {
      if (isSameImage(await docker?.inspect(image.reference), image)) present.push(image.reference);
    }
    if (images.length > 0) await supplies.images(images.map(({ reference }) => reference));
    for (const { name } of files) await supplies.file(name);
    const here = executables.filter(({ platform }) => platform === hostPlatform());
    for (const { name } of here) await supplies.executable(name);
    return {
      path,
      loaded: images.map(({ reference }) => reference).filter((reference) => !present.includes(reference)),
      present,
      files: files.map(({ name }) => name),
      executables: here.map(({ name, version }) => `${name} ${version}`),
    };
  });
}
