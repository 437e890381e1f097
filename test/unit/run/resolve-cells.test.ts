import { describe, expect, it } from "vitest";
import type { Expectation, Observation, Outcome } from "../../../src/grade/types.ts";
import type { OracleWorld } from "../../../src/policy/types.ts";
import type { ProbedCell } from "../../../src/probes/types.ts";
import { createFlowOracle } from "../../../src/run/flow-oracle.ts";
import { agreedCells, enforcementGap, resolveCells } from "../../../src/run/resolve-cells.ts";
import { planOf } from "./reference-plan.ts";

const world: OracleWorld = {
  namespaces: [],
  pods: ["web", "db"].map((name, index) => ({
    namespace: "shop",
    name,
    labels: { app: name },
    addresses: [`10.0.0.${index + 1}`],
    ports: [{ containerPort: 80, protocol: "TCP" }],
  })),
  policies: [
    {
      policy: {
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: { namespace: "shop", name: "deny" },
        spec: { podSelector: { matchLabels: { app: "db" } } },
      },
    },
  ],
};

const observe = (outcome: Outcome): Observation => ({ outcome, reason: outcome, tries: 1, evidence: [] });

function resolve(expect_: Expectation, probed: Partial<ProbedCell> = {}) {
  const cell: ProbedCell = {
    key: { from: "shop/web", to: "shop/db", port: 80, protocol: "tcp" },
    flow: {
      from: { kind: "pod", namespace: "shop", name: "web" },
      to: [{ kind: "pod", namespace: "shop", name: "db" }],
      address: "10.0.0.2",
      port: 80,
      protocol: "tcp",
    },
    ...probed,
  };
  const probe = { name: "p", kind: "matrix", options: {}, expect: expect_ };
  const oracle = createFlowOracle(world, { serviceCidrs: [], externalAddresses: [] });
  const [resolved] = resolveCells(probe, [cell], { oracle, world, services: [], rerun: ({ name }) => `rerun ${name}` });
  if (resolved === undefined) throw new Error("a cell was lost");
  return resolved;
}

function flowTo(name: string, address: string, port: number): NonNullable<ProbedCell["flow"]> {
  const from = { kind: "pod" as const, namespace: "shop", name: "web" };
  return { from, to: [{ ...from, name }], address, port, protocol: "tcp" };
}

describe("a resolved cell", () => {
  it("expects what the reference says under `policy`, with the reason", () => {
    expect(resolve("policy")).toMatchObject({ expected: "blocked", rerun: "rerun p", why: { allowed: false } });
  });

  it("keeps the lab's own expectation, and the cell's own before that", () => {
    expect(resolve("allowed").expected).toBe("allowed");
    expect(resolve("allowed", { expected: "rejected" }).expected).toBe("rejected");
    expect(resolve("allowed").why?.allowed).toBe(false);
  });

  it("expects nothing where the oracle cannot be asked or cannot say", () => {
    const withoutFlow: ProbedCell = { key: { from: "a", to: "b" } };
    const oracle = createFlowOracle(world, { serviceCidrs: [], externalAddresses: [] });
    const [blind] = resolveCells({ name: "p", kind: "dns", options: {}, expect: "policy" }, [withoutFlow], {
      oracle,
      world,
      services: [],
      rerun: () => "",
    });
    expect(blind).not.toHaveProperty("expected");
    expect(resolve("policy", { flow: { ...flowTo("db", "10.0.0.2", 80), protocol: "icmp" } }).expected).toBeUndefined();
  });

  it("takes a pod to itself out of a policy matrix only", () => {
    const loopback = { flow: flowTo("web", "10.0.0.1", 80), observation: observe("allowed") };
    expect(resolve("policy", loopback).ungraded).toMatch(/itself/);
    expect(resolve("allowed", loopback)).not.toHaveProperty("ungraded");
  });

  it.each([
    ["dropped", true],
    ["rejected", true],
    ["allowed", false],
    ["error", false],
    [undefined, false],
  ] as const)(
    "on a port that nothing declares and that was %s: taken out of the grade is %s",
    (outcome, isUngraded) => {
      const probed = {
        flow: flowTo("db", "10.0.0.2", 81),
        ...(outcome === undefined ? {} : { observation: observe(outcome) }),
      };
      expect(resolve("policy", probed).ungraded !== undefined).toBe(isUngraded);
      expect(resolve("blocked", probed).ungraded).toBeUndefined();
    },
  );

  it("on a declared port stays in the grade however it fared", () => {
    for (const outcome of ["dropped", "rejected", "allowed", "error"] as const) {
      expect(resolve("policy", { observation: observe(outcome) }).ungraded).toBeUndefined();
    }
  });

  it("to a Service, a node or an address of nobody stays in the grade: nothing declares ports there", () => {
    const observation = observe("dropped");
    const flow = flowTo("db", "10.0.0.2", 81);
    const two = [...flow.to, { kind: "pod" as const, namespace: "shop", name: "web" }];
    for (const other of [
      { ...flow, to: two },
      { ...flow, to: [{ kind: "node" as const, name: "worker1" }] },
      { ...flow, address: "10.96.0.20" },
      { ...flow, to: [] },
    ]) {
      expect(resolve("policy", { flow: other, observation }).ungraded).toBeUndefined();
    }
  });

  it("keeps what the probe says of destination, evidence and being ungraded", () => {
    const note = { kind: "note" as const, text: "seen" };
    const resolved = resolve("allowed", {
      destination: "shop/service/db",
      ungraded: "a control",
      observation: observe("allowed"),
      evidence: [note],
    });
    expect(resolved).toMatchObject({ destination: "shop/service/db", ungraded: "a control" });
    expect(resolved.observation?.evidence).toEqual([note]);
  });
});

