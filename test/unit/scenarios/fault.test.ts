import { describe, expect, it } from "vitest";
import type { KubeObject } from "../../../src/kube/types.ts";
import type { Fault } from "../../../src/providers/fault.ts";
import { fault } from "../../../src/scenarios/fault.ts";
import { scenarioContext } from "../../fixtures/scenario-context.ts";

const step = (kind: string, options: Fault) => ({ kind, options, objects: [] });

describe("fault", () => {
  it.each<[unknown, Fault, string[]]>([
    [{ pause: "node/worker1" }, { kind: "pause", node: "worker1" }, ["worker1"]],
    [
      { linkDown: "node/worker1", interface: "eth1" },
      { kind: "linkDown", node: "worker1", interface: "eth1" },
      ["worker1"],
    ],
    [{ linkDown: "node/worker1" }, { kind: "linkDown", node: "worker1", interface: "eth0" }, ["worker1"]],
    [
      { linkDown: "node/worker1", duration: "30s" },
      { kind: "linkDown", node: "worker1", interface: "eth0", durationMs: 30_000 },
      ["worker1"],
    ],
    [{ killCniAgent: "node/worker2" }, { kind: "killCniAgent", node: "worker2" }, ["worker2"]],
    [{ restart: "node/worker2" }, { kind: "restart", node: "worker2" }, ["worker2"]],
    [
      { partition: [["node/a"], ["node/b", "node/c"]], duration: "5s" },
      { kind: "partition", groups: [["a"], ["b", "c"]], durationMs: 5000 },
      ["a", "b", "c"],
    ],
    [{ mtu: "node/a", bytes: 1300 }, { kind: "mtu", node: "a", interface: "eth0", bytes: 1300 }, ["a"]],
    [{ loss: "node/a", percent: 12.5 }, { kind: "loss", node: "a", interface: "eth0", percent: 12.5 }, ["a"]],
    [
      { rateLimit: "node/a", rate: "10 Mbit/s" },
      { kind: "rateLimit", node: "a", interface: "eth0", bitsPerSecond: 10_000_000 },
      ["a"],
    ],
    [{ delay: "node/a", time: "50ms" }, { kind: "delay", node: "a", interface: "eth0", delayMs: 50 }, ["a"]],
    [{ nodeDown: "node/a", duration: "9s" }, { kind: "nodeDown", node: "a", durationMs: 9000 }, ["a"]],
    [{ kubeProxyStopped: "node/a" }, { kind: "kubeProxyStopped", node: "a" }, ["a"]],
    [{ policyAgentStopped: "node/a" }, { kind: "policyAgentStopped", node: "a" }, ["a"]],
    [{ dnsStopped: true }, { kind: "dnsStopped" }, []],
    [{ cniMissing: "node/a" }, { kind: "cniMissing", node: "a" }, ["a"]],
    [{ conntrackFull: "node/a", duration: "9s" }, { kind: "conntrackFull", node: "a", durationMs: 9000 }, ["a"]],
    [
      { duplicateAddress: "node/a", interface: "eth1" },
      { kind: "duplicateAddress", node: "a", interface: "eth1" },
      ["a"],
    ],
  ])("makes of %j the cluster's fault, and waits for nothing else", async (written, expected, about) => {
    const context = scenarioContext();
    const made: Fault[] = [];
    context.cluster.fault = async (each) => void made.push(each);
    const options = fault.options.parse(written);
    await fault.run(options, [], context);
    expect(made).toEqual([expected]);
    expect(context.cluster.log).toEqual([]);
    const references = fault.references(options).map((ref) => (ref.kind === "node" ? ref.name : ref.kind));
    expect(references).toEqual(about);
    expect(context.lines).toHaveLength(1);
  });

  it("with a name is left to its probes", async () => {
    const context = scenarioContext();
    context.cluster.fault = () => Promise.reject(new Error("it was made"));
    const options = fault.options.parse({ linkDown: "node/worker1", name: "cut" });
    await fault.run(options, [], context);
    expect(context.lines).toEqual(["cut: link eth0 of node worker1 down, when its probes run"]);
    expect(fault.check?.(options, { topology: undefined, earlier: [step("fault", options)] })).toBeUndefined();
  });

  it.each([
    [{}, "LAB_FAULT_NOT_ONE", []],
    [{ restart: "node/a", name: "cut" }, "LAB_FAULT_NAME", ["name"]],
    [{ pause: "node/a", name: "cut" }, "LAB_FAULT_NAME", ["name"]],
    [{ nodeDown: "node/a", name: "cut", duration: "5s" }, "LAB_FAULT_DURATION", ["duration"]],
    [{ pause: "node/a", restart: "node/b" }, "LAB_FAULT_NOT_ONE", ["restart"]],
    [{ pause: "a" }, "LAB_FAULT_NO_NODE", ["pause"]],
    [{ restart: "shop/deployment/web" }, "LAB_FAULT_NO_NODE", ["restart"]],
    [{ pause: "node/a", interface: "eth0" }, "LAB_FAULT_INTERFACE", ["interface"]],
    [{ restart: "node/a", duration: "30s" }, "LAB_FAULT_DURATION", ["duration"]],
    [{ linkDown: "node/a", duration: "999ms" }, "LAB_FAULT_DURATION", ["duration"]],
    [{ linkDown: "node/a", duration: "61m" }, "LAB_BAD_DURATION", ["duration"]],
    [{ partition: [["node/a"], ["node/b", "node/a"]] }, "LAB_FAULT_PARTITION", ["partition", 1, 1]],
    [{ rolloutRestart: "shop/replicaset/web" }, "LAB_FAULT_NO_WORKLOAD", ["rolloutRestart"]],
    [{ rolloutRestart: "shop/pod/web" }, "LAB_FAULT_NO_WORKLOAD", ["rolloutRestart"]],
    [{ rolloutRestart: "shop/deployment/web", count: 2 }, "LAB_FAULT_OPTION", ["count"]],
    [{ rolloutRestart: "shop/deployment/web", duration: "9s" }, "LAB_FAULT_DURATION", ["duration"]],
    [{ podKill: "node/a" }, "LAB_FAULT_NO_POD", ["podKill"]],
    [{ podKill: "shop/pod/web", count: 2 }, "LAB_FAULT_OPTION", ["count"]],
    [{ mtu: "node/a" }, "LAB_FAULT_OPTION", ["mtu"]],
    [{ mtu: "node/a", bytes: 1300, percent: 1 }, "LAB_FAULT_OPTION", ["percent"]],
    [{ rateLimit: "node/a", rate: "10" }, "LAB_FAULT_OPTION", ["rate"]],
    [{ rateLimit: "node/a", rate: "20 Gbit/s" }, "LAB_FAULT_OPTION", ["rate"]],
    [{ delay: "node/a", time: "11s" }, "LAB_FAULT_OPTION", ["time"]],
    [{ dnsStopped: true, interface: "eth0" }, "LAB_FAULT_INTERFACE", ["interface"]],
    [{ conntrackFull: "node/a", interface: "eth0" }, "LAB_FAULT_INTERFACE", ["interface"]],
    [{ duplicateAddress: "node/a", percent: 5 }, "LAB_FAULT_OPTION", ["percent"]],
  ])("refuses %j with %s at its place", (written, code, path) => {
    expect(fault.options.safeParse(written).error?.issues).toMatchObject([{ params: { code }, path }]);
  });

  it("refuses an interface that could be read as something else", () => {
    expect(fault.options.safeParse({ linkDown: "node/a", interface: "eth0; reboot" }).success).toBe(false);
  });

  it("reports a misspelt fault once", () => {
    expect(fault.options.safeParse({ linkdown: "node/a" }).error?.issues).toMatchObject([
      { code: "unrecognized_keys" },
    ]);
  });

  it("fails where the cluster cannot break nodes", async () => {
    const run = fault.run({ kind: "pause", node: "worker1" }, [], scenarioContext());
    await expect(run).rejects.toMatchObject({ code: "SCENARIO_NO_FAULTS" });
  });

  it("knows the faults that are there: a restart ends those of its node, a restore its own", () => {
    const { topology } = scenarioContext().plan;
    const pause: Fault = { kind: "pause", node: "worker1" };
    const check = (...earlier: ReturnType<typeof step>[]) => fault.check?.(pause, { topology, earlier })?.code;
    expect(check()).toBeUndefined();
    expect(check(step("fault", pause))).toBe("LAB_FAULT_TWICE");
    expect(check(step("fault", pause), step("restore", pause))).toBeUndefined();
    expect(check(step("fault", pause), step("fault", { kind: "restart", node: "worker1" }))).toBeUndefined();
    expect(check(step("fault", pause), step("fault", { kind: "restart", node: "worker2" }))).toBe("LAB_FAULT_TWICE");
  });

  it("lets a partition and a link's queue stand alone", () => {
    const check = (options: Fault, earlier: Fault) =>
      fault.check?.(options, { topology: undefined, earlier: [step("fault", earlier)] })?.code;
    const limit: Fault = { kind: "rateLimit", node: "worker1", interface: "eth0", bitsPerSecond: 1e6 };
    const delay: Fault = { kind: "delay", node: "worker1", interface: "eth0", delayMs: 5 };
    const one: Fault = { kind: "partition", groups: [["worker1"], ["worker2"]] };
    const other: Fault = { kind: "partition", groups: [["worker1"], ["control-plane"]] };
    expect(check(delay, limit)).toBe("LAB_FAULT_TWICE");
    expect(check({ ...delay, node: "worker2" }, limit)).toBeUndefined();
    expect(check(other, one)).toBe("LAB_FAULT_TWICE");
    expect(check(delay, one)).toBeUndefined();
    expect(check({ kind: "nodeDown", node: "worker1" }, limit)).toBe("LAB_FAULT_TWICE");
    expect(check({ kind: "nodeDown", node: "worker2" }, limit)).toBeUndefined();
  });

  it.each([
    ["rolloutRestart", "rollout"],
    ["podKill", "kill"],
  ])("%s may have a name, and is left to its probes then", async (word, name) => {
    const context = scenarioContext();
    const options = fault.options.parse({ [word]: "shop/deployment/web", name });
    await fault.run(options, [], context);
    expect(context.cluster.log).toEqual([]);
    expect(context.lines[0]).toMatch(new RegExp(`^${name}: .*shop/deployment/web.*, when its probes run$`));
    expect(fault.leavesNothing?.(options)).toBe(true);
  });

  it("restarts a workload and waits until its rollout is complete, on any cluster", async () => {
    const context = scenarioContext();
    const options = fault.options.parse({ rolloutRestart: "shop/deployment/web" });
    await fault.run(options, [], context);
    expect(context.cluster.log).toEqual(["rollout restart shop/Deployment/web"]);
    const ref = { kind: "Deployment", namespace: "shop", name: "web" };
    expect(context.cluster.waits).toEqual([{ condition: { kind: "rollout", ref }, timeoutMs: 300_000 }]);
    expect(fault.references(options)).toEqual([
      { kind: "workload", namespace: "shop", workload: "deployment", name: "web" },
    ]);
    expect(context.lines).toEqual(["all pods of shop/deployment/web were replaced"]);
  });

  it.each([
    ["shop/deployment/nothing", {}, "OBJECT_NOT_FOUND"],
    ["shop/deployment/idle", { kind: "Deployment", spec: { paused: true } }, "FAULT_NOT_POSSIBLE"],
    [
      "shop/daemonset/idle",
      { kind: "DaemonSet", spec: { updateStrategy: { type: "OnDelete" } } },
      "FAULT_NOT_POSSIBLE",
    ],
  ])("cannot restart %s, %j", async (rolloutRestart, object, code) => {
    const metadata = { namespace: "shop", name: "idle" };
    const context = scenarioContext({ objects: [{ apiVersion: "apps/v1", metadata, ...object } as KubeObject] });
    const run = fault.run(fault.options.parse({ rolloutRestart }), [], context);
    await expect(run).rejects.toMatchObject({ code });
    expect(context.cluster.log).toEqual([]);
  });

  it("kills as many pods of a workload as it says, on any cluster", async () => {
    const context = scenarioContext();
    const options = fault.options.parse({ podKill: "shop/deployment/web" });
    await fault.run(options, [], context);
    expect(context.cluster.log).toEqual([expect.stringMatching(/^delete shop\/Pod\/web-\S+$/)]);
    const tooMany = fault.run(
      fault.options.parse({ podKill: "shop/deployment/web", count: 50 }),
      [],
      scenarioContext(),
    );
    await expect(tooMany).rejects.toMatchObject({ code: "FAULT_NO_POD" });
  });
});
