import { constants } from "node:fs";
import { open, readdir, realpath } from "node:fs/promises";
import path from "node:path";
import { LabError, type LabWarning, type Span } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import { parseYaml, tooLarge, YAML_LIMITS } from "../core/yaml-source.ts";
import { checkManifest, type ManifestObject } from "../kube/manifest-check.ts";
import type { ServiceNetwork } from "../kube/service-rules.ts";

/** Reads manifest files below one lab folder; each file is read and reported once, however often it is named. */
export class ManifestFiles {
  readonly problems: LabError[] = [];
  readonly warnings: LabWarning[] = [];
  /** Namespaces that some file read so far declares, rightly or not. */
  readonly namespaces = new Set<string>();
  /** Whether a file could not be read, so that nobody can say what it declares. */
  hasUnreadable = false;
  readonly #directory: string;
  readonly #shownDirectory: string;
  readonly #network: ServiceNetwork;
  readonly #files = new Map<string, Promise<ManifestObject[]>>();

  /** `directory` is the lab's folder without symbolic links, `shownDirectory` how spans name it. */
  constructor(directory: string, shownDirectory: string, network: ServiceNetwork) {
    this.#directory = directory;
    this.#shownDirectory = shownDirectory;
    this.#network = network;
  }

  /** The objects of a file named in the lab at `span`; empty where there was a problem, which is then in the list. */
  async read(name: string, span: Span | undefined): Promise<ManifestObject[]> {
    const inside = await this.#resolve(name, span);
    if (inside === undefined) {
      this.hasUnreadable = true;
      return [];
    }
    let objects = this.#files.get(inside);
    if (objects === undefined) {
      objects = this.#readFile(inside, path.join(this.#shownDirectory, path.normalize(name)), span);
      this.#files.set(inside, objects);
    }
    return objects;
  }

  async #resolve(name: string, span: Span | undefined): Promise<string | undefined> {
    // eslint-disable-next-line no-control-regex
    if (name.trim() === "" || /[\u0000-\u001f\u007f]/.test(name)) {
      this.#report("LAB_BAD_PATH", `${quote(name)} is no file name`, span);
      return undefined;
    }
    const wanted = path.resolve(this.#directory, name);
    if (path.isAbsolute(name) || !isInside(this.#directory, wanted)) {
      this.#report(
        "LAB_PATH_OUTSIDE",
        `${quote(name)} is not inside the lab's folder`,
        span,
        "a lab can only read files below its own folder",
      );
      return undefined;
    }
    let real: string;
    try {
      real = await realpath(wanted);
    } catch (error) {
      if (!isMissing(error)) throw error;
      this.#report(
        "LAB_FILE_NOT_FOUND",
        `no file ${quote(name)} in the lab's folder`,
        span,
        await this.#filesLike(name),
      );
      return undefined;
    }
    if (!isInside(this.#directory, real)) {
      this.#report(
        "LAB_PATH_OUTSIDE",
        `${quote(name)} is a link that leads out of the lab's folder`,
        span,
        "a lab can only read files below its own folder",
      );
      return undefined;
    }
    return real;
  }

  async #readFile(file: string, shownName: string, span: Span | undefined): Promise<ManifestObject[]> {
    const bytes = await readPlainFile(file, shownName);
    if (bytes instanceof LabError) {
      this.hasUnreadable = true;
      this.#report(bytes.code, bytes.message, span, bytes.hint);
      return [];
    }
    const { documents, problems } = parseYaml(bytes, shownName);
    this.problems.push(...problems);
    if (problems.length > 0) {
      this.hasUnreadable = true;
      return [];
    }
    const checked = checkManifest(documents, this.#network);
    for (const name of checked.namespaces) this.namespaces.add(name);
    this.problems.push(...checked.problems);
    this.warnings.push(...checked.warnings);
    if (checked.objects.length === 0 && checked.problems.length === 0) {
      this.#report("MANIFEST_EMPTY", `${shownName} has no Kubernetes object`, span);
    }
    return checked.objects;
  }

  async #filesLike(name: string): Promise<string | undefined> {
    const folder = path.dirname(name);
    let files: string[];
    try {
      files = await readdir(path.resolve(this.#directory, folder));
    } catch (error) {
      if (isMissing(error)) return `there is no folder ${quote(folder)} either`;
      throw error;
    }
    return didYouMean(
      name,
      files.filter((file) => /\.ya?ml$/.test(file) && file !== "lab.yaml").map((file) => path.join(folder, file)),
    );
  }

  #report(code: string, message: string, span: Span | undefined, hint?: string): void {
    this.problems.push(new LabError(code, message, { hint, span }));
  }
}

/** The bytes of a regular file within the size limit, or why there are none. Never blocks on a FIFO or device. */
export async function readPlainFile(file: string, shownName: string): Promise<Uint8Array | LabError> {
  let handle;
  try {
    handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    return new LabError("LAB_UNREADABLE", `${shownName} cannot be opened (${errnoOf(cause)})`, { cause });
  }
  try {
    const stats = await handle.stat();
    if (!stats.isFile())
      return new LabError(
        "LAB_NOT_A_FILE",
        `${shownName} is not a regular file`,
        stats.isDirectory() ? { hint: "name the files in it" } : {},
      );
    return stats.size > YAML_LIMITS.maxBytes ? tooLarge(shownName, stats.size) : await handle.readFile();
  } finally {
    await handle.close();
  }
}

/** Whether an error of node:fs says that a path leads to no file. */
export function isMissing(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG"].includes(errnoOf(error));
}

function errnoOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function isInside(directory: string, file: string): boolean {
  const relative = path.relative(directory, file);
  return relative !== "" && relative !== ".." && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative);
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
