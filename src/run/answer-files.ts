import { readdirSync, readFileSync, statSync, watch, type FSWatcher } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { LabError } from "../core/errors.ts";

/** Manifest files of somebody who edits them. */
export interface AnswerFiles {
  /** Those that are there now, in the order of their names where a folder was given. */
  paths(): string[];
  /**
   * Those whose text is another than when it was last asked for. Not among them: files that are gone, and files without a byte, which are
   * what is left of one that is about to be written.
   */
  changed(): string[];
  close(): void;
}

/**
 * Follows manifest files, or all *.yaml, *.yml and *.json of a folder: `onChange` is called whenever the kernel tells of a change near
 * them (inotify(7)), more often than they change. Folders are watched, not files, since editors replace these. Throws MANIFEST_UNREADABLE.
 */
export function followFiles(given: readonly string[], onChange: () => void): AnswerFiles {
  const texts = new Map<string, string>();
  const folders = new Map<string, Set<string> | undefined>();
  for (const path of given) {
    const isFolder = unlessUnreadable(path, () => statSync(path).isDirectory());
    const folder = isFolder ? path : dirname(path);
    const names = folders.get(resolve(folder)) ?? new Set<string>();
    if (isFolder) folders.set(resolve(folder), undefined);
    else if (!folders.has(resolve(folder)) || folders.get(resolve(folder)) !== undefined)
      folders.set(resolve(folder), names.add(basename(path)));
  }
  const watchers: FSWatcher[] = [];
  for (const [folder, names] of folders) {
    const watcher = unlessUnreadable(folder, () => watch(folder));
    watcher.on("change", (_event, name) => {
      if (names === undefined || name === null || names.has(String(name))) onChange();
    });
    // The folder itself is gone: what was in it stays as it was last seen.
    watcher.on("error", onChange);
    watchers.push(watcher);
  }
  const paths = (): string[] =>
    given.flatMap((path) => {
      const names = readFolder(path);
      return names === undefined ? [path] : names.map((name) => join(path, name));
    });
  return {
    paths,
    changed: () =>
      paths().filter((path) => {
        const text = readText(path);
        if (text === undefined || text === "" || texts.get(path) === text) return false;
        texts.set(path, text);
        return true;
      }),
    close: () => {
      for (const watcher of watchers) watcher.close();
    },
  };
}

function unlessUnreadable<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    throw new LabError("MANIFEST_UNREADABLE", `cannot follow ${path}: ${(cause as Error).message}`, { cause });
  }
}

/** Names of the manifests in a folder; undefined where it is none. */
function readFolder(path: string): string[] | undefined {
  try {
    return readdirSync(path)
      .filter((name) => /^[^.].*\.(ya?ml|json)$/.test(name))
      .toSorted();
  } catch {
    // A file, or gone: whoever reads it says so.
    return undefined;
  }
}

/** Undefined while the file is not there: editors move it away and write it anew. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    // Whoever reads it as a manifest says what is wrong.
    return `unreadable: ${(error as Error).message}`;
  }
}
