import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { asError } from "../../core/as-error.ts";
import { LabError, LabProblems, type LabWarning } from "../../core/errors.ts";
import type { Remote } from "../../exec/ssh/types.ts";
import { hostAnsible } from "./ansible/host-ansible.ts";
import { playbook } from "./ansible/playbook.ts";
import { endExternal } from "./external.ts";
import { footprint } from "./footprint/facts.ts";
import { checkGivenBack } from "./footprint/footprint.ts";
import { resetInventory, settingsOf } from "./inventory.ts";
import { isOurs, readLease, releaseLeases } from "./lease.ts";
import { closeMachines, openMachines, sudoPasswords } from "./machines.ts";
import type { Machine } from "./machine-script.ts";
import { FOOTPRINTS_FOLDER, removeSshFiles, writeSshState, type SshState } from "./state.ts";
import { endVms, vmNodes } from "./vm/end.ts";

type TakenMachine = SshState["machines"][number];

/** A cluster is no more: what it was made with does not matter. */
const NOTHING_PLANNED = {
  cni: { name: "", mode: "", podCidrs: [], mtu: 0, enforcesPolicy: false, options: {} },
  cluster: { serviceCidrs: [], dnsAddress: "", dnsDomain: "cluster.local" },
};

const keptFootprint = z.object({ home: z.string(), footprint });

export interface GiveBackOptions {
  progress?: (message: string) => void;
  tell?: ((note: LabWarning) => void) | undefined;
}

/**
 * Gives the lab's machines back as they were and proves it. A machine that cannot be reached, or is not as it was, stays in the
 * state's file with its lease; the error names each, and the next call goes on with them. Machines whose lease is another's are left
 * alone. `tell` hears of machines from which `--force` took something away before the lab.
 */
export async function giveBack(
  state: SshState,
  stateDirectory: string,
  { progress = () => undefined, tell }: GiveBackOptions = {},
): Promise<void> {
  const vms = vmNodes(stateDirectory);
  // What was made for the lab ends with it, whatever is on it.
  const machines = state.machines.filter(({ node }) => !vms.has(node));
  const problems: LabError[] = [];
  const left: TakenMachine[] = [];
  const keep = (machine: TakenMachine, error: unknown): void => {
    left.push(machine);
    const cause = asError(error);
    problems.push(
      cause instanceof LabError
        ? cause
        : new LabError("MACHINE_UNCLEAN", `${machine.node}: ${cause.message}`, { cause }),
    );
  };
  const remotes = new Map<string, Remote>();
  await Promise.all(
    machines.map(async (machine) => {
      try {
        for (const [node, remote] of await openMachines([machine])) remotes.set(node, remote);
      } catch (error) {
        keep(machine, error);
      }
    }),
  );
  try {
    const ours = await heldOnes({ ...state, machines }, remotes, keep);
    if (ours.length > 0) await resetAll(ours, { state, remotes, stateDirectory, progress, tell, keep });
  } finally {
    await closeMachines(remotes);
  }
  if (left.length === 0) {
    removeSshFiles(stateDirectory);
    await endVms(stateDirectory);
    return;
  }
  await writeSshState(stateDirectory, { ...state, stage: "making", machines: left });
  await endVms(stateDirectory);
  throw new LabProblems(problems);
}

type Keep = (machine: TakenMachine, error: unknown) => void;

/** Machines that bear our lease: others were never taken, or were taken over since. */
async function heldOnes(
  { machines, owner }: SshState,
  remotes: ReadonlyMap<string, Remote>,
  keep: Keep,
): Promise<TakenMachine[]> {
  const looks = await Promise.all(
    machines.map(async (machine) => {
      const remote = remotes.get(machine.node);
      if (remote === undefined) return undefined;
      try {
        return isOurs(await readLease({ name: machine.node, remote }), owner) ? machine : undefined;
      } catch (error) {
        keep(machine, error);
        return undefined;
      }
    }),
  );
  return looks.filter((machine) => machine !== undefined);
}

async function resetAll(
  machines: readonly TakenMachine[],
  {
    state,
    remotes,
    stateDirectory,
    progress,
    tell,
    keep,
  }: {
    state: SshState;
    remotes: ReadonlyMap<string, Remote>;
    stateDirectory: string;
    progress: (message: string) => void;
    tell: GiveBackOptions["tell"];
    keep: Keep;
  },
): Promise<void> {
  let failure: unknown;
  // Without the one outside the cluster, which was not made a node.
  const joined = resetInventory(machines);
  try {
    const signal = new AbortController().signal;
    if (joined.length > 0) {
      await playbook({
        playbook: "reset",
        lab: state.lab,
        machines: joined,
        settings: settingsOf(NOTHING_PLANNED, undefined),
        program: await hostAnsible(signal),
        sudoPasswords: await sudoPasswords(remotes),
        stateDirectory,
        signal,
        progress,
      });
    }
  } catch (error) {
    // What each machine is like now decides; one that failed must not keep the others.
    failure = error;
  }
  await Promise.all(
    machines.map(async (machine) => {
      const remote = remotes.get(machine.node);
      if (remote === undefined) return;
      const own: Machine = { name: machine.node, remote };
      try {
        if (machine.role === "external") await endExternal(own);
        await checkAgainstFootprint(own, stateDirectory);
        await releaseLeases([own], state.owner);
        const { [machine.node]: gone = [] } = state.takenAway ?? {};
        if (gone.length > 0) tell?.(afterForce(machine.node, gone));
        progress(`${machine.node} is as it was${gone.length > 0 ? " after --force" : ""}`);
      } catch (error) {
        keep(machine, machine.role === "external" ? error : (failure ?? error));
      }
    }),
  );
}

function afterForce(node: string, gone: readonly string[]): LabWarning {
  return {
    code: "MACHINE_FORCED",
    message: `${node} is given back as it was after up --force had taken away:${gone.map((line) => `\n  ${line}`).join("")}`,
  };
}

/** Where a run was ended before it was taken, nothing was changed either. */
async function checkAgainstFootprint(machine: Machine, stateDirectory: string): Promise<void> {
  const file = join(stateDirectory, FOOTPRINTS_FOLDER, `${machine.name}.json`);
  if (!existsSync(file)) return;
  const { home, footprint: before } = keptFootprint.parse(JSON.parse(readFileSync(file, "utf8")));
  await checkGivenBack(machine, before, { home });
}
