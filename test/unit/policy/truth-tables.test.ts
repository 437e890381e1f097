import { describe, expect, it } from "vitest";
import { declaredPorts } from "../../../src/kube/pods.ts";
import { createOracle } from "../../../src/policy/oracle.ts";
import type { OracleEnd } from "../../../src/policy/types.ts";
import { naiveAllowsWithAdmin } from "../../naive-admin-policy.ts";
import type { NaivePod } from "../../naive-policy.ts";
import { loadTruthTable, OUTSIDE, type TruthTable, truthTablePaths } from "../../truth-table.ts";

const OUTSIDE_ADDRESS = "203.0.113.10";

describe("truth tables", () => {
  it("are all there", () => {
    expect(truthTablePaths().length).toBeGreaterThanOrEqual(52);
  });

  it.each(truthTablePaths().map((path) => loadTruthTable(path)))("$name: the oracle agrees", (table) => {
    const addressOf = addresses(table);
    const oracle = createOracle({
      namespaces: table.namespaces.map(({ metadata }) => ({ name: metadata.name, labels: metadata.labels ?? {} })),
      pods: table.pods.map((pod) => ({ ...describePod(pod), addresses: [addressOf(nameOf(pod))] })),
      policies: table.policies(addressOf).map((policy) => ({ policy })),
      adminPolicies: table.adminPolicies(addressOf).map((policy) => ({ policy })),
    });
    const end = (name: string): OracleEnd => {
      if (name === OUTSIDE) return { kind: "address", address: OUTSIDE_ADDRESS };
      const [namespace = "", pod = ""] = name.split("/");
      return { kind: "pod", namespace, name: pod };
    };
    const seen = table.cells.map((cell) => {
      const verdict = oracle.verdict({
        from: end(cell.from),
        to: end(cell.to),
        port: cell.port,
        protocol: cell.protocol === "udp" ? "UDP" : "TCP",
      });
      const expected = verdict.notGradable === undefined ? (verdict.allowed ? "allowed" : "blocked") : "ungraded";
      return { ...cell, expected };
    });
    expect(seen).toEqual(table.cells);
  });

  it.each(truthTablePaths().map((path) => loadTruthTable(path)))("$name: the naive reading agrees", (table) => {
    const addressOf = addresses(table);
    const world = {
      namespaces: Object.fromEntries(table.namespaces.map(({ metadata }) => [metadata.name, metadata.labels ?? {}])),
      policies: table.policies(addressOf),
      adminPolicies: table.adminPolicies(addressOf),
      nodes: [],
    };
    const pods = new Map<string, NaivePod>(
      table.pods.map((pod) => [nameOf(pod), { ...describePod(pod), address: addressOf(nameOf(pod)) }]),
    );
    const end = (name: string) => {
      const pod = pods.get(name);
      return { ...(pod === undefined ? {} : { pod }), address: addressOf(name) };
    };
    const graded = table.cells.filter(({ expected }) => expected !== "ungraded");
    const seen = graded.map((cell) => {
      const { port, protocol } = cell;
      const flow = { from: end(cell.from), to: end(cell.to), port, protocol: protocol.toUpperCase() };
      const allowed = naiveAllowsWithAdmin(world, flow);
      return { ...cell, expected: allowed ? "allowed" : "blocked" };
    });
    expect(seen).toEqual(graded);
  });
});

type TablePod = TruthTable["pods"][number];

function nameOf({ metadata }: TablePod): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}

function describePod({ metadata, spec }: TablePod) {
  return {
    namespace: metadata.namespace ?? "",
    name: metadata.name,
    labels: metadata.labels ?? {},
    ports: declaredPorts(spec),
  };
}

function addresses(table: TruthTable): (end: string) => string {
  const names = table.pods.map(nameOf);
  return (end) => {
    if (end === OUTSIDE) return OUTSIDE_ADDRESS;
    const index = names.indexOf(end);
    if (index < 0) throw new Error(`${table.name} speaks of ${end}, which is no pod of it`);
    return `10.244.${index % 2}.${index + 5}`;
  };
}
