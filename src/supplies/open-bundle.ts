import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { LabError } from "../core/errors.ts";
import { openChecked } from "./bundle-blobs.ts";
import { blobNames, invalid, parseBundleIndex } from "./bundle-index.ts";
import type { BlobReader, BlobWriter, Bundle, BundleIndex } from "./bundle-types.ts";
import { sha256OfStream } from "./digest.ts";
import { openFolderBlobs } from "./folder-blobs.ts";
import { openTarBlobs } from "./tar-blobs.ts";

/**
 * Opens a bundle for reading. Blobs are checked when they are read. Throws BUNDLE_NOT_FOUND, BUNDLE_INVALID, and
 * BUNDLE_DIGEST for an archive that was cut off, which names the blob.
 */
export async function openBundle(path: string): Promise<Bundle> {
  const kind = await kindOf(path);
  if (kind === undefined) {
    throw new LabError("BUNDLE_NOT_FOUND", `there is no bundle ${path}`, {
      hint: "make one with cnilab bundle create LAB -o PATH",
    });
  }
  if (kind === "folder") {
    let text: string;
    let blobs: BlobReader;
    try {
      text = await readFile(join(path, "bundle.json"), "utf8");
      blobs = await openFolderBlobs(path, { mayWrite: false });
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
      throw invalid(
        path,
        "it has no bundle.json or no blobs; an interrupted bundle create is finished by the same command",
        cause,
      );
    }
    return { path, index: parseBundleIndex(text, path), blobs };
  }
  const { blobs, indexText, cutOff } = await openTar(path, false);
  if (indexText !== undefined) return { path, index: parseBundleIndex(indexText, path), blobs };
  await blobs.close();
  if (cutOff === undefined) throw invalid(path, "it has no bundle.json");
  throw new LabError("BUNDLE_DIGEST", `${path} ends in the middle of ${cutOff}: it was cut off`, {
    hint: "copy the bundle again, or run the bundle create that made it again, which keeps what is whole",
  });
}

/** Opens a bundle to be made or continued; `.tar` makes an archive. `index` is what an earlier run completed. */
export async function openBundleToWrite(path: string): Promise<{ blobs: BlobWriter; index: BundleIndex | undefined }> {
  const kind = (await kindOf(path)) ?? (path.endsWith(".tar") ? "tar" : "folder");
  if (kind === "tar") {
    const { blobs, indexText } = await openTar(path, true);
    return { blobs, index: indexText === undefined ? undefined : parseBundleIndex(indexText, path) };
  }
  const blobs = await openFolderBlobs(path, { mayWrite: true });
  try {
    return { blobs, index: parseBundleIndex(await readFile(join(path, "bundle.json"), "utf8"), path) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { blobs, index: undefined };
    throw error;
  }
}

/** What is wrong with a bundle's blobs: every one is read. Empty where all is right. */
export async function verifyBundle({ path, index, blobs }: Bundle): Promise<LabError[]> {
  const problems: LabError[] = [];
  for (const [sha256, what] of blobNames(index)) {
    try {
      await sha256OfStream(openChecked({ path, blobs }, sha256, what));
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      problems.push(error);
    }
  }
  return problems;
}

async function openTar(path: string, mayWrite: boolean): ReturnType<typeof openTarBlobs> {
  try {
    return await openTarBlobs(path, { mayWrite });
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    throw invalid(path, error.message, error);
  }
}

async function kindOf(path: string): Promise<"folder" | "tar" | undefined> {
  try {
    return (await stat(path)).isDirectory() ? "folder" : "tar";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
