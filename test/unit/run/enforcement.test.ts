import { describe, expect, it } from "vitest";
import type { KubeObject } from "../../../src/kube/types.ts";
import type { PlannedProbe } from "../../../src/plan/types.ts";
import { judgeCell } from "../../../src/grade/verdict.ts";
import { compareEnforcement } from "../../../src/probes/enforcement.ts";
import { enforcementCell } from "../../../src/run/enforcement-cell.ts";
import { chooseFlows, withChange } from "../../../src/run/enforcement-flows.ts";
import {
  addChange,
  policyDigest,
  type EnforcementRecord,
  type RecordedFlow,
} from "../../../src/run/enforcement-record.ts";
import { planOf } from "./reference-plan.ts";

const probe: PlannedProbe = { name: "p", kind: "matrix", options: {}, expect: { enforcedWithin: 1000 } };
const { cni } = planOf([]);

function flow(name: string, figures: Partial<RecordedFlow["figures"]> = {}): RecordedFlow {
  return {
    probe: "p",
    at: "2026-01-01T00:00:00.000Z",
    flow: name,
    figures: {
      change: "closed",
      requests: 9,
      wrong: 1,
      lateMs: 10,
      enforcedMs: 60,
      flaps: 0,
      watchedMs: 500,
      ...figures,
    },
    seen: "",
  };
}

function policy(name: string, spec: object = {}, namespace?: string): KubeObject {
  const metadata = { name, ...(namespace === undefined ? {} : { namespace }) };
  return { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata, spec };
}

describe("the judgement of a watched change", () => {
  const judged = (record: EnforcementRecord | undefined, policies = "now", enforcesPolicy = true) => {
    const cell = enforcementCell(probe, { record, policies, cni: { ...cni, enforcesPolicy } });
    return judgeCell(
      { key: cell.key, rerun: "", expected: probe.expect, ...(cell.observation && { observation: cell.observation }) },
      { kind: "matrix", compareFigures: (_kind, measured, expected) => compareEnforcement(measured, expected) },
    );
  };
  const record = (flows: RecordedFlow[], unseen: string[] = []): EnforcementRecord => ({
    policies: "now",
    flows,
    unseen: unseen.map((what) => ({ probe: "p", what })),
  });

  it("passes where all was in force in time", () => {
    expect(judged(record([flow("a"), flow("b", { enforcedMs: 1000 })]))).toMatchObject({ verdict: "pass" });
  });

  it("fails where one flow was late, whatever remained unseen", () => {
    const late = flow("b", { lateMs: 1001, enforcedMs: 1050 });
    expect(judged(record([flow("a"), late], ["x"]))).toEqual({
      verdict: "fail",
      reason: "expected in force within 1s, but b still passed 1.001s after the change, in force after 1.05s",
    });
  });

  it("is inconclusive without a change, and where nobody saw the last one", () => {
    const other = { ...record([]), flows: [{ ...flow("a"), probe: "another" }] };
    for (const none of [undefined, record([]), other])
      expect(judged(none)).toMatchObject({ verdict: "inconclusive", reason: expect.stringContaining("no change") });
    expect(judged(record([flow("a")]), "later")).toMatchObject({
      verdict: "inconclusive",
      reason: expect.stringContaining("by a hand that did not watch"),
    });
  });

  it("is inconclusive where something remained unseen or unresolved", () => {
    expect(judged(record([flow("a")], ["x was open before"])).reason).toContain("not all was seen: x was open before");
    expect(judged(record([], ["x"])).verdict).toBe("inconclusive");
    const unresolved = judged(record([flow("a", { lateMs: 900, enforcedMs: 1100 })]));
    expect(unresolved).toMatchObject({ verdict: "inconclusive", reason: expect.stringContaining("within 1s") });
    expect(judged(record([flow("a")]), "now", false).reason).toContain("calico does not enforce NetworkPolicy");
  });
});

describe("what the record keeps", () => {
  const change = { before: "one", after: "two", changed: [], flows: [], unseen: [] };
  const earlier: EnforcementRecord = {
    policies: "one",
    flows: [flow("a"), flow("b")],
    unseen: [
      { probe: "p", what: "x" },
      { probe: "q", what: "y" },
    ],
  };

  it("is the last measurement of each flow, and what remained unseen of the last change of each probe", () => {
    const again = flow("a", { lateMs: 20 });
    const next = addChange(earlier, { ...change, changed: [{ probe: "p", flow: "a" }], flows: [again] });
    expect(next).toEqual({ policies: "two", flows: [flow("b"), again], unseen: [{ probe: "q", what: "y" }] });
  });

  it("has nothing of a flow that changed and was not measured", () => {
    expect(addChange(earlier, { ...change, changed: [{ probe: "p", flow: "a" }] }).flows).toEqual([flow("b")]);
  });

  it("forgets all where policies changed unwatched", () => {
    expect(addChange(earlier, { ...change, before: "other" })).toEqual({ policies: "two", flows: [], unseen: [] });
  });

  it("knows policies by what they say", () => {
    const one = policyDigest([policy("a", { x: 1, y: 2 }), policy("b")]);
    expect(policyDigest([policy("b"), policy("a", { y: 2, x: 1 }), { ...policy("c"), kind: "Service" }])).toBe(one);
    expect(policyDigest([policy("b"), policy("a", { y: 2, x: 2 })])).not.toBe(one);
    expect(policyDigest([policy("b")])).not.toBe(one);
  });
});

describe("the objects as they will be", () => {
  const names = (objects: readonly KubeObject[]): string[] =>
    objects.map(({ metadata: { namespace, name } }) => `${namespace}/${name}`);

  it("have policies replaced, added and removed, and nothing else", () => {
    const objects = [policy("a", {}, "default"), policy("b", {}, "shop"), { ...policy("c", {}, "shop"), kind: "Pod" }];
    const spec = { podSelector: {} };
    const next = withChange(objects, {
      apply: [policy("a", spec), { ...policy("d"), kind: "Pod" }],
      delete: [{ kind: "NetworkPolicy", namespace: "shop", name: "b" }],
    });
    expect(names(next)).toEqual(["shop/c", "default/a"]);
    expect(next[1]?.["spec"]).toEqual(spec);
    expect(names(withChange(objects, { apply: [], delete: [{ kind: "Namespace", name: "shop" }] }))).toEqual([
      "default/a",
      "shop/c",
    ]);
  });
});

describe("the flows that are watched", () => {
  const of = (name: string, ...groups: string[]) => ({ flow: name, groups });

  it("are one of each group first, of as few groups as there are, and the same in whatever order", () => {
    const flows = [of("a", "x", "y"), of("b", "x"), of("c", "x"), of("d", "y"), of("e", "x", "z")];
    const { chosen, missed } = chooseFlows(flows, 3);
    expect(chosen.map((each) => each.flow)).toEqual(["b", "d", "e"]);
    expect(missed).toEqual([]);
    expect(chooseFlows(flows.toReversed(), 3).chosen).toEqual(chosen);
    expect(chooseFlows(flows, 4).chosen.map((each) => each.flow)).toEqual(["b", "c", "d", "e"]);
  });

  it("leave out no group in silence", () => {
    expect(chooseFlows([of("a", "x"), of("b", "y"), of("c", "z")], 2)).toEqual({
      chosen: [of("a", "x"), of("b", "y")],
      missed: ["z"],
    });
  });
});
