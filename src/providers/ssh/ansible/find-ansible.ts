import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { LabError } from "../../../core/errors.ts";
import { installed } from "../../../core/installation.ts";
import { findProgram } from "../../../exec/find-program.ts";
import { runLocal } from "../../../exec/local.ts";
import type { Finding } from "../../types.ts";

/** Debian 12 has it; the oldest that the playbooks were tried with. */
const OLDEST_CORE = [2, 14] as const;

/** The first ansible.posix with the jsonl callback. */
const OLDEST_POSIX = "1.5.2";

export const INSTALL_ANSIBLE = "pipx install --include-deps ansible (or apt-get install ansible; dnf install ansible)";

/** Where playbooks, roles and modules are. */
export function playbooks(): string {
  return installed("ansible");
}

/** The Python environment that scripts/ansible-venv.ts makes in a cache folder; each set of pinned versions has its own. */
export function venvFolder(cache: string): string {
  const pinned = ["requirements.txt", "requirements-collections.txt"].map((name) =>
    readFileSync(join(playbooks(), name), "utf8"),
  );
  return join(cache, `ansible-${createHash("sha256").update(pinned.join("")).digest("hex").slice(0, 12)}`);
}

/**
 * The ansible-playbook to use: the one on `path` where it is new enough and has what is needed, else that of {@link venvFolder}.
 * Throws ANSIBLE_MISSING, ANSIBLE_TOO_OLD.
 */
export async function findAnsible({
  path,
  cache,
  signal,
}: {
  path: string | undefined;
  /** cnilab's cache folder. */
  cache: string;
  signal: AbortSignal;
}): Promise<string> {
  let complaint: LabError | undefined;
  for (const folders of [path, join(venvFolder(cache), "bin")]) {
    const program = await findProgram("ansible-playbook", folders);
    if (program === undefined) continue;
    const found = await complaintOf(program, signal);
    if (found === undefined) return program;
    complaint ??= found;
  }
  throw complaint ?? new LabError("ANSIBLE_MISSING", "there is no ansible-playbook on PATH", { hint: INSTALL_ANSIBLE });
}

/** What {@link findAnsible} finds, for doctor and the start of `up`. */
export async function ansibleFinding(looking: Promise<string>): Promise<Finding> {
  try {
    return { code: "HOST_ANSIBLE", ok: true, message: `Ansible: ${await looking}` };
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    return { code: error.code, ok: false, message: error.message, remedy: error.hint ?? INSTALL_ANSIBLE };
  }
}

/** Why this one does not do; undefined where it does. */
async function complaintOf(program: string, signal: AbortSignal): Promise<LabError | undefined> {
  const folder = dirname(program);
  const env = { ...cleanedAnsible(process.env), LC_ALL: "C.UTF-8" };
  const [version, callback] = await Promise.all([
    runLocal(program, ["--version"], { env, signal }),
    runLocal(join(folder, "ansible-doc"), ["--type", "callback", "--json", "ansible.posix.jsonl"], { env, signal }),
  ]);
  const [, major, minor, rest] = /\[core (\d+)\.(\d+)(\S*)\]/.exec(version.lines.join("\n")) ?? [];
  if (major === undefined || minor === undefined) {
    const [line = version.notStarted ?? "no output"] = version.lines;
    return new LabError("ANSIBLE_MISSING", `${program} does not tell its version: ${line}`, { hint: INSTALL_ANSIBLE });
  }
  const isOld = Number(major) < OLDEST_CORE[0] || (Number(major) === OLDEST_CORE[0] && Number(minor) < OLDEST_CORE[1]);
  if (isOld) {
    const message = `${program} is ansible-core ${major}.${minor}${rest ?? ""}; ${OLDEST_CORE.join(".")} or newer is needed`;
    return new LabError("ANSIBLE_TOO_OLD", message, { hint: INSTALL_ANSIBLE });
  }
  if (callback.exitCode !== 0 || !callback.lines.join("").includes("jsonl")) {
    const message = `${program} has no callback ansible.posix.jsonl, which tells how a playbook gets on`;
    const hint = `ansible-galaxy collection install 'ansible.posix:>=${OLDEST_POSIX}', or the whole of Ansible: ${INSTALL_ANSIBLE}`;
    return new LabError("ANSIBLE_TOO_OLD", message, { hint });
  }
  return undefined;
}

/** Takes the user's own settings of Ansible out of an environment; they would change what a playbook does. */
export function cleanedAnsible(env: Readonly<Record<string, string | undefined>>): Record<string, undefined> {
  const names = Object.keys(env).filter((name) => name.startsWith("ANSIBLE_"));
  return Object.fromEntries(names.map((name) => [name, undefined]));
}
