import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { LabError } from "../../../core/errors.ts";
import { runLocal } from "../../../exec/local.ts";
import type { ClusterSettings, InventoryMachine } from "../types.ts";
import { endTree } from "./end-tree.ts";
import { type HostStats, type PlaybookEvent, readEvents } from "./events.ts";
import { playbookError } from "./failure.ts";
import { cleanedAnsible, INSTALL_ANSIBLE, playbooks } from "./find-ansible.ts";
import { inventoryText, passwordVariables } from "./inventory.ts";
import { type SecretPipe, secretPipe } from "./secret-pipe.ts";

/** What a playbook is run with. */
export interface PlaybookRun {
  /**
   * "site" makes a cluster without a CNI of the machines, "reset" gives them back; both may be run again. "force" lets a cluster that
   * is there count as the lab's, for "reset".
   */
  playbook: "site" | "reset" | "force";
  lab: string;
  machines: readonly InventoryMachine[];
  settings: ClusterSettings;
  /** From {@link findAnsible}. */
  program: string;
  /** The lab's folder; the inventory stays in it, as inventory.yaml. */
  stateDirectory: string;
  /** By node, for machines whose sudo asks for one. */
  sudoPasswords?: Readonly<Record<string, string>>;
  /** Further variables of the environment, such as SSH_AUTH_SOCK. */
  env?: Readonly<Record<string, string | undefined>>;
  /** An abort ends Ansible with all that it started here; what a machine does goes on until its module ends. */
  signal: AbortSignal;
  /** One line for each task. */
  progress: (message: string) => void;
}

/** Counts by node: a second run has changed nothing. */
export type PlaybookResult = Readonly<Record<string, HostStats>>;

/**
 * Runs ansible/site.yaml or reset.yaml. Rejects with ANSIBLE_FAILED or ANSIBLE_UNREACHABLE, ANSIBLE_BAD_VALUE, and the signal's reason;
 * after each, "reset" gives the machines back.
 */
export async function playbook(run: PlaybookRun): Promise<PlaybookResult> {
  const { lab, machines, settings, sudoPasswords = {}, signal, progress } = run;
  const inventory = join(run.stateDirectory, "inventory.yaml");
  const withPassword = Object.keys(sudoPasswords);
  writeFileSync(inventory, inventoryText({ lab, machines, settings, withPassword }), { mode: 0o600 });
  const scratch = scratchFolder(run.stateDirectory);
  const results: Extract<PlaybookEvent, { kind: "result" }>[] = [];
  const texts: string[] = [];
  let stats: PlaybookResult | undefined;
  const onLine = (line: string): void => {
    const events = readEvents(line);
    if (events.length === 0) texts.push(line);
    for (const event of events) {
      if (event.kind === "task") progress(event.name);
      else if (event.kind === "stats") stats = event.hosts;
      else results.push(event);
    }
  };
  const file = join(playbooks(), `${run.playbook}.yaml`);
  // Not on the command line, which everyone sees, nor in the environment, which every ssh of Ansible's has as well.
  const secret = join(scratch, "secret");
  const variables = withPassword.length === 0 ? [] : ["--extra-vars", `@${secret}`];
  let pipe: SecretPipe | undefined;
  let leader: number | undefined;
  const end = (): void => {
    if (leader !== undefined) endTree(leader);
  };
  // Before runLocal's own: once the leader is gone nobody knows whose its workers were.
  signal.addEventListener("abort", end, { once: true });
  try {
    if (withPassword.length > 0) pipe = await secretPipe(secret, passwordVariables(sudoPasswords));
    const { exitCode, notStarted } = await runLocal(run.program, ["--inventory", inventory, ...variables, file], {
      env: environment(run, scratch),
      signal,
      onLine,
      onStart: (pid) => (leader = pid),
    });
    if (notStarted !== undefined) {
      throw new LabError("ANSIBLE_MISSING", `${run.program}: ${notStarted}`, { hint: INSTALL_ANSIBLE });
    }
    if (exitCode === 0 && stats !== undefined) return stats;
    const paste = `ANSIBLE_CONFIG=${join(playbooks(), "ansible.cfg")} ansible-playbook -i ${inventory} ${file}`;
    throw playbookError(`${run.playbook}.yaml`, results, texts, paste);
  } finally {
    signal.removeEventListener("abort", end);
    await pipe?.end();
    await closeMasters(scratch);
    rmSync(scratch, { recursive: true, force: true });
  }
}

/**
 * A folder for this run, outside the state folder: a path of a socket has room for 107 bytes (unix(7)). That of the lab's run
 * before, if it was killed, goes.
 */
function scratchFolder(stateDirectory: string): string {
  const prefix = join(tmpdir(), "cnilab-ansible-");
  const note = join(stateDirectory, "ansible-scratch");
  const earlier = existsSync(note) ? readFileSync(note, "utf8") : "";
  if (earlier.startsWith(prefix)) rmSync(earlier, { recursive: true, force: true });
  const scratch = mkdtempSync(prefix);
  writeFileSync(note, scratch, { mode: 0o600 });
  return scratch;
}

/** Nothing of the user's own Ansible. */
function environment(run: PlaybookRun, scratch: string): Record<string, string | undefined> {
  const { env = {} } = run;
  return {
    ...cleanedAnsible(process.env),
    ...env,
    ANSIBLE_CONFIG: join(playbooks(), "ansible.cfg"),
    ANSIBLE_STDOUT_CALLBACK: "ansible.posix.jsonl",
    ANSIBLE_SSH_CONTROL_PATH_DIR: scratch,
    ANSIBLE_LOCAL_TEMP: join(scratch, "tmp"),
    ANSIBLE_NOCOLOR: "1",
    // Ansible starts in no other encoding.
    LC_ALL: "C.UTF-8",
    // Found by the interpreter of Ansible's own environment, whatever the shell has active.
    PATH: `${dirname(run.program)}:${env["PATH"] ?? process.env["PATH"] ?? ""}`,
  };
}

/** Connections that ssh keeps open for half a minute have left Ansible's process group. */
async function closeMasters(folder: string): Promise<void> {
  const sockets = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isSocket());
  await Promise.all(
    sockets.map(({ name }) =>
      runLocal("ssh", ["-F", "none", "-o", `ControlPath=${join(folder, name)}`, "-O", "exit", "machine"]),
    ),
  );
}
