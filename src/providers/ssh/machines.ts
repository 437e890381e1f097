import { askOnTerminal } from "../../exec/ssh/answers.ts";
import { openRemotes } from "../../exec/ssh/remote.ts";
import type { Remote, SshTarget } from "../../exec/ssh/types.ts";
import type { Plan, PlannedMachine } from "../../plan/types.ts";

/** What the host outside the cluster is called among machines: no node has this name. */
export const EXTERNAL = "external";

/** Connections by node. */
export type Remotes = ReadonlyMap<string, Remote>;

/** All that a plan takes: its nodes', then the one outside the cluster. */
export function machinesOf({ machines = [], external }: Pick<Plan, "machines" | "external">): PlannedMachine[] {
  return external === undefined ? machines : [...machines, external];
}

/** A machine as ssh reaches it; messages call it by its node, and by its own name where that is another. */
export function targetOf({ node, name, host, ...machine }: PlannedMachine): SshTarget {
  const { port, user, identityFile, jump, configFile, knownHostsFile } = machine;
  return {
    name: node === name ? node : `${node} (${name})`,
    host,
    ...(port === undefined ? {} : { port }),
    ...(user === undefined ? {} : { user }),
    ...(identityFile === undefined ? {} : { identityFile }),
    ...(jump === undefined ? {} : { jump }),
    ...(configFile === undefined ? {} : { configFile }),
    ...(knownHostsFile === undefined ? {} : { knownHostsFile }),
  };
}

/** Opens a connection to each, all at once; where one fails none stays open. Rejects with SSH_… */
export async function openMachines(machines: readonly PlannedMachine[], signal?: AbortSignal): Promise<Remotes> {
  const ask = askOnTerminal();
  const remotes = await openRemotes(machines.map(targetOf), {
    ...(signal === undefined ? {} : { signal }),
    ...(ask === undefined ? {} : { ask }),
  });
  return new Map(machines.map(({ node }, index) => [node, remotes[index] as Remote]));
}

/** By node, for machines whose sudo wants one; the user is asked where it is not known yet. */
export async function sudoPasswords(remotes: Remotes): Promise<Record<string, string>> {
  const found = await Promise.all(
    [...remotes].map(async ([node, remote]) => [node, await remote.sudoPassword()] as const),
  );
  return Object.fromEntries(found.flatMap(([node, password]) => (password === undefined ? [] : [[node, password]])));
}

export async function closeMachines(remotes: Remotes): Promise<void> {
  await Promise.all([...remotes.values()].map((remote) => remote.close()));
}
