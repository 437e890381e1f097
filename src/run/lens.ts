import { readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import type { KubeObject, Service } from "../kube/types.ts";
import type { Plan, PlannedStep, PlannedTask } from "../plan/types.ts";
import type { OracleWorld } from "../policy/types.ts";
import type { Cluster, ObjectRef } from "../providers/types.ts";
import { createFlowOracle, type FlowContext, type FlowOracle } from "./flow-oracle.ts";
import { referenceObjects } from "./reference-objects.ts";
import { liveWorld, referenceWorld } from "./reference-world.ts";

/** The lab as solutions would make it. */
interface Reference {
  oracle: FlowOracle;
  world: OracleWorld;
  services: Service[];
}

/** How the policies see the cluster: as the solved lab would be, which judges, and as it is, which explains. */
export interface Lens {
  /** With the solutions of all tasks. */
  reference: Reference;
  /**
   * With the solutions that the probe of that name needs: those of the required tasks, and of the bonus tasks that name it.
   * Undefined where these are all.
   */
  withoutOtherBonus(probe: string): Reference | undefined;
  live: FlowOracle;
  /** What `live` is of. */
  liveWorld: OracleWorld;
}

/**
 * Looks at the cluster's objects as they are now. Where only policies are others than those of an earlier lens, its reference holds: it
 * may be given.
 */
export async function createLens(
  plan: Plan,
  objects: readonly KubeObject[],
  cluster: Cluster,
  earlier?: Lens,
): Promise<Lens> {
  const source = { plan, objects, deletedRefs, readText: (file: string) => readManifest(plan, file) };
  const context = await flowContext(plan, cluster);
  const world = liveWorld(source);
  const live = { liveWorld: world, live: createFlowOracle(world, context) };
  if (earlier !== undefined) return { ...earlier, ...live };
  const referenceOf = (tasks: PlannedTask[]): Reference => {
    const solved = { ...plan, tasks };
    const solvedWorld = referenceWorld({ ...source, plan: solved });
    const services = referenceObjects(solved, deletedRefs).flatMap(({ object }) =>
      object.kind === "Service" ? [object as Service] : [],
    );
    return { oracle: createFlowOracle(solvedWorld, context), world: solvedWorld, services };
  };
  const known = new Map<string, Reference>();
  const withoutOtherBonus = (probe: string): Reference | undefined => {
    const tasks = plan.tasks.filter(({ isBonus, probes }) => isBonus !== true || probes.includes(probe));
    if (tasks.length === plan.tasks.length) return undefined;
    const names = JSON.stringify(tasks.map(({ name }) => name));
    const reference = known.get(names) ?? referenceOf(tasks);
    known.set(names, reference);
    return reference;
  };
  return { reference: referenceOf(plan.tasks), withoutOtherBonus, ...live };
}

/** What the policies among these objects say, in a cluster that has them. */
export async function liveOracle(plan: Plan, objects: readonly KubeObject[], cluster: Cluster): Promise<FlowOracle> {
  const world = liveWorld({ plan, objects, deletedRefs, readText: (file: string) => readManifest(plan, file) });
  return createFlowOracle(world, await flowContext(plan, cluster));
}

async function flowContext(plan: Plan, cluster: Cluster): Promise<FlowContext> {
  return {
    serviceCidrs: plan.cluster.serviceCidrs,
    enforcesAdminPolicy: plan.cni.enforcesAdminPolicy,
    externalAddresses: mentionsExternal(plan) ? await cluster.addresses({ kind: "external" }) : [],
  };
}

/** Asked only where it is needed: not every provider has a host outside the cluster. */
function mentionsExternal(plan: Plan): boolean {
  return JSON.stringify(plan.probes).includes('"external"');
}

/** What a `delete` step names by reference; objects of manifests stand in the step itself. */
export function deletedRefs({ kind, options }: PlannedStep): ObjectRef[] {
  if (kind !== "delete") return [];
  const { targets } = options as { targets: ({ ref: ObjectRef } | { file: string })[] };
  return targets.flatMap((target) => ("ref" in target ? [target.ref] : []));
}

/**
 * The text of a manifest by the name that spans show, which is as the lab's file was named, maybe from another folder. A
 * lab's file may be gone, or changed, while the lab still runs: lines are then left out of the reasons. */
export function readManifest(plan: Plan, file: string): string | undefined {
  try {
    return readFileSync(resolve(plan.lab.directory, relative(dirname(plan.lab.file), file)), "utf8");
  } catch {
    return undefined;
  }
}
