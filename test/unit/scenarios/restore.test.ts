import { describe, expect, it } from "vitest";
import type { Fault, FaultPlace } from "../../../src/providers/fault.ts";
import { restore } from "../../../src/scenarios/restore.ts";
import { scenarioContext } from "../../fixtures/scenario-context.ts";

const linkDown = (node: string, name: string): Fault => ({ kind: "linkDown", node, interface: name });

describe("restore", () => {
  it("takes the fault back and waits for the effect", async () => {
    const context = scenarioContext();
    const restored: FaultPlace[] = [];
    context.cluster.restore = async (each) => void restored.push(each);
    await restore.run(restore.options.parse({ linkDown: "node/worker1", interface: "eth1" }), [], context);
    expect(restored).toEqual([linkDown("worker1", "eth1")]);
    expect(context.cluster.log).toEqual(["settle"]);
  });

  it.each([
    { restart: "node/worker1" },
    { killCniAgent: "node/worker1" },
    { podKill: "shop/deployment/web" },
    { rolloutRestart: "shop/deployment/web" },
  ])("refuses %j, which comes back by itself", (written) => {
    const { error } = restore.options.safeParse(written);
    expect(error?.issues).toMatchObject([{ params: { code: "LAB_RESTORE_NOT_NEEDED" }, path: Object.keys(written) }]);
  });

  it("takes no duration, and takes back a fault that has one", () => {
    const { error } = restore.options.safeParse({ linkDown: "node/worker1", duration: "30s" });
    expect(error?.issues).toMatchObject([{ params: { code: "LAB_FAULT_DURATION" }, path: ["duration"] }]);
    const lasting = { kind: "linkDown", node: "worker1", interface: "eth0", durationMs: 30_000 } as const;
    const earlier = [{ kind: "fault", options: lasting, objects: [] }];
    expect(restore.check?.(linkDown("worker1", "eth0"), { topology: undefined, earlier })).toBeUndefined();
  });

  it("takes back what the fault step gave an amount, without it", () => {
    const earlier = [
      { kind: "fault", options: { kind: "loss", node: "worker1", interface: "eth0", percent: 5 }, objects: [] },
      { kind: "fault", options: { kind: "partition", groups: [["a"], ["b", "c"]] }, objects: [] },
    ];
    const check = (written: unknown) =>
      restore.check?.(restore.options.parse(written), { topology: undefined, earlier })?.code;
    expect(check({ loss: "node/worker1" })).toBeUndefined();
    expect(check({ loss: "node/worker1", interface: "eth1" })).toBe("LAB_RESTORE_WITHOUT_FAULT");
    expect(check({ partition: [["node/c", "node/b"], ["node/a"]] })).toBeUndefined();
    expect(check({ partition: [["node/c"], ["node/a"]] })).toBe("LAB_RESTORE_WITHOUT_FAULT");
    const { error } = restore.options.safeParse({ loss: "node/worker1", percent: 5 });
    expect(error?.issues).toMatchObject([{ params: { code: "LAB_FAULT_OPTION" }, path: ["percent"] }]);
  });

  it.each<[string, Fault | undefined, string | undefined]>([
    ["no fault before it", undefined, "LAB_RESTORE_WITHOUT_FAULT"],
    ["the same fault before it", linkDown("worker1", "eth0"), undefined],
    ["a fault of another node before it", linkDown("worker2", "eth0"), "LAB_RESTORE_WITHOUT_FAULT"],
    ["a fault of another interface before it", linkDown("worker1", "eth1"), "LAB_RESTORE_WITHOUT_FAULT"],
    ["another fault before it", { kind: "pause", node: "worker1" }, "LAB_RESTORE_WITHOUT_FAULT"],
  ])("with %s", (_what, fault, code) => {
    const earlier = fault === undefined ? [] : [{ kind: "fault", options: fault, objects: [] }];
    expect(restore.check?.(linkDown("worker1", "eth0"), { topology: undefined, earlier })?.code).toBe(code);
  });

  it("fails where the cluster cannot mend nodes", async () => {
    const run = restore.run({ kind: "pause", node: "worker1" }, [], scenarioContext());
    await expect(run).rejects.toMatchObject({ code: "SCENARIO_NO_FAULTS" });
  });
});
