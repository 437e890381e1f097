import { LabError } from "../core/errors.ts";
import pLimit from "p-limit";
import type { Bundle, BundledImage } from "./bundle-types.ts";
import type { DockerImages, LocalImage } from "./docker-images.ts";
import { imageArchive } from "./image-archive.ts";

/** Registries throttle; layers of one image come in parallel already. */
const PULLS_AT_ONCE = 3;

export interface ImageSources {
  docker: DockerImages;
  bundle: Bundle | undefined;
  isOffline: boolean;
  signal: AbortSignal | undefined;
  progress: (message: string) => void;
}

/**
 * Has all images in the engine: a bundle's are loaded where the engine's differ or are missing, in one archive; others are
 * pulled. Returns the engine's id by reference. Throws SUPPLY_MISSING with all that could not be had.
 */
export async function provideImages(
  references: readonly string[],
  { docker, bundle, isOffline, signal, progress }: ImageSources,
): Promise<Map<string, string>> {
  const wanted = [...new Set(references)];
  const local = new Map(
    await Promise.all(
      wanted.map(async (reference) => [reference, await docker.inspect(reference)] as [string, LocalImage | undefined]),
    ),
  );
  const bundled = wanted
    .map((reference) => bundle?.index.images.find((image) => image.reference === reference))
    .filter((image): image is BundledImage => image !== undefined);
  const toLoad = bundled.filter((image) => !isSameImage(local.get(image.reference), image));
  if (bundle !== undefined && toLoad.length > 0) {
    progress(`load ${toLoad.length} ${toLoad.length === 1 ? "image" : "images"} from ${bundle.path}`);
    await docker.load(imageArchive(bundle, toLoad));
  }

  const inBundle = new Set(bundled.map(({ reference }) => reference));
  const absent = wanted.filter((reference) => local.get(reference) === undefined && !inBundle.has(reference));
  if (isOffline && absent.length > 0) {
    throw missingImages(new Map(absent.map((reference) => [reference, ""])), isOffline);
  }
  await pullImages(absent, { docker, signal, progress });

  const changed = new Set([...toLoad.map(({ reference }) => reference), ...absent]);
  const ids = new Map<string, string>();
  const reasons = new Map<string, string>();
  for (const reference of wanted) {
    const image = changed.has(reference) ? await docker.inspect(reference) : local.get(reference);
    if (image === undefined) reasons.set(reference, "the engine does not show it after it was loaded");
    else ids.set(reference, image.id);
  }
  if (reasons.size > 0) throw missingImages(reasons, isOffline);
  return ids;
}

/** Pulls images from their registries, a few at a time. Throws SUPPLY_MISSING with all that failed, and why. */
export async function pullImages(
  references: readonly string[],
  { docker, signal, progress }: Pick<ImageSources, "docker" | "signal" | "progress">,
): Promise<void> {
  const reasons = new Map<string, string>();
  const limit = pLimit(PULLS_AT_ONCE);
  const pull = async (reference: string): Promise<void> => {
    try {
      await docker.pull(reference, {
        onProgress: (message) => progress(`pull ${reference}: ${message}`),
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof LabError) throw error;
      reasons.set(reference, error instanceof Error ? error.message : String(error));
    }
  };
  await Promise.all(references.map((reference) => limit(pull, reference)));
  if (reasons.size > 0) throw missingImages(reasons, false);
}

/**
 * Whether the engine's image is the bundle's. Where containerd keeps the images, an id is not the config's digest; layers
 * and the time of making then decide.
 */
export function isSameImage(local: LocalImage | undefined, bundled: BundledImage): boolean {
  if (local === undefined) return false;
  if (local.id === `sha256:${bundled.config}`) return true;
  return (
    local.diffIds.length === bundled.diffIds.length &&
    local.diffIds.every((digest, index) => digest === bundled.diffIds[index]) &&
    Date.parse(local.created) === Date.parse(bundled.created)
  );
}

function missingImages(reasons: ReadonlyMap<string, string>, isOffline: boolean): LabError {
  const lines = [...reasons].map(([reference, reason]) => (reason === "" ? reference : `${reference}: ${reason}`));
  const what = lines.length === 1 ? `image ${lines[0]}` : `images\n  ${lines.join("\n  ")}`;
  return new LabError("SUPPLY_MISSING", `missing ${what}`, {
    hint: isOffline
      ? "make the bundle with all labs it is for; bundle create --from docker takes what the engine has: docker pull or load it first"
      : "pull or load them into the Docker engine, or use a bundle: --bundle PATH",
  });
}
