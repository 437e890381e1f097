import { LabError } from "../../../core/errors.ts";
import { makeVisible } from "../../../core/visible-text.ts";
import type { PlaybookEvent } from "./events.ts";

type Result = Extract<PlaybookEvent, { kind: "result" }>;

const MAX_LINES = 14;

/**
 * ANSIBLE_UNREACHABLE or ANSIBLE_FAILED for a playbook that did not succeed: which machine, which task, what it said. `lines` are all
 * that ansible-playbook wrote that was no event; they tell where no task failed.
 */
export function playbookError(
  playbook: string,
  results: readonly Result[],
  lines: readonly string[],
  paste: string,
): LabError {
  const unreachable = results.filter(({ outcome }) => outcome === "unreachable");
  const failed = results.filter(({ outcome }) => outcome === "failed");
  const rerun = `by hand: ${paste}`;
  if (failed.length === 0 && unreachable.length > 0) {
    const hosts = unreachable.map(({ host, message }) => `${host}: ${shorten(message)}`);
    return new LabError("ANSIBLE_UNREACHABLE", `Ansible does not reach ${hosts.join("\n")}`, { hint: rerun });
  }
  if (failed.length === 0) {
    return new LabError("ANSIBLE_FAILED", `${playbook} could not be run:\n${shorten(lines.join("\n"))}`, {
      hint: rerun,
    });
  }
  const told = [...failed, ...unreachable].map(({ host, task, message }) => `${host}, ${task}: ${shorten(message)}`);
  return new LabError("ANSIBLE_FAILED", told.join("\n"), { hint: rerun });
}

/** The last lines, as they can be shown: a machine decides what is in them. */
function shorten(text: string): string {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return makeVisible(lines.slice(-MAX_LINES).join("\n"));
}
