import { describe, expect, test } from "vitest";
import type { RunEvent } from "../../../src/core/events.ts";
import { LabError } from "../../../src/core/errors.ts";
import type { Plan } from "../../../src/plan/types.ts";
import { providers } from "../../../src/providers/registry.ts";
import { runJobs, type ClusterMaker, type CompareJob } from "../../../src/run/compare-jobs.ts";
import type { RunContext } from "../../../src/run/context.ts";
import { fakeCluster } from "../../fixtures/fake-cluster.ts";
import { calico, flannel } from "./captured-run.ts";
import { planOf, step } from "./reference-plan.ts";

function job(name: string, change: Partial<Plan> = {}, states: CompareJob["states"] = ["untouched"]): CompareJob {
  const plan = planOf([]);
  const variant = change.cni?.name === "flannel" ? flannel : calico;
  return { plan: { ...plan, lab: { ...plan.lab, name }, ...change }, variant, states };
}

const otherCni = { cni: { ...planOf([]).cni, name: "flannel" } };
/** A step that no cluster of these tests can do. */
const broken = { scenario: [step("exec", [], { in: { kind: "node", name: "none" }, command: ["true"] })] };

interface World {
  context: RunContext;
  maker: ClusterMaker;
  /** What was made, reset and removed, in its order. */
  log: string[];
  events: RunEvent[];
  abort: AbortController;
  most: () => number;
}

function world({ canReset = true, onReset = () => undefined as void, failsToRemove = false } = {}): World {
  const log: string[] = [];
  const events: RunEvent[] = [];
  const abort = new AbortController();
  let there = 0;
  let most = 0;
  const maker: ClusterMaker = {
    canReset: () => canReset,
    make: async (plan, undo) => {
      const { name } = plan.lab;
      log.push(`make ${name}`);
      most = Math.max(most, ++there);
      undo.register({ title: name, run: async () => void (log.push(`undo ${name}`), there--) });
      const cluster = fakeCluster();
      cluster.reset = async () => {
        log.push(`reset ${name}`);
        onReset();
        return { changes: [], durationMs: 1 };
      };
      return {
        plan,
        wish: plan,
        provider: providers.netns,
        cluster,
        stateDirectory: "/nowhere",
        record: {
          schemaVersion: 1,
          lab: name,
          provider: "netns",
          handle: {},
          state: "starting",
          plan,
          createdAt: "",
          updatedAt: "",
          controls: [],
        },
        up: { cluster, detach: async () => undefined, handle: {} },
        unlock: () => undefined,
      };
    },
    remove: async ({ plan }) => {
      if (failsToRemove) throw new LabError("LAB_STUCK", "it stays");
      there--;
      log.push(`remove ${plan.lab.name}`);
    },
  };
  const context: RunContext = {
    env: {},
    stateRoot: "/nowhere",
    signal: abort.signal,
    emit: (event) => void events.push(event),
    now: () => new Date(0),
    monotonicMs: () => 0,
  };
  return { context, maker, log, events, abort, most: () => most };
}

const run = (jobs: CompareJob[], { context, maker }: World, parallel = 1) =>
  runJobs(jobs, { parallel }, context, maker);

describe("jobs of a comparison", () => {
  test("that need the same cluster follow one another on one, reset between them", async () => {
    const there = world();
    const jobs = [job("one"), job("two"), job("three", otherCni), job("four")];
    const { results, failures } = await run(jobs, there);
    expect(there.log).toEqual([
      "make one-calico-vxlan-netns",
      "reset one-calico-vxlan-netns",
      "reset one-calico-vxlan-netns",
      "remove one-calico-vxlan-netns",
      "make three-flannel-vxlan-netns",
      "remove three-flannel-vxlan-netns",
    ]);
    const labs = jobs.map((each) => {
      const result = results.get(each);
      return result !== undefined && "runs" in result ? result.runs.map(({ lab }) => lab.name) : result;
    });
    expect(labs).toEqual([["one"], ["two"], ["three"], ["four"]]);
    expect(failures).toEqual([]);
  });

  test("have a cluster each where none can be reset, and as many at once as was said", async () => {
    const there = world({ canReset: false });
    await run([job("one"), job("two"), job("three")], there, 2);
    expect(there.log.filter((line) => line.startsWith("make"))).toHaveLength(3);
    expect(there.log.filter((line) => line.startsWith("remove"))).toHaveLength(3);
    expect(there.most()).toBe(2);
  });

  test("that fail are told with their reason, and the next one gets a cluster of its own", async () => {
    const there = world();
    const jobs = [job("one"), job("two", broken), job("three")];
    const { results } = await run(jobs, there);
    expect(there.log).toEqual([
      "make one-calico-vxlan-netns",
      "reset one-calico-vxlan-netns",
      "undo one-calico-vxlan-netns",
      "make three-calico-vxlan-netns",
      "remove three-calico-vxlan-netns",
    ]);
    expect(jobs.map((each) => Object.keys(results.get(each) ?? {}))).toEqual([["runs"], ["error"], ["runs"]]);
  });

  test("that fail at the reset or at the end leave nothing", async () => {
    const there = world({
      onReset: () => {
        throw new LabError("RESET_UNCLEAN", "a chain is left");
      },
    });
    const jobs = [job("one"), job("two")];
    const { results } = await run(jobs, there);
    expect(there.log.at(-1)).toBe("undo one-calico-vxlan-netns");
    expect(results.get(jobs[1] as CompareJob)).toMatchObject({ error: { code: "RESET_UNCLEAN" } });
  });

  test("keep their grades where the cluster cannot be removed", async () => {
    const there = world({ failsToRemove: true });
    const only = job("one");
    const { results, failures } = await run([only], there);
    expect(results.get(only)).toMatchObject({ runs: [{ lab: { name: "one" } }] });
    expect(failures).toMatchObject([{ code: "LAB_STUCK" }]);
  });

  test("leave nothing when they are interrupted between two", async () => {
    const there = world({ onReset: () => there.abort.abort(new LabError("INTERRUPTED", "interrupted")) });
    await expect(run([job("one"), job("two"), job("three")], there)).rejects.toMatchObject({ code: "INTERRUPTED" });
    expect(there.log.at(-1)).toBe("undo one-calico-vxlan-netns");
  });

  test("say in their progress which of them it is about", async () => {
    const there = world();
    await run([job("one")], there);
    const titles = there.events.flatMap((event) => (event.type === "phase-started" ? [event.title] : []));
    expect(titles[0]).toBe("one on calico:vxlan, netns: make 2 nodes with calico");
    expect(titles.at(-1)).toBe("one on calico:vxlan, netns: remove one");
  });

  test("have names that a host name can hold", async () => {
    const there = world();
    await run([job("a".repeat(40), { cni: { ...planOf([]).cni, mode: "m".repeat(40) } })], there);
    const name = there.log[0]?.replace("make ", "") ?? "";
    expect(name).toMatch(/^[a-z0-9][-a-z0-9]{0,61}[a-z0-9]$/);
  });
});
