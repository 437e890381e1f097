import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LabError, LabProblems, type LabWarning } from "../../core/errors.ts";
import type { Remote } from "../../exec/ssh/types.ts";
import type { Plan } from "../../plan/types.ts";
import { installCni } from "../real/install-cni.ts";
import { patchLabels } from "../real/node-labels.ts";
import { untilReady } from "../real/ready.ts";
import type { UpContext, UpResult } from "../types.ts";
import { hostAnsible } from "./ansible/host-ansible.ts";
import { playbook } from "./ansible/playbook.ts";
import { fetchKubeconfig, openMachinesApi } from "./api.ts";
import { connect } from "./connect.ts";
import { deathOf } from "./dead-lease.ts";
import { giveBack, type GiveBackOptions } from "./down.ts";
import { endExternal } from "./external.ts";
import { leaveFootprint, takeFootprint } from "./footprint/footprint.ts";
import { acquireLeases, newLeaseOwner, renewLeases, type LeaseState } from "./lease.ts";
import { inventoryOf, settingsOf } from "./inventory.ts";
import { closeMachines, EXTERNAL, machinesOf, openMachines, sudoPasswords, type Remotes } from "./machines.ts";
import type { Machine } from "./machine-script.ts";
import { planOnMachines, readNetwork, type MachineNetwork } from "./networks.ts";
import { preflightNeeds } from "./preflight/needs.ts";
import { preflightMachines } from "./preflight/preflight.ts";
import { KUBERNETES_VERSION, takeFromBundle } from "./software.ts";
import { takeAway } from "./take-away.ts";
import { endVms } from "./vm/end.ts";
import { withVms } from "./vm/with-vms.ts";
import { FOOTPRINTS_FOLDER, SOFTWARE_FOLDER, readSshState, writeSshState, type SshState } from "./state.ts";

/** What attach needs later. */
export interface SshHandle {
  /** As found on the machines. */
  plan: Plan;
}

/** A machine with all that its connection can do. */
interface OpenMachine extends Machine {
  remote: Remote;
}

interface Making {
  plan: Plan;
  context: UpContext;
  state: SshState;
  remotes: Remotes;
  progress: (message: string) => void;
}

/**
 * Makes a cluster of machines that are there. They are measured before anything is changed, and taken by a lease. On rejection or
 * abort they are given back as they were, unless `keepFailed` asks to leave what was made.
 */
export async function up(wish: Plan, context: UpContext): Promise<UpResult> {
  const { stateDirectory, signal, emit } = context;
  const progress = (message: string): void => emit({ type: "progress", phase: "provision", message });
  const tell = (warning: LabWarning): void => emit({ type: "warning", warning });
  const earlier = readSshState(stateDirectory);
  if (earlier !== undefined) {
    progress("give back machines that an earlier run of this lab left");
    await giveBack(earlier, stateDirectory, { progress, tell });
  }
  await endVms(stateDirectory);
  const plan = await withVms(withExternal(wish, context), { stateDirectory, signal, progress });
  const machines = machinesOf(plan);
  const state: SshState = {
    lab: plan.lab.name,
    owner: newLeaseOwner(plan.lab.name, stateDirectory),
    stage: "making",
    machines: machines.map((machine) => ({
      ...machine,
      role: roleOf(plan, machine.node),
    })),
  };
  const remotes = await openMachines(machines, signal).catch(async (error: unknown) => {
    await endVms(stateDirectory);
    throw error;
  });
  try {
    await writeSshState(stateDirectory, state);
    return await make({ plan, context, state, remotes, progress });
  } catch (error) {
    await closeMachines(remotes);
    if (context.keepFailed !== true || signal.aborted) await undo(state, context, { progress, tell });
    throw error;
  }
}

/** Labs that are to follow on this cluster may need the host outside, where the first does not. */
function withExternal(plan: Plan, { laterPlans = [] }: UpContext): Plan {
  const external = [plan, ...laterPlans].find((each) => each.external !== undefined)?.external;
  return external === undefined ? plan : { ...plan, external };
}

function roleOf({ topology }: Plan, node: string): SshState["machines"][number]["role"] {
  return node === EXTERNAL ? "external" : (topology.nodes.find(({ name }) => name === node)?.role ?? "worker");
}

/** It must not hide why the lab failed; the file stays where not all was given back, so that `down` finds it. */
async function undo(
  state: SshState,
  { stateDirectory }: UpContext,
  { progress, tell }: Required<GiveBackOptions>,
): Promise<void> {
  try {
    await giveBack(state, stateDirectory, { progress, tell });
  } catch (failure) {
    const message = `not all machines could be given back yet: ${(failure as Error).message}`;
    const hint = `cnilab down ${state.lab} goes on with it`;
    tell?.({ code: "UNDO_FAILED", message, hint });
  }
}

