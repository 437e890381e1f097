import { splitApiVersion } from "../kube/group-version.ts";
import type { Dir } from "node:fs";
import { opendir } from "node:fs/promises";
import path from "node:path";
import { LabError, type LabWarning } from "../core/errors.ts";
import { isRecord } from "../core/is-record.ts";
import type { YamlDocument } from "../core/yaml-document.ts";
import { parseYaml } from "../core/yaml-source.ts";
import { checkManifest, type ManifestObject } from "../kube/manifest-check.ts";
import { readPlainFile } from "./manifest-files.ts";

/** What reading a folder may cost. A folder named by mistake, such as a home folder, ends here. */
export const FOLDER_LIMITS = { maxFiles: 5000, maxBytes: 256 * 1024 * 1024 };

/** A file by the name that messages show. */
export interface ManifestText {
  name: string;
  bytes: Uint8Array;
}

/** The objects of some files; with problems there, what is read may be incomplete. */
export interface ReadManifests {
  objects: ManifestObject[];
  problems: LabError[];
  warnings: LabWarning[];
}

/** Whether a file's name is that of a manifest. */
export function isManifestName(name: string): boolean {
  return /\.(ya?ml|json)$/i.test(name);
}

/**
 * The manifest files of a folder and of those below it, by name. Hidden entries, node_modules and symbolic links are left
 * out. Throws MANIFEST_TOO_MANY, or what readPlainFile says of a file.
 */
export async function readManifestFolder(folder: string, shownFolder: string): Promise<ManifestText[]> {
  const names = await listFiles(folder);
  const texts: ManifestText[] = [];
  let bytes = 0;
  for (const name of names) {
    const read = await readPlainFile(path.join(folder, name), path.join(shownFolder, name));
    if (read instanceof LabError) throw read;
    bytes += read.length;
    if (bytes > FOLDER_LIMITS.maxBytes) throw tooMany(shownFolder, `over ${FOLDER_LIMITS.maxBytes >> 20} MiB`);
    texts.push({ name: path.join(shownFolder, name), bytes: read });
  }
  return texts;
}

async function listFiles(folder: string): Promise<string[]> {
  const found: string[] = [];
  const visit = async (below: string): Promise<void> => {
    for await (const entry of await openFolder(path.join(folder, below))) {
      if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
      const name = path.join(below, entry.name);
      if (entry.isDirectory()) await visit(name);
      else if (entry.isFile() && isManifestName(entry.name)) found.push(name);
      if (found.length > FOLDER_LIMITS.maxFiles) throw tooMany(folder, `over ${FOLDER_LIMITS.maxFiles} files`);
    }
  };
  await visit("");
  return found.toSorted();
}

async function openFolder(folder: string): Promise<Dir> {
  try {
    return await opendir(folder);
  } catch (cause) {
    const { code = "" } = cause as NodeJS.ErrnoException;
    throw new LabError("MANIFEST_UNREADABLE", `cannot read folder ${folder} (${code})`, { cause });
  }
}

/** The error for a folder, or a commit's folder, that is over the limits. */
export function tooMany(folder: string, what: string): LabError {
  return new LabError("MANIFEST_TOO_MANY", `${folder} has ${what} of manifests`, { hint: "name a folder below it" });
}

/**
 * Reads and checks all objects of manifest files. Documents that are no Kubernetes objects (a chart's values, a
 * kustomization) are left out, and so are policies of other APIs, with a warning each.
 */
export function readManifestTexts(texts: readonly ManifestText[]): ReadManifests {
  const result: ReadManifests = { objects: [], problems: [], warnings: [] };
  for (const { name, bytes } of texts) {
    const { documents, problems } = parseYaml(bytes, name);
    result.problems.push(...problems);
    if (problems.length > 0) continue;
    const checked = checkManifest(documents.filter((document) => isOurs(document, result.warnings)));
    result.objects.push(...checked.objects);
    result.problems.push(...checked.problems);
    // What else is said of objects is about what the embedded engine makes of them.
    result.warnings.push(...checked.warnings.filter(({ code }) => POLICY_WARNINGS.has(code)));
  }
  return result;
}

const POLICY_WARNINGS = new Set(["MANIFEST_NULL_SELECTOR", "MANIFEST_CIDR_HOST_BITS", "MANIFEST_RULES_IGNORED"]);

/** API groups with policies of their own, which no verdict here counts. */
const POLICY_GROUPS = ["projectcalico.org", "cilium.io", "crd.antrea.io", "k8s.ovn.org"];

function isOurs(document: YamlDocument, warnings: LabWarning[]): boolean {
  const { value } = document;
  if (!isRecord(value)) return value !== null;
  const { apiVersion, kind } = value;
  if (apiVersion === undefined && kind === undefined) return false;
  if (typeof apiVersion !== "string" || typeof kind !== "string") return true;
  const [group] = splitApiVersion(apiVersion);
  if (group.startsWith("kustomize.config.k8s.io")) return false;
  if (!POLICY_GROUPS.some((each) => group === each || group.endsWith(`.${each}`))) return true;
  if (kind.endsWith("Policy")) {
    warnings.push({
      code: "POLICY_NOT_COUNTED",
      message: `${kind} of ${apiVersion} is not counted: verdicts are those of Kubernetes' own policies alone`,
      hint: "what this policy allows or denies may change them",
      span: document.keySpan(["kind"]),
    });
  }
  return false;
}
