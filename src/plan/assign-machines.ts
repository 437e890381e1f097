import { LabError, LabProblems } from "../core/errors.ts";
import type { InventoryMachine } from "../lab/inventory.ts";
import type { PlannedMachine, PlannedNode, PlannedTopology } from "./types.ts";

/** A lab's nodes with the machines that they become. */
export interface Assigned {
  machines: PlannedMachine[];
  /** The topology's nodes with the labels of their machines. */
  nodes: PlannedNode[];
  /** The host outside the cluster, where one is asked for. */
  external?: PlannedMachine;
}

/** Why a lab uses a host outside the cluster; undefined where it does not. */
type WhyExternal = string | undefined;

/**
 * Gives each node a machine: the one of its name, else the first free one of its role, else the first free one without a role.
 * The host outside the cluster is the first that is said to be it. Throws LabProblems (PLAN_MACHINE_ROLE, PLAN_TOO_FEW_MACHINES,
 * PLAN_NO_EXTERNAL) naming every node that gets none.
 */
export function assignMachines(
  topology: PlannedTopology,
  inventory: readonly InventoryMachine[],
  whyExternal?: WhyExternal,
): Assigned {
  const problems: LabError[] = [];
  const free = new Set(inventory);
  const chosen = new Map<string, InventoryMachine>();
  const take = (node: PlannedNode, fits: (machine: InventoryMachine) => boolean): boolean => {
    const found = [...free].find(fits);
    if (found === undefined) return false;
    free.delete(found);
    chosen.set(node.name, found);
    return true;
  };
  const unnamed = topology.nodes.filter((node) => {
    if (!take(node, ({ reached }) => reached.name === node.name)) return true;
    const { role, span } = chosen.get(node.name) ?? {};
    if (role !== undefined && role !== node.role) {
      const what = role === "external" ? "outside the cluster (role external)" : `a ${role}`;
      const message = `machine ${node.name} is ${what}, and the topology's node of that name a ${node.role}`;
      problems.push(new LabError("PLAN_MACHINE_ROLE", message, span === undefined ? {} : { span }));
    }
    return false;
  });
  const unmatched = unnamed.filter((node) => !take(node, ({ role }) => role === node.role));
  const without = unmatched.filter((node) => !take(node, ({ role }) => role === undefined));
  if (without.length > 0) {
    const names = without.map(({ name, role }) => `${name} (${role})`).join(", ");
    const message = `the inventory has no machine for ${names}`;
    const candidates = inventory.filter(({ role }) => role !== "external");
    const hint = `topology ${topology.name} has ${topology.nodes.length} nodes, the inventory ${candidates.length} machines for them`;
    problems.push(new LabError("PLAN_TOO_FEW_MACHINES", message, { hint }));
  }
  const outside = inventory.find(({ role }) => role === "external");
  if (whyExternal !== undefined && outside === undefined) problems.push(noExternal("the inventory has", whyExternal));
  if (problems.length > 0) throw new LabProblems(problems);
  const pairs = topology.nodes.flatMap((node) => {
    const machine = chosen.get(node.name);
    return machine === undefined ? [] : [{ node, machine }];
  });
  return {
    machines: pairs.map(({ node, machine }) => ({ node: node.name, ...machine.reached })),
    nodes: pairs.map(({ node, machine }) => ({ ...node, labels: { ...node.labels, ...machine.labels } })),
    ...(whyExternal === undefined || outside === undefined
      ? {}
      : { external: { node: "external", ...outside.reached } }),
  };
}

/**
 * The machines that a topology itself names; it has no word for one outside the cluster. Throws PLAN_NO_MACHINES naming the nodes
 * that have none, PLAN_NO_EXTERNAL.
 */
export function machinesOfTopology({ nodes }: PlannedTopology, whyExternal?: WhyExternal): Assigned {
  const without = nodes.filter(({ machine }) => machine === undefined).map(({ name }) => name);
  if (without.length > 0) {
    throw new LabError("PLAN_NO_MACHINES", `no machine is named for ${without.join(", ")}`, {
      hint: "give an inventory of machines with --inventory FILE, or the topology's nodes a machine: each",
    });
  }
  if (whyExternal !== undefined) throw noExternal("without an inventory there is", whyExternal);
  const machines = nodes.flatMap(({ name, machine }) => (machine === undefined ? [] : [{ node: name, ...machine }]));
  return { machines, nodes };
}

function noExternal(where: string, why: string): LabError {
  return new LabError("PLAN_NO_EXTERNAL", `${where} no machine outside the cluster, and ${why}`, {
    hint: "give the inventory (--inventory FILE) a further machine with role: external; it becomes no node",
  });
}
