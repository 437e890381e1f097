import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { LabError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import { readRecord } from "./record.ts";
import { isLabName, labDirectory, listLabNames } from "./state-directory.ts";

/** Labs that come with cnilab; the same place in a clone and in the installed package. */
const bundledLabs = fileURLToPath(new URL("../../labs/", import.meta.url));

/** Names of the labs that come with cnilab, sorted. */
export function listBundledLabs(): string[] {
  if (!existsSync(bundledLabs)) return [];
  return readdirSync(bundledLabs)
    .filter((name) => existsSync(join(bundledLabs, name, "lab.yaml")))
    .toSorted();
}

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
  const bundled = isLabName(argument) ? join(bundledLabs, argument, "lab.yaml") : undefined;
  if (bundled !== undefined && existsSync(bundled)) return bundled;
  const message = existsSync(path) ? `${argument} has no lab.yaml` : `there is no lab ${JSON.stringify(argument)}`;
  throw new LabError("LAB_NOT_FOUND", message, {
    hint: `a lab file, its folder, or the name of a bundled lab; ${didYouMean(argument, listBundledLabs())}`,
  });
}

/**
 * The name of a lab that has run state, from its name or from its file or folder, which need not be valid, nor exist as
 * long as the name does. Throws LAB_NOT_RUNNING or LAB_NOT_FOUND.
 */
export function findKnownLab(root: string, argument: string): string {
  const known = listLabNames(root);
  if (isLabName(argument) && known.includes(argument)) return argument;
  const file = fileOrUndefined(argument);
  const name = file === undefined ? undefined : (nameByFile(root, known, file) ?? nameInFile(file));
  if (name !== undefined && isLabName(name) && existsSync(labDirectory(root, name))) return name;
  const running = known.length === 0 ? "none is" : didYouMean(argument, known);
  throw new LabError("LAB_NOT_RUNNING", `lab ${JSON.stringify(name ?? argument)} is not running`, {
    hint: `cnilab up ${argument} starts it; running: ${running}`,
  });
}

function fileOrUndefined(argument: string): string | undefined {
  try {
    return findLabFile(argument);
  } catch (error) {
    if (error instanceof LabError && error.code === "LAB_NOT_FOUND") return undefined;
    throw error;
  }
}

function nameByFile(root: string, known: string[], file: string): string | undefined {
  return known.find((name) => {
    const finding = readRecord(root, name);
    return finding.kind === "found" && resolve(finding.record.plan.lab.file) === file;
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
