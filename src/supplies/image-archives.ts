import { createWriteStream } from "node:fs";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { LabError } from "../core/errors.ts";
import type { Bundle, BundledImage } from "./bundle-types.ts";
import { imageArchive } from "./image-archive.ts";

/** {@link Supplies.imageArchives} out of a bundle. */
export async function writeArchives(
  references: readonly string[],
  { bundle, folder, progress }: { bundle: Bundle | undefined; folder: string; progress: (message: string) => void },
): Promise<void> {
  const wanted = [...new Set(references)].map((reference) => ({
    reference,
    image: bundle?.index.images.find((each) => each.reference === reference),
  }));
  const absent = wanted.filter(({ image }) => image === undefined).map(({ reference }) => reference);
  if (bundle === undefined || absent.length > 0) {
    throw new LabError("SUPPLY_MISSING", `the bundle lacks ${absent.join(", ")}`, {
      hint: "make the bundle with all labs, providers and CNIs that it is for",
    });
  }
  await mkdir(folder, { recursive: true });
  for (const { reference, image } of wanted) if (image !== undefined) await write(reference, image);

  async function write(reference: string, image: BundledImage): Promise<void> {
    // Its content decides: another image of that name is another file.
    const path = join(folder, `${image.config.slice(0, 16)}-${reference.replaceAll(/[^A-Za-z0-9.]+/g, "-")}.tar`);
    if (await isThere(path)) return;
    progress(`take ${reference} from the bundle`);
    const part = `${path}.part`;
    try {
      await pipeline(imageArchive(bundle as Bundle, [image]), createWriteStream(part));
      await rename(part, path);
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
