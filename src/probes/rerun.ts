import { quoteWord } from "../core/shell-word.ts";
import type { CellKey } from "../grade/types.ts";

/**
 * The command that runs one probe again, fit to be pasted into a POSIX shell. `lab` is what the user called it by; with a
 * cell, only what is between these two ends is probed.
 */
export function rerunCommand(lab: string, probe: string, cell?: Pick<CellKey, "from" | "to">): string {
  // = keeps a name that begins with a dash from being read as an option.
  const only = probe.startsWith("-") ? [`--only=${probe}`] : ["--only", probe];
  const argv = ["cnilab", "probe", lab, ...only, ...(cell === undefined ? [] : ["--cell", `${cell.from},${cell.to}`])];
  return argv.map(quoteWord).join(" ");
}
