import { describe, expect, test } from "vitest";
import { LabError } from "../../../src/core/errors.ts";
import type { Plan } from "../../../src/plan/types.ts";
import { providers } from "../../../src/providers/registry.ts";
import type { Provisioned } from "../../../src/run/provision.ts";
import { clusterKey, reuseCluster, whyNotReusable } from "../../../src/run/reuse-cluster.ts";
import { fakeCluster } from "../../fixtures/fake-cluster.ts";
import { planOf, step } from "./reference-plan.ts";

const made = planOf([]);
const next: Plan = { ...planOf([step("apply")]), lab: { ...made.lab, name: "next", title: "The next lab" } };

function provisioned(reset?: () => Promise<{ changes: string[]; durationMs: number }>): Provisioned {
  const at = "2026-01-01T00:00:00.000Z";
  const cluster = fakeCluster();
  if (reset !== undefined) cluster.reset = reset;
  return {
    plan: made,
    wish: made,
    provider: providers.netns,
    cluster,
    stateDirectory: "/nowhere",
    record: {
      schemaVersion: 1,
      lab: "lab",
      provider: "netns",
      handle: { cluster: "c1" },
      state: "starting",
      plan: made,
      createdAt: at,
      updatedAt: at,
      controls: [{ destination: "shop/db", from: "shop/web", isLoopback: false, at }],
      baseline: [{ probe: "p", cell: "c", passed: true }],
      lastGrade: {
        at,
        grade: {
          verdict: "pass",
          probes: [],
          tasks: [],
          earned: 0,
          possible: 0,
          counts: { pass: 0, fail: 0, inconclusive: 0 },
        },
      },
    },
    up: { cluster, detach: async () => undefined, handle: { cluster: "c1" } },
    unlock: () => undefined,
  };
}

describe("the next lab on a cluster", () => {
  test("gets it reset, with its own plan, and nothing of what answered the lab before", async () => {
    const changes = ["namespace shop"];
    const { lab, reset } = await reuseCluster(
      provisioned(async () => ({ changes, durationMs: 7 })),
      next,
    );
    expect(reset.changes).toEqual(changes);
    expect(lab.plan.scenario).toHaveLength(1);
    expect(lab.record.plan).toBe(lab.plan);
    expect(lab.record).toMatchObject({
      controls: [],
      baseline: undefined,
      lastGrade: undefined,
      handle: { cluster: "c1" },
    });
  });

  test("keeps the name under which the cluster is found and removed", async () => {
    const { lab } = await reuseCluster(
      provisioned(async () => ({ changes: [], durationMs: 1 })),
      next,
    );
    expect(lab.plan.lab).toMatchObject({ name: "lab", title: "The next lab" });
    expect(lab.record.lab).toBe("lab");
  });

  test("is refused by a cluster that cannot be reset, or was not clean after it", async () => {
    await expect(reuseCluster(provisioned(), next)).rejects.toMatchObject({ code: "RESET_NOT_POSSIBLE" });
    const unclean = provisioned(() => Promise.reject(new LabError("RESET_UNCLEAN", "a chain is left")));
    await expect(reuseCluster(unclean, next)).rejects.toMatchObject({ code: "RESET_UNCLEAN" });
    expect(unclean.record.controls).toHaveLength(1);
  });

  test("is refused before anything is reset where it needs another cluster", async () => {
    const lab = provisioned(() => expect.unreachable());
    const other: Plan = { ...next, cni: { ...next.cni, mode: "bgp" } };
    await expect(reuseCluster(lab, other)).rejects.toMatchObject({
      code: "REUSE_DIFFERENT",
      message: expect.stringContaining("CNI mode"),
    });
  });
});

describe("plans need the same cluster", () => {
  const [first, ...others] = made.topology.nodes;
  test.each<[string, Partial<Plan>]>([
    ["provider", { provider: "kind" }],
    ["nodes", { topology: { ...made.topology, nodes: others } }],
    [
      "nodes",
      {
        topology: {
          ...made.topology,
          nodes: [{ ...(first as NonNullable<typeof first>), labels: { a: "b" } }, ...others],
        },
      },
    ],
    ["networks", { topology: { ...made.topology, networks: [] } }],
    ["CNI", { cni: { ...made.cni, name: "flannel" } }],
    ["CNI mode", { cni: { ...made.cni, mode: "direct" } }],
    ["pod network", { cni: { ...made.cni, podCidrs: ["10.9.0.0/16"] } }],
    ["pod MTU", { cni: { ...made.cni, mtu: 1400 } }],
    ["CNI options", { cni: { ...made.cni, options: { a: 1 } } }],
    ["cluster networks", { cluster: { ...made.cluster, dnsDomain: "lab" } }],
    [
      "kube-proxy mode",
      { realCluster: { kubeProxyMode: "iptables", addOns: [], kubeadmPatches: [], portMappings: [] } },
    ],
    [
      "add-ons",
      { realCluster: { kubeProxyMode: "nftables", addOns: ["metallb"], kubeadmPatches: [], portMappings: [] } },
    ],
  ])("not with other %s", (part, change) => {
    const other: Plan = { ...made, ...change };
    expect(whyNotReusable(made, other)).toBe(part);
    expect(clusterKey(other)).not.toBe(clusterKey(made));
  });

  test("whatever the labs are, in whatever order their maps are written, and with defaults said or not", () => {
    const told: Plan = {
      ...next,
      topology: { ...made.topology, name: "another name for the same" },
      cni: { options: {}, enforcesPolicy: true, mtu: 1450, podCidrs: ["10.244.0.0/16"], mode: "vxlan", name: "calico" },
      realCluster: { kubeProxyMode: "nftables", addOns: [], kubeadmPatches: [], portMappings: [] },
    };
    expect(whyNotReusable(made, told)).toBeUndefined();
    expect(clusterKey(told)).toBe(clusterKey(made));
  });
});
