import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { parse } from "yaml";
import { LabError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import { quoteWord } from "../core/shell-word.ts";
import { bundledLabFile, listBundledLabs } from "./bundled-labs.ts";
import { readRecord } from "./record.ts";
import { isLabName, labDirectory, listLabNames } from "./state-directory.ts";

/**
 * The lab file that an argument means: a file, a folder with a lab.yaml, or the name of a bundled lab, in this order.
 * Throws LAB_NOT_FOUND.
 */
export function findLabFile(argument: string): string {
  const path = resolve(argument);
  if (existsSync(path)) {
    if (!statSync(path).isDirectory()) return path;
    const file = join(path, "lab.yaml");
    if (existsSync(file)) return file;
  }
  const bundled = bundledLabFile(argument);
  if (bundled !== undefined) return bundled;
  const message = existsSync(path) ? `${argument} has no lab.yaml` : `there is no lab ${JSON.stringify(argument)}`;
  throw new LabError("LAB_NOT_FOUND", message, {
    hint: `a lab file, its folder, or the name of a bundled lab; ${didYouMean(argument, listBundledLabs())}`,
  });
}

/**
 * The name of a lab that has run state, from its name or from its file or folder, which need not be valid, nor exist as
 * long as the name does. Throws LAB_NOT_RUNNING, LAB_NOT_FOUND, or LAB_NAME_TAKEN when the lab of that name was made
 * from another file that is still there.
 */
export function findKnownLab(root: string, argument: string): string {
  const known = listLabNames(root);
  if (isLabName(argument) && known.includes(argument)) return argument;
  const file = fileOrUndefined(argument);
  const byFile = file === undefined ? undefined : nameByFile(root, known, file);
  if (byFile !== undefined) return byFile;
  const name = file === undefined ? undefined : nameInFile(file);
  if (file !== undefined && name !== undefined && isLabName(name) && existsSync(labDirectory(root, name))) {
    refuseNamesake(root, name, file);
    return name;
  }
  const running = known.length === 0 ? "none is" : didYouMean(argument, known);
  throw new LabError("LAB_NOT_RUNNING", `lab ${JSON.stringify(name ?? argument)} is not running`, {
    hint: `cnilab up ${quoteWord(argument)} starts it; running: ${running}`,
  });
}

/**
 * The name of the lab to remove: as {@link findKnownLab}, but a name that nothing is known of is taken as it is, because
 * removing what is not there is no error. Throws LAB_NAME_INVALID for what cannot be a name.
 */
export function labToRemove(root: string, argument: string): string {
  try {
    return findKnownLab(root, argument);
  } catch (error) {
    if (!(error instanceof LabError) || error.code !== "LAB_NOT_RUNNING") throw error;
    const file = fileOrUndefined(argument);
    const name = (file === undefined ? undefined : nameInFile(file)) ?? argument;
    // Checks the name.
    labDirectory(root, name);
    return name;
  }
}

function fileOrUndefined(argument: string): string | undefined {
  try {
    return findLabFile(argument);
  } catch (error) {
    if (error instanceof LabError && error.code === "LAB_NOT_FOUND") return undefined;
    throw error;
  }
}

/** Two labs may have one name, but only one of them is there; a lab whose folder was moved is still the same. */
function refuseNamesake(root: string, name: string, file: string): void {
  const finding = readRecord(root, name);
  if (finding.kind !== "found") return;
  const { lab } = finding.record.plan;
  const madeFrom = join(lab.directory, basename(lab.file));
  if (!existsSync(madeFrom)) return;
  throw new LabError("LAB_NAME_TAKEN", `the lab ${name} that is there was made from ${madeFrom}, not from ${file}`, {
    hint: `to mean that one all the same, say its name: ${name}; two labs at once need two names`,
  });
}

function nameByFile(root: string, known: string[], file: string): string | undefined {
  const realFile = join(realpathSync(dirname(file)), basename(file));
  return known.find((name) => {
    const finding = readRecord(root, name);
    if (finding.kind !== "found") return false;
    const { lab } = finding.record.plan;
    // The file is as it was named then, maybe from another folder.
    return join(lab.directory, basename(lab.file)) === realFile;
  });
}

function nameInFile(file: string): string | undefined {
  try {
    const name = (parse(readFileSync(file, "utf8")) as { metadata?: { name?: unknown } } | null)?.metadata?.name;
    return typeof name === "string" ? name : undefined;
  } catch {
    // A lab that cannot be read has no name; the caller says that it is not running.
    return undefined;
  }
}
