import { describe, expect, test } from "vitest";
import type { GradeReport, JudgedProbe } from "../../../src/grade/types.ts";
import type { KubeObject, Pod } from "../../../src/kube/types.ts";
import { captureRun, labNames } from "../../../src/run/compare-capture.ts";
import { cell, observation, probe } from "../report/sample-report.ts";
import { calico } from "./captured-run.ts";
import { livePod, planOf, replicaSet, step } from "./reference-plan.ts";

const node = (name: string): KubeObject => ({ apiVersion: "v1", kind: "Node", metadata: { name } });
const pod = (name: string, owner: [string, string] | undefined, nodeName: string): Pod => {
  const made = livePod(name, "10.0.0.1", {}, owner);
  return { ...made, spec: { ...made.spec, nodeName } };
};

describe("names of cells' ends", () => {
  const objects = [
    node("worker1"),
    node("worker2"),
    replicaSet("web-5f", "web"),
    replicaSet("db-9c", "db"),
    pod("web-5f-zzz", ["ReplicaSet", "web-5f"], "worker1"),
    pod("web-5f-aaa", ["ReplicaSet", "web-5f"], "worker2"),
    pod("web-5f-bbb", ["ReplicaSet", "web-5f"], "worker2"),
    pod("db-9c-xyz", ["ReplicaSet", "db-9c"], "worker1"),
    pod("store-0", ["StatefulSet", "store"], "worker1"),
    pod("agent-q8w", ["DaemonSet", "agent"], "worker2"),
    pod("visitor", undefined, "worker1"),
  ];

  test.each([
    ["shop/web-5f-zzz", "shop/deployment/web#1"],
    ["shop/web-5f-aaa", "shop/deployment/web#2"],
    ["shop/web-5f-bbb", "shop/deployment/web#3"],
    ["shop/db-9c-xyz", "shop/deployment/db"],
    ["shop/store-0", "shop/store-0"],
    ["shop/agent-q8w", "shop/daemonset/agent@worker2"],
    ["shop/visitor", "shop/visitor"],
    ["shop/service/web", "shop/service/web"],
    ["node/worker1", "node/worker1"],
  ])("%s is %s, the same on every variant", (end, name) => {
    expect(labNames(objects)(end)).toBe(name);
  });

  test("do not count pods that are going", () => {
    const [first, ...others] = objects.filter(({ metadata }) => metadata.name.startsWith("db"));
    const going = pod("db-9c-abc", ["ReplicaSet", "db-9c"], "worker1");
    going.metadata.deletionTimestamp = "2026-01-01T00:00:00Z";
    expect(labNames([first as KubeObject, ...others, going])("shop/db-9c-xyz")).toBe("shop/deployment/db");
  });
});

describe("a captured run", () => {
  const capture = (probes: JudgedProbe[], plan = planOf([])) => {
    const grade: GradeReport = {
      verdict: "pass",
      probes,
      tasks: [],
      earned: 1,
      possible: 2,
      counts: { pass: 1, fail: 0, inconclusive: 0 },
    };
    return captureRun(plan, grade, { objects: [], state: "untouched", variant: calico, phases: [] });
  };

  test("keeps of what was measured facts and figures, and no address", () => {
    const measured = { status: 200, meanMs: 4, replies: [{ body: "10.0.0.7" }] };
    const seen = observation("allowed", "HTTP 200", { measured });
    const [got] = capture([probe("p", [cell("a", "b", "pass", { observation: seen })])]).cells;
    expect(got?.side.facts).toEqual({ status: 200 });
    expect(got?.figures).toEqual([{ what: "time", unit: "ms", value: 4 }]);
    expect(JSON.stringify(got)).not.toContain("10.0.0.7");
  });

  test("keeps two cells of one name apart, and cells that are not graded", () => {
    const ungraded = { ...cell("a", "b", "pass"), ungraded: "loopback" };
    const run = capture([probe("p", [cell("a", "b", "pass"), cell("a", "b", "fail")], { ungraded: [ungraded] })]);
    expect(run.cells.map(({ to, isUngraded }) => [to, isUngraded])).toEqual([
      ["b", false],
      ["b (2)", false],
      ["b (3)", true],
    ]);
    expect(run.grade).toMatchObject({ cells: 2, earned: 1, possible: 2 });
  });

  test("knows a changed lab by what it does, not by where that is written", () => {
    const span = { file: "a", line: 1, column: 1, length: 1, lineText: "" };
    const digest = (...steps: Parameters<typeof planOf>[0]) => capture([], planOf(steps)).labDigest;
    const scaled = step("scale", [], { replicas: 1 });
    expect(digest({ ...scaled, span })).toBe(digest({ ...scaled, span: { ...span, line: 9 } }));
    expect(digest(scaled)).not.toBe(digest(step("scale", [], { replicas: 2 })));
  });
});
