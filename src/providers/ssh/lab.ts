import { requireUp, stateWhenUp } from "../state-file.ts";
import type { Cluster } from "../types.ts";
import { sshCommand } from "./agents.ts";
import { openMachinesApi } from "./api.ts";
import { connect } from "./connect.ts";
import { giveBack, type GiveBackOptions } from "./down.ts";
import { isOurs, readLease } from "./lease.ts";
import { closeMachines, openMachines, targetOf } from "./machines.ts";
import { readSshState } from "./state.ts";
import type { SshHandle } from "./up.ts";
import { endVms, endedVmNodes } from "./vm/end.ts";

/** Whether a machine that answers still bears the lease of a lab that was fully up. Rejects with SSH_… where none answers. */
export async function isUp(stateDirectory: string): Promise<boolean> {
  const state = stateWhenUp(readSshState(stateDirectory));
  if (state === undefined) return false;
  const ended = endedVmNodes(stateDirectory);
  const machines = state.machines.filter(({ node }) => !ended.has(node));
  if (machines.length === 0) return false;
  let failure: unknown;
  for (const machine of machines) {
    try {
      const remotes = await openMachines([machine]);
      try {
        const [remote] = remotes.values();
        if (remote !== undefined) return isOurs(await readLease({ name: machine.node, remote }), state.owner);
      } finally {
        await closeMachines(remotes);
      }
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/** A client for a lab that is up; rejects with LAB_NOT_RUNNING, SSH_… */
export async function attach(handle: unknown, stateDirectory: string): Promise<Cluster> {
  const state = requireUp(readSshState(stateDirectory));
  const { plan } = handle as SshHandle;
  const remotes = await openMachines(state.machines);
  try {
    const api = await openMachinesApi(plan, remotes, stateDirectory);
    return (await connect({ api, plan, remotes, stateDirectory })).cluster;
  } catch (error) {
    await closeMachines(remotes);
    throw error;
  }
}

/** A command that looks into the first machine of a lab whose making failed; undefined where it has none. */
export function failedLab(stateDirectory: string): string | undefined {
  const [first] = readSshState(stateDirectory)?.machines ?? [];
  return first === undefined ? undefined : sshCommand(targetOf(first));
}

/** Gives the machines back, then removes the lab's files. Idempotent. */
export async function down(stateDirectory: string, tell?: GiveBackOptions["tell"]): Promise<void> {
  const state = readSshState(stateDirectory);
  if (state !== undefined) await giveBack(state, stateDirectory, { tell });
  // A run that was ended while it made virtual machines has no other state.
  await endVms(stateDirectory);
}
