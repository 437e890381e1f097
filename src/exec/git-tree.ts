import { LabError } from "../core/errors.ts";

/** A file of a commit: its path below the folder that was asked for, and its object's id. */
interface TreeFile {
  path: string;
  id: string;
  bytes: number;
}

/** What reading a commit may cost. */
export interface GitLimits {
  maxFiles: number;
  maxBytes: number;
}

/** Neither the network nor a terminal is asked, and nothing in the repository is written. */
const QUIET = { GIT_NO_LAZY_FETCH: "1", GIT_OPTIONAL_LOCKS: "0", GIT_TERMINAL_PROMPT: "0", LC_ALL: "C" };

/**
 * The files that a commit has below a folder of its repository, those whose path `isWanted`, sorted by path; the work tree
 * is not looked at and no hook runs. Links and submodules are left out. Throws GIT_FAILED for what git refuses, and
 * GIT_TOO_LARGE over the limits.
 */
export async function readGitFolder(
  folder: string,
  revision: string,
  { isWanted, limits, signal }: { isWanted(path: string): boolean; limits: GitLimits; signal: AbortSignal },
): Promise<{ path: string; bytes: Uint8Array }[]> {
  const commit = await git(folder, ["rev-parse", "--verify", "--end-of-options", `${revision}^{commit}`], signal);
  const listing = await git(folder, ["ls-tree", "-r", "-z", "-l", text(commit).trim(), "--", "."], signal);
  const files = text(listing)
    .split("\0")
    .flatMap(parseEntry)
    .filter(({ path }) => isWanted(path));
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  if (files.length > limits.maxFiles || bytes > limits.maxBytes) {
    throw new LabError("GIT_TOO_LARGE", `${revision} has ${files.length} files of ${bytes >> 10} KiB below ${folder}`, {
      hint: `at most ${limits.maxFiles} files and ${limits.maxBytes >> 20} MiB are read: name a folder below it`,
    });
  }
  if (files.length === 0) return [];
  const ids = files.map(({ id }) => `${id}\n`).join("");
  const contents = splitBatch(await git(folder, ["cat-file", "--batch"], signal, ids), files);
  return files.map(({ path }, at) => ({ path, bytes: contents[at] as Uint8Array }));
}

/** `100644 blob ID    SIZE\tPATH`, of regular files. */
function parseEntry(entry: string): TreeFile[] {
  const match = /^100(?:644|755) blob ([0-9a-f]+) +(\d+)\t(.+)$/s.exec(entry);
  return match === null ? [] : [{ id: match[1] as string, bytes: Number(match[2]), path: match[3] as string }];
}

/** Each object is `ID TYPE SIZE\n`, its content, and a line break (git-cat-file(1), BATCH OUTPUT). */
function splitBatch(output: Uint8Array, files: readonly TreeFile[]): Uint8Array[] {
  let at = 0;
  return files.map(({ bytes, id }) => {
    const start = output.indexOf(0x0a, at) + 1;
    if (start === 0 || !text(output.subarray(at, start)).startsWith(`${id} blob `)) {
      throw new LabError("GIT_FAILED", `git cat-file did not give object ${id}`);
    }
    at = start + bytes + 1;
    return output.subarray(start, start + bytes);
  });
}

async function git(folder: string, args: readonly string[], signal: AbortSignal, input = ""): Promise<Uint8Array> {
  signal.throwIfAborted();
  const { execa } = await import("execa");
  const result = await execa("git", ["-C", folder, "-c", "core.fsmonitor=false", ...args], {
    reject: false,
    input,
    encoding: "buffer",
    env: QUIET,
    cancelSignal: signal,
    timeout: 60_000,
    maxBuffer: 512 * 1024 * 1024,
    stripFinalNewline: false,
  });
  signal.throwIfAborted();
  if (!result.failed) return result.stdout;
  const said = text(result.stderr).trim();
  throw new LabError("GIT_FAILED", `git ${args[0]} failed: ${said === "" ? result.shortMessage : said}`, {
    hint: "--diff takes a folder, a file, or a commit of the repository that the manifests are in",
  });
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
