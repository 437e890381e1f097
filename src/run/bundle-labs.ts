import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { LabError } from "../core/errors.ts";
import { openChecked } from "../supplies/bundle-blobs.ts";
import { storeVerified } from "../supplies/file-cache.ts";
import { openBundle } from "../supplies/open-bundle.ts";
import type { RunContext } from "./context.ts";
import { findLabFile } from "./find-lab.ts";
import { cacheRoot } from "../supplies/cache-root.ts";

/**
 * The lab that an argument means, as {@link findLabFile} would have it; what that does not find may be the name of a lab in
 * the run's bundle, whose files are then put into the cache. Throws LAB_NOT_FOUND, BUNDLE_….
 */
export async function labOrBundled(argument: string, context: RunContext): Promise<string> {
  if (context.bundle === undefined) return argument;
  try {
    return findLabFile(argument);
  } catch (error) {
    if (!(error instanceof LabError) || error.code !== "LAB_NOT_FOUND") throw error;
    return (await extractLab(argument, context.bundle, context)) ?? argument;
  }
}

/** Path of the lab's file; undefined where the bundle has no lab of that name. */
async function extractLab(name: string, path: string, context: RunContext): Promise<string | undefined> {
  const bundle = await openBundle(path);
  try {
    const lab = bundle.index.labs.find((each) => each.name === name);
    const [labFile] = lab?.files ?? [];
    if (lab === undefined || labFile === undefined) return undefined;
    // The same files make the same folder: another version of the lab never lies over this one.
    const version = createHash("sha256").update(JSON.stringify(lab.files)).digest("hex").slice(0, 16);
    const folder = join(cacheRoot(context.env), "labs", version, name);
    for (const file of lab.files) {
      const target = join(folder, file.path);
      if (existsSync(target)) continue;
      const what = `${file.path} of lab ${name}`;
      const expected = { what, sha256: file.sha256, maxBytes: bundle.blobs.size(file.sha256), signal: context.signal };
      await storeVerified(openChecked(bundle, file.sha256, what), target, expected);
    }
    return join(folder, labFile.path);
  } finally {
    await bundle.blobs.close();
  }
}
