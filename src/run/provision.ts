import { LabError, LabProblems } from "../core/errors.ts";
import type { Plan } from "../plan/types.ts";
import { providers } from "../providers/registry.ts";
import type { Cluster, Finding, Provider, UpResult } from "../providers/types.ts";
import type { RunContext } from "./context.ts";
import { lockLab, type LabLock } from "./lab-lock.ts";
import { readRecord, recordVersion, startTiming, writeRecord, type RunRecord } from "./record.ts";
import { removeLeftovers } from "./leftovers.ts";
import { makeLabDirectory, removeLabDirectory } from "./state-directory.ts";
import { runSupplies } from "./supplies.ts";
import type { UndoStack } from "./undo.ts";

/** A lab that this process brought up and that ends with it unless it is {@link keep kept}. */
export interface Provisioned {
  plan: Plan;
  /** Before its cluster showed how it really is. */
  wish: Plan;
  provider: Provider;
  cluster: Cluster;
  stateDirectory: string;
  /** Not written again until the lab is kept. */
  record: RunRecord;
  up: UpResult;
  /** Gives up the lab's lock. */
  unlock(): void;
}

/** The provider of that name; throws PROVIDER_UNKNOWN. */
export function providerNamed(name: string): Provider {
  const provider = (providers as Record<string, Provider>)[name];
  if (provider !== undefined && Object.hasOwn(providers, name)) return provider;
  throw new LabError("PROVIDER_UNKNOWN", `unknown provider ${JSON.stringify(name)}`, {
    hint: `known: ${Object.keys(providers).join(", ")}`,
  });
}

export interface ProvisionOptions {
  keepFailed?: boolean;
  /** As `up --force`: only of a provider that takes machines. */
  force?: boolean;
  laterPlans?: readonly Plan[];
}

/**
 * Takes the lab's lock (or the one that the caller holds), removes what a killed run left, and makes nodes, CNI and cluster
 * DNS. Throws USAGE_NOTHING_TO_FORCE, LAB_ALREADY_UP, LAB_BUSY, the host's HOST_… findings, and what the provider throws. With `keepFailed` the undo
 * leaves what the provider can leave, with a warning that says how to look at it, unless the user interrupted.
 */
export async function provision(
  plan: Plan,
  undo: UndoStack,
  context: RunContext,
  held?: LabLock,
  { keepFailed = false, force = false, laterPlans = [] }: ProvisionOptions = {},
): Promise<Provisioned> {
  const { stateRoot } = context;
  const { name } = plan.lab;
  const provider = providerNamed(plan.provider);
  if (force && provider.takesMachines !== true) {
    const message = `--force cannot be given: provider ${provider.kind} has nothing of others to take away`;
    throw new LabError("USAGE_NOTHING_TO_FORCE", message, { hint: "leave --force out" });
  }
  const lock = held ?? lockLab(stateRoot, name);
  undo.register({ title: `unlock ${name}`, run: () => Promise.resolve(lock.release()) });

  const findings = await provider.preflight(plan);
  throwForMissing(findings);
  await refuseOrRemoveEarlier(name, context);

  let making: Promise<UpResult> | undefined;
  let cluster: Cluster | undefined;
  undo.register({
    title: `remove lab ${name}`,
    run: async () => {
      if (keepFailed && (await leaveFailed(provider, { name, stateDirectory, cluster }, context))) return;
      // At an interrupt `up` may just be making something more: this ends it, and its failure is the interrupt's own.
      await Promise.allSettled([provider.down(undefined, stateDirectory), making]);
      // With nobody at work beside it, this one has the last word on what is left.
      await provider.down(undefined, stateDirectory);
      removeLabDirectory(stateRoot, name);
    },
  });
  const stateDirectory = makeLabDirectory(stateRoot, name);
  const at = context.now().toISOString();
  const record: RunRecord = {
    schemaVersion: recordVersion,
    lab: name,
    provider: plan.provider,
    handle: null,
    state: "starting",
    plan,
    createdAt: at,
    updatedAt: at,
    controls: [],
  };
  await writeRecord(stateRoot, record);
  const { signal, emit } = context;
  making = provider.up(plan, {
    stateDirectory,
    signal,
    emit,
    supplies: runSupplies(context),
    keepFailed,
    force,
    laterPlans,
  });
  const up = await making;
  cluster = up.cluster;
  const { plan: made = plan } = up;
  return {
    plan: made,
    wish: plan,
    provider,
    cluster: up.cluster,
    stateDirectory,
    record: { ...record, plan: made, handle: up.handle },
    up,
    unlock: lock.release,
  };
}

/** Whether the provider left something of a lab that failed; `down` then finds it by its state folder. */
async function leaveFailed(
  provider: Provider,
  { name, stateDirectory, cluster }: { name: string; stateDirectory: string; cluster: Cluster | undefined },
  { signal, emit }: RunContext,
): Promise<boolean> {
  if (signal.aborted) return false;
  const look = await provider.failedLab?.(stateDirectory);
  if (look === undefined) return false;
  await cluster?.close();
  const message = `lab ${name} failed; what was made of it stays`;
  emit({
    type: "warning",
    warning: { code: "LAB_KEPT_FAILED", message, hint: `${look}; cnilab down ${name} removes it` },
  });
  return true;
}

/**
 * Lets the lab outlive this process. The record goes first: a lab that runs without one could not be found again, a
 * record without its lab is only removed by the next `up`.
 */
export async function keep(lab: Provisioned, context: RunContext): Promise<void> {
  const now = context.now();
  const timing = startTiming(lab.record.plan, now);
  await writeRecord(context.stateRoot, { ...lab.record, ...timing, state: "up", updatedAt: now.toISOString() });
  await lab.up.detach();
  await lab.cluster.close();
  lab.unlock();
}

/** Removes a lab that this process brought up, with its folder. */
export async function remove(lab: Provisioned, context: RunContext): Promise<void> {
  await lab.provider.down(lab.record.handle, lab.stateDirectory);
  removeLabDirectory(context.stateRoot, lab.plan.lab.name);
  lab.unlock();
}

function throwForMissing(findings: Finding[]): void {
  const problems = findings
    .filter((finding) => !finding.ok)
    .map(({ code, message, remedy }) => new LabError(code, message, { hint: remedy }));
  if (problems.length > 0) throw new LabProblems(problems);
}

async function refuseOrRemoveEarlier(name: string, context: RunContext): Promise<void> {
  const finding = readRecord(context.stateRoot, name);
  const left = await removeLeftovers(context.stateRoot, name, finding, { onlyIfDead: true });
  if (left === "alive") {
    throw new LabError("LAB_ALREADY_UP", `lab ${name} is already up`, {
      hint: `cnilab grade ${name} grades it, cnilab down ${name} removes it`,
    });
  }
}
