import { describe, expect, test } from "vitest";
import { LabError } from "../../../src/core/errors.ts";
import type { PlannedObject } from "../../../src/plan/types.ts";
import type { RunContext } from "../../../src/run/context.ts";
import { keyOf } from "../../../src/run/reference-objects.ts";
import { canFollow, isFullPass, isRefusal, SolutionState } from "../../../src/run/try-mutants.ts";
import { fakeCluster, type FakeAnswers } from "../../fixtures/fake-cluster.ts";
import { manifest, planOf } from "./reference-plan.ts";

const service = (name: string, port: number): PlannedObject[] =>
  manifest(
    "s.yaml",
    `{ kind: Service, metadata: { name: ${name}, namespace: shop }, spec: { ports: [{ port: ${port} }] } }`,
  );
const policy = (name: string, spec: string): PlannedObject[] =>
  manifest("p.yaml", `{ kind: NetworkPolicy, metadata: { name: ${name}, namespace: shop }, spec: ${spec} }`);
const deployment = manifest("d.yaml", "{ kind: Deployment, metadata: { name: web, namespace: shop } }");

const context: RunContext = {
  env: {},
  stateRoot: "/nowhere",
  signal: new AbortController().signal,
  emit: () => undefined,
  now: () => new Date(0),
  monotonicMs: () => 0,
};

function lab(untouched: readonly PlannedObject[], answers: FakeAnswers = {}) {
  const cluster = fakeCluster(answers);
  const plan = planOf([]);
  const record = {
    schemaVersion: 1 as const,
    lab: "lab",
    provider: "netns",
    handle: {},
    state: "starting" as const,
    plan,
    createdAt: "",
    updatedAt: "",
    controls: [],
  };
  const state = new SolutionState(new Map(untouched.map(({ object }) => [keyOf(object), object])));
  const change = async (...objects: PlannedObject[]): Promise<string[]> => {
    cluster.log.length = 0;
    await state.change({ plan, cluster, record }, objects, context);
    return [...cluster.log];
  };
  return { change };
}

describe("going from one variant of a solution to the next", () => {
  test("changes only what differs, and takes away what is left out", async () => {
    const { change } = lab([]);
    const [one, other] = [policy("one", "{ podSelector: {} }"), policy("two", "{ podSelector: {} }")];
    expect(await change(...one, ...other)).toEqual(["apply shop/NetworkPolicy/one shop/NetworkPolicy/two", "settle"]);
    expect(await change(...other)).toEqual(["delete shop/NetworkPolicy/one", "settle"]);
    const changed = policy("two", "{ podSelector: {}, policyTypes: [Egress] }");
    expect(await change(...one, ...changed)).toEqual(["apply shop/NetworkPolicy/one shop/NetworkPolicy/two", "settle"]);
    expect(await change(...one, ...changed)).toEqual(["settle"]);
  });

  test("makes a Service of the solution anew, and gives the lab's own its untouched state back", async () => {
    const { change } = lab(service("web", 80));
    expect(await change(...service("web", 81), ...service("new", 80))).toEqual([
      "apply shop/Service/web shop/Service/new",
      "settle",
    ]);
    expect(await change(...service("new", 81))).toEqual([
      "delete shop/Service/new",
      "apply shop/Service/web shop/Service/new",
      "settle",
    ]);
  });

  test("waits for workloads no longer than a mutant is worth, and settles all the same", async () => {
    let waited = 0;
    const timesOut = lab([], {
      wait: (_condition, { timeoutMs }) => {
        waited = timeoutMs;
        throw new LabError("WAIT_TIMEOUT", "not yet");
      },
    });
    expect(await timesOut.change(...deployment)).toEqual(["apply shop/Deployment/web", "settle"]);
    expect(waited).toBe(10_000);
    const fails = lab([], {
      wait: () => {
        throw new LabError("OBJECT_NOT_FOUND", "gone");
      },
    });
    await expect(fails.change(...deployment)).rejects.toThrow("gone");
  });
});

test("only policies and Services can follow one another in one cluster", () => {
  expect(canFollow([...service("web", 80), ...policy("one", "{}")])).toBe(true);
  expect(canFollow([...service("web", 80), ...deployment])).toBe(false);
});

test("a full pass is every point and nothing open", () => {
  expect(isFullPass({ verdict: "pass", earned: 10, possible: 10, notPassed: [] })).toBe(true);
  expect(isFullPass({ verdict: "inconclusive", earned: 10, possible: 10, notPassed: [] })).toBe(false);
  expect(isFullPass({ verdict: "pass", earned: 9, possible: 10, notPassed: [] })).toBe(false);
  const required = { verdict: "pass", earned: 10, possible: 10 } as const;
  expect(isFullPass({ ...required, bonus: { earned: 2, possible: 2 }, notPassed: [] })).toBe(true);
  expect(isFullPass({ ...required, bonus: { earned: 1, possible: 2 }, notPassed: [] })).toBe(false);
  expect(isFullPass({ ...required, bonus: { earned: 2, possible: 2 }, notPassed: ["a guard of the bonus"] })).toBe(
    false,
  );
});

test("what the API says of an object is told from a cluster that fails", () => {
  expect(isRefusal(new LabError("FIELD_IMMUTABLE", ""))).toBe(true);
  expect(isRefusal(new LabError("LAB_PROCESS_ENDED", ""))).toBe(false);
  expect(isRefusal(new Error("x"))).toBe(false);
});