describe("the gap of a CNI that enforces nothing", () => {
  const { cni } = planOf([]);
  const flannel = { ...cni, name: "flannel", enforcesPolicy: false };

  it("is there when a policy is to block something, by the matrix or by the lab's word", () => {
    expect(enforcementGap(flannel, [resolve("policy")])).toBe("flannel does not enforce NetworkPolicy");
    expect(enforcementGap(flannel, [resolve("blocked")])).toBeDefined();
  });

  it("is there when a cluster-wide policy is to block something, and nothing enforces those", () => {
    const blocked = resolve("blocked");
    const why = { allowed: true, lines: [], spans: [], notGradable: "nobody enforces it", isUnenforced: true as const };
    expect(enforcementGap(cni, [{ ...blocked, why }])).toBe("calico does not enforce cluster-wide policies");
    expect(enforcementGap(cni, [{ ...resolve("allowed"), why }])).toBeUndefined();
    expect(enforcementGap(cni, [{ ...blocked, why, ungraded: "not declared" }])).toBeUndefined();
  });

  it("is not there when nothing is to be blocked by policy, or the CNI enforces", () => {
    expect(enforcementGap(cni, [resolve("policy")])).toBeUndefined();
    expect(enforcementGap(flannel, [resolve("allowed")])).toBeUndefined();
    expect(enforcementGap(flannel, [resolve("blocked", { flow: flowTo("web", "10.0.0.1", 80) })])).toBeUndefined();
    expect(enforcementGap(flannel, [{ ...resolve("policy"), ungraded: "not declared" }])).toBeUndefined();
  });
});

describe("cells of two references", () => {
  const all = resolve("policy");
  const open = { ...all, expected: "allowed" as const };

  it("are graded where both expect the same, as the one with fewer solutions has them", () => {
    expect(agreedCells([all], [{ ...all, rerun: "fewer" }])).toEqual([{ ...all, rerun: "fewer" }]);
  });

  it("leave the grade where they disagree", () => {
    const [cell] = agreedCells([all], [open]);
    expect(cell).toMatchObject({ expected: "allowed", ungraded: expect.stringContaining("bonus task") as string });
    expect(agreedCells([{ ...all, ungraded: "no such port" }], [all])[0]?.ungraded).toContain("bonus task");
  });

  it("take a server for another's only where neither reference selects it", () => {
    const standIn = "shop/x is behind it";
    expect(agreedCells([all], [{ ...all, standIn }])[0]?.standIn).toBeUndefined();
    expect(agreedCells([{ ...all, standIn }], [all])[0]?.standIn).toBeUndefined();
    expect(agreedCells([{ ...all, standIn }], [{ ...all, standIn }])[0]?.standIn).toBe(standIn);
  });
});
