import { isAbsolute } from "node:path";
import * as z from "zod";
import { LabError } from "../core/errors.ts";
import type { BundleIndex } from "./bundle-types.ts";
import { EXECUTABLES } from "./lock.ts";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** A bundle comes from elsewhere: none of its paths may lead out of the folder that it is put into. */
const pathBelow = z.string().refine((path) => !isAbsolute(path) && !path.split(/[\\/]/).includes(".."), {
  error: "leads out of its folder",
});

const indexSchema = z.object({
  schemaVersion: z.literal(1),
  createdBy: z.string(),
  createdAt: z.string(),
  images: z.array(
    z.object({
      reference: z.string(),
      config: sha256,
      layers: z.array(sha256),
      diffIds: z.array(z.string()),
      created: z.string(),
    }),
  ),
  files: z.array(z.object({ name: z.string(), sha256 })),
  executables: z.array(z.object({ name: z.enum(EXECUTABLES), version: z.string(), platform: z.string(), sha256 })),
  labs: z.array(
    z.object({
      name: z.string(),
      provider: z.string(),
      cni: z.string(),
      files: z.array(z.object({ path: pathBelow, sha256 })),
    }),
  ),
});

/** Reads bundle.json; throws BUNDLE_INVALID. */
export function parseBundleIndex(text: string, path: string): BundleIndex {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid(path, "its bundle.json is no JSON", cause);
  }
  const parsed = indexSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw invalid(path, `its bundle.json: ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}`);
}

/** What a blob is to people, by digest: "layer 2 of nginx:1.22". */
export function blobNames(index: BundleIndex): Map<string, string> {
  const names = new Map<string, string>();
  const name = (digest: string, what: string): void => {
    if (!names.has(digest)) names.set(digest, what);
  };
  for (const { reference, config, layers } of index.images) {
    name(config, `configuration of ${reference}`);
    for (const [number, layer] of layers.entries()) name(layer, `layer ${number + 1} of ${reference}`);
  }
  for (const file of index.files) name(file.sha256, file.name);
  for (const executable of index.executables) name(executable.sha256, `${executable.name} ${executable.version}`);
  for (const lab of index.labs) for (const file of lab.files) name(file.sha256, `${file.path} of lab ${lab.name}`);
  return names;
}

/** BUNDLE_INVALID for a bundle at that path. */
export function invalid(path: string, problem: string, cause?: unknown): LabError {
  return new LabError("BUNDLE_INVALID", `${path} is no bundle: ${problem}`, {
    hint: "make one with cnilab bundle create",
    cause,
  });
}
