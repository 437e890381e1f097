import { existsSync } from "node:fs";
import type { LabWarning } from "../core/errors.ts";
import { providers } from "../providers/registry.ts";
import type { Provider } from "../providers/types.ts";
import type { RecordFinding } from "./record.ts";
import { labDirectory, removeLabDirectory } from "./state-directory.ts";

/** Providers that may hold the lab: the record's, or all when the record does not say. */
export function candidateProviders(finding: RecordFinding): { provider: Provider; handle: unknown }[] {
  const all = Object.entries<Provider>(providers);
  const handle = finding.kind === "found" ? finding.record.handle : undefined;
  const named = finding.kind === "found" ? all.filter(([name]) => name === finding.record.provider) : [];
  return (named.length > 0 ? named : all).map(([, provider]) => ({ provider, handle }));
}

/** Whether any provider says that the lab is there; the record alone is never believed. */
export async function isLabUp(root: string, name: string, finding: RecordFinding): Promise<boolean> {
  const directory = labDirectory(root, name);
  if (!existsSync(directory)) return false;
  for (const { provider, handle } of candidateProviders(finding)) {
    if (await provider.isUp(handle, directory)) return true;
  }
  return false;
}

/**
 * Removes the lab and its folder, from whatever of its record can be read. With `onlyIfDead` a lab that is up is left
 * alone. Safe to call when there is nothing. The caller holds the lab's lock.
 */
export async function removeLeftovers(
  root: string,
  name: string,
  finding: RecordFinding,
  { onlyIfDead, tell }: { onlyIfDead: boolean; tell?: (note: LabWarning) => void },
): Promise<"alive" | "removed" | "nothing"> {
  const directory = labDirectory(root, name);
  if (!existsSync(directory)) return "nothing";
  if (onlyIfDead && (await isLabUp(root, name, finding))) return "alive";
  for (const { provider, handle } of candidateProviders(finding)) await provider.down(handle, directory, tell);
  removeLabDirectory(root, name);
  return "removed";
}