async function make({ plan: wish, context, state, remotes, progress }: Making): Promise<UpResult> {
  const { stateDirectory, supplies, signal, laterPlans = [] } = context;
  const networks = await readNetworks(state, remotes);
  const plan = planOnMachines(wish, networks);
  const taken = [...remotes].map(([name, remote]): OpenMachine => ({ name, remote }));
  const unfit = { state, remotes, networks, signal };
  await refuseUnfit(plan, context.force === true ? { ...unfit, force: "before" } : unfit);
  progress(`${taken.length} machines are fit for it`);

  const isDead = (lease: LeaseState): boolean => deathOf(lease, state.owner) !== undefined;
  await acquireLeases(taken, state.owner, { phase: "install", signal, ...(context.force === true ? { isDead } : {}) });
  if (context.force === true) {
    await force(taken, { plan, context, state, remotes, progress });
    await refuseUnfit(plan, { ...unfit, force: "after" });
  }
  await keepFootprints(taken, networks, stateDirectory, signal);
  progress("what the machines have is noted, so that they can be given back");
  const software = join(stateDirectory, SOFTWARE_FOLDER);
  if (supplies.hasBundle) await takeFromBundle([plan, ...laterPlans], supplies, software);
  signal.throwIfAborted();
  await playbook({
    playbook: "site",
    lab: state.lab,
    machines: inventoryOf(plan),
    settings: settingsOf(plan, supplies.hasBundle ? software : undefined),
    program: await hostAnsible(signal),
    sudoPasswords: await sudoPasswords(remotes),
    stateDirectory,
    signal,
    progress,
  });
  await fetchKubeconfig(plan, remotes, stateDirectory);
  const api = await openMachinesApi(plan, remotes, stateDirectory);
  try {
    await patchLabels(api, plan.topology.nodes);
    await installCni({ api, plan, supplies, signal, progress });
    const connected = await connect({ api, plan, remotes, stateDirectory });
    try {
      await untilReady({ ...connected, api, plan, signal, progress });
      await connected.cluster.keepSnapshot?.();
      await renewLeases(taken, state.owner, "up", signal);
      const handle: SshHandle = { plan };
      return {
        cluster: connected.cluster,
        handle,
        plan,
        adopt: (next) => planOnMachines(next, networks),
        detach: () => writeSshState(stateDirectory, { ...state, stage: "up" }),
      };
    } catch (error) {
      await connected.agents.close();
      throw error;
    }
  } catch (error) {
    api.close();
    throw error;
  }
}

/** Takes away what is there of others, and keeps in the state what that was: `down` cannot bring it back, and says so. */
async function force(
  machines: readonly OpenMachine[],
  { plan, context: { stateDirectory, signal, emit }, state, remotes, progress }: Making,
): Promise<void> {
  const tell = async (machine: string, goes: string[]): Promise<void> => {
    const message = `${machine}: --force takes away:${goes.map((line) => `\n  ${line}`).join("")}`;
    const hint = `cnilab down ${state.lab} gives the machine back without it`;
    emit({ type: "warning", warning: { code: "MACHINE_FORCED", message, hint } });
    const earlier = state.takenAway?.[machine] ?? [];
    state.takenAway = { ...state.takenAway, [machine]: [...earlier, ...goes] };
    await writeSshState(stateDirectory, state);
  };
  for (const machine of machines.filter(({ name }) => name === EXTERNAL)) {
    // What else is there is in nobody's way.
    if (await endExternal(machine)) await tell(EXTERNAL, ["the web server of a dead lab"]);
  }
  const nodes = machines.filter(({ name }) => name !== EXTERNAL);
  await takeAway(nodes, {
    lab: state.lab,
    machines: inventoryOf(plan),
    settings: settingsOf(plan, undefined),
    program: await hostAnsible(signal),
    sudoPasswords: await sudoPasswords(remotes),
    stateDirectory,
    signal,
    progress,
    tell,
  });
}

async function readNetworks({ machines }: SshState, remotes: Remotes): Promise<Map<string, MachineNetwork>> {
  const found = await Promise.allSettled(
    machines.map(async (machine) => {
      const remote = remotes.get(machine.node);
      if (remote === undefined) throw new LabError("MACHINE_UNKNOWN", `no connection to ${machine.node} was opened`);
      return [machine.node, await readNetwork(machine, remote)] as const;
    }),
  );
  const problems = found.flatMap((each) => (each.status === "rejected" ? [each.reason as unknown] : []));
  const known = problems.filter((problem): problem is LabError => problem instanceof LabError);
  if (known.length < problems.length) throw problems.find((problem) => !(problem instanceof LabError));
  if (known.length > 0) throw new LabProblems(known);
  return new Map(found.flatMap((each) => (each.status === "fulfilled" ? [each.value] : [])));
}

/** Throws LabProblems with all that stands in the way, on all machines. */
async function refuseUnfit(
  plan: Plan,
  {
    state,
    remotes,
    networks,
    signal,
    force,
  }: {
    state: SshState;
    remotes: Remotes;
    networks: ReadonlyMap<string, MachineNetwork>;
    signal: AbortSignal;
    force?: "before" | "after";
  },
): Promise<void> {
  const machines = machinesOf(plan).flatMap(({ node }) => {
    const [remote, network] = [remotes.get(node), networks.get(node)];
    if (remote === undefined || network === undefined) return [];
    return [{ name: node, role: roleOf(plan, node), remote, address: network.address }];
  });
  const needs = preflightNeeds(plan, {
    kubernetes: KUBERNETES_VERSION,
    owner: state.owner,
    ...(force === undefined ? {} : { force, deathOf: (lease) => deathOf(lease, state.owner) }),
  });
  const findings = await preflightMachines(machines, needs, signal);
  const wrong = findings.filter(({ ok }) => !ok);
  if (wrong.length === 0) return;
  throw new LabProblems(
    wrong.map(({ code, message, remedy }) => new LabError(code, message, remedy === undefined ? {} : { hint: remedy })),
  );
}

/** Here and on the machines, where another controller finds it. */
async function keepFootprints(
  machines: readonly OpenMachine[],
  networks: ReadonlyMap<string, MachineNetwork>,
  stateDirectory: string,
  signal: AbortSignal,
): Promise<void> {
  const folder = join(stateDirectory, FOOTPRINTS_FOLDER);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await Promise.all(
    machines.map(async (machine) => {
      const { home = "" } = networks.get(machine.name) ?? {};
      const taken = await takeFootprint(machine, { home, signal });
      const kept = { home, footprint: taken };
      await writeFile(join(folder, `${machine.name}.json`), JSON.stringify(kept), { mode: 0o600 });
      await leaveFootprint(machine.remote, taken);
    }),
  );
}
