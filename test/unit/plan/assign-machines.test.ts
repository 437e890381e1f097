import { describe, expect, test } from "vitest";
import { LabError, LabProblems } from "../../../src/core/errors.ts";
import type { InventoryMachine } from "../../../src/lab/inventory.ts";
import { loadTopology } from "../../../src/lab/topology.ts";
import { assignMachines, machinesOfTopology } from "../../../src/plan/assign-machines.ts";

/** control-plane, worker1, worker2 */
const topology = loadTopology("two-workers");
const span = { file: "rack.yaml", line: 1, column: 1, length: 1, lineText: "" };

function machine(name: string, role?: InventoryMachine["role"], labels = {}): InventoryMachine {
  return { reached: { name, host: `${name}.example.org` }, ...(role === undefined ? {} : { role }), labels, span };
}

function given(inventory: readonly InventoryMachine[]): string[] {
  return assignMachines(topology, inventory).machines.map(({ node, name }) => `${node}=${name}`);
}

function codesOf(act: () => unknown): string[] {
  try {
    act();
  } catch (error) {
    if (error instanceof LabProblems) return error.problems.map(({ code }) => code);
    if (error instanceof LabError) return [error.code];
    throw error;
  }
  return [];
}

describe("a node's machine", () => {
  test("is the one of its name, else the first free one of its role, else one without a role", () => {
    expect(given([machine("c"), machine("b", "worker"), machine("a", "control-plane")])).toEqual([
      "control-plane=a",
      "worker1=b",
      "worker2=c",
    ]);
    expect(given([machine("x"), machine("worker2"), machine("y", "worker"), machine("z")])).toEqual([
      "control-plane=x",
      "worker1=y",
      "worker2=worker2",
    ]);
  });

  test("gives the node its labels, beside the topology's", () => {
    const inventory = [machine("a", "control-plane"), machine("b", "worker", { disk: "ssd" }), machine("c")];
    const { nodes } = assignMachines(topology, inventory);
    expect(nodes[1]?.labels).toMatchObject({ disk: "ssd", "kubernetes.io/hostname": "worker1" });
    expect(topology.nodes[1]?.labels).not.toHaveProperty("disk");
  });

  test("is missing where the inventory is too small, and never one of another role", () => {
    expect(codesOf(() => given([machine("a"), machine("b")]))).toEqual(["PLAN_TOO_FEW_MACHINES"]);
    const workers = ["a", "b", "c"].map((name) => machine(name, "worker"));
    expect(() => given(workers)).toThrow(/no machine for control-plane \(control-plane\)/);
    const named = [machine("worker1", "control-plane"), machine("b"), machine("c")];
    expect(codesOf(() => given(named))).toEqual(["PLAN_MACHINE_ROLE"]);
  });

  test("is never the one outside the cluster, whatever its name", () => {
    const nodes = [machine("a"), machine("b"), machine("outside", "external")];
    expect(() => given(nodes)).toThrow(/no machine for worker2 \(worker\)/);
    const named = [machine("worker1", "external"), machine("a"), machine("b"), machine("c")];
    expect(() => given(named)).toThrow(
      "machine worker1 is outside the cluster (role external), and the topology's node of that name a worker",
    );
  });

  test("is the topology's own where there is no inventory", () => {
    expect(codesOf(() => machinesOfTopology(topology))).toEqual(["PLAN_NO_MACHINES"]);
    const nodes = topology.nodes.map((node) => ({ ...node, machine: { name: node.name, host: "h" } }));
    expect(machinesOfTopology({ ...topology, nodes }).machines.map(({ node }) => node)).toEqual(
      topology.nodes.map(({ name }) => name),
    );
  });
});

describe("the host outside the cluster", () => {
  const nodes = ["a", "b", "c"].map((name) => machine(name));
  const why = 'probe "x" uses a host outside the cluster';

  test("is the first machine of that role, where the lab uses one, and is not touched where it does not", () => {
    const inventory = [machine("first", "external"), ...nodes, machine("second", "external")];
    const { machines, external } = assignMachines(topology, inventory, why);
    expect(external).toEqual({ node: "external", name: "first", host: "first.example.org" });
    expect(machines.map(({ name }) => name)).toEqual(["a", "b", "c"]);
    expect(assignMachines(topology, inventory)).not.toHaveProperty("external");
  });

  test("is missed before anything is reached, beside all else that is", () => {
    expect(codesOf(() => assignMachines(topology, nodes.slice(1), why))).toEqual([
      "PLAN_TOO_FEW_MACHINES",
      "PLAN_NO_EXTERNAL",
    ]);
    expect(() => assignMachines(topology, nodes, why)).toThrow(
      `the inventory has no machine outside the cluster, and ${why}`,
    );
    const withMachines = {
      ...topology,
      nodes: topology.nodes.map((node) => ({ ...node, machine: { name: "m", host: "h" } })),
    };
    expect(codesOf(() => machinesOfTopology(withMachines, why))).toEqual(["PLAN_NO_EXTERNAL"]);
  });
});
