import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { isLabName } from "./state-directory.ts";
import { installed } from "../core/installation.ts";

/** Labs that come with cnilab; the same place in a clone and in the installed package. */
const folder = installed("labs/");

/** Names of the labs that come with cnilab, sorted. */
export function listBundledLabs(): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => bundledLabFile(name) !== undefined)
    .toSorted();
}

/** The file of a bundled lab; undefined where there is none of that name. */
export function bundledLabFile(name: string): string | undefined {
  const file = join(folder, name, "lab.yaml");
  return isLabName(name) && existsSync(file) ? file : undefined;
}
