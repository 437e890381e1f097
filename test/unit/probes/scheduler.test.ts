import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { PlannedProbe } from "../../../src/plan/types.ts";
import { runProbes } from "../../../src/probes/scheduler.ts";
import type { ProbeContext, ProbeKind, ProbedCell } from "../../../src/probes/types.ts";
import { shopContext } from "../../fixtures/shop-world.ts";

type Run = (name: string, context: ProbeContext) => Promise<ProbedCell[]>;

const seen: ProbedCell = {
  key: { from: "a", to: "b" },
  observation: { outcome: "allowed", reason: "connected", tries: 1, evidence: [] },
};

function kind(run: Run, exclusive?: ProbeKind["exclusive"]): ProbeKind {
  return {
    kind: "test",
    summary: "",
    options: z.unknown(),
    tools: [],
    ...(exclusive === undefined ? {} : { exclusive }),
    references: () => [],
    run: (options, _from, context) => run(String(options), context),
  };
}

const probe = (name: string, kindName = "plain", rest: Partial<PlannedProbe> = {}): PlannedProbe => ({
  name,
  kind: kindName,
  from: { kind: "pod", namespace: "shop", name },
  options: name,
  expect: "allowed",
  ...rest,
});

/** Lets everything that can go on now go on. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A context whose cluster reads drops from the kernel's records. */
function recordingContext(): ProbeContext {
  const context = shopContext();
  Object.defineProperty(context.cluster, "recordsDrops", { value: true });
  return context;
}

describe("runProbes", () => {
  it("keeps the lab's order whatever ends first, and what the probe was given", async () => {
    const ended: string[] = [];
    let endFirst: (cells: ProbedCell[]) => void = () => undefined;
    const first = new Promise<ProbedCell[]>((resolve) => (endFirst = resolve));
    const plain = kind(async (name) => (name === "first" ? first : [seen]));
    const running = runProbes([probe("first", "plain", { points: 5, hint: "look" }), probe("second")], shopContext(), {
      kinds: { plain },
      lab: "my lab",
      onProbe: ({ name }) => {
        ended.push(name);
        if (name === "second") endFirst([seen]);
      },
    });
    const results = await running;
    expect(ended).toEqual(["second", "first"]);
    expect(results.map(({ name }) => name)).toEqual(["first", "second"]);
    expect(results[0]).toMatchObject({
      kind: "plain",
      points: 5,
      hint: "look",
      expectText: "allowed",
      cells: [{ ...seen, expected: "allowed", rerun: "cnilab probe 'my lab' --only first" }],
    });
  });

  it("runs a few side by side and an exclusive kind with none beside it, last", async () => {
    let running = 0;
    let most = 0;
    let besideExclusive = -1;
    const plain = kind(async () => {
      most = Math.max(most, ++running);
      await turn();
      running--;
      return [seen];
    });
    const alone = kind(async () => {
      besideExclusive = Math.max(besideExclusive, running);
      await turn();
      besideExclusive = Math.max(besideExclusive, running);
      return [seen];
    }, "drop-records");
    const probes = [
      probe("x", "alone"),
      ...Array.from({ length: 12 }, (_, index) => probe(`p${index}`)),
      probe("y", "alone"),
    ];
    const results = await runProbes(probes, recordingContext(), { kinds: { plain, alone } });
    expect(results).toHaveLength(14);
    expect(most).toBe(4);
    expect(besideExclusive).toBe(0);
  });

  it("runs all side by side where no drops are recorded, but for those that fill the links", async () => {
    let running = 0;
    let most = 0;
    const counted = async (): Promise<ProbedCell[]> => {
      most = Math.max(most, ++running);
      await turn();
      running--;
      return [seen];
    };
    let besideLinks = -1;
    const links = kind(async () => {
      besideLinks = running;
      return [seen];
    }, "links");
    const from = { kind: "pod", namespace: "shop", name: "web-1" } as const;
    const probes = [
      probe("fills", "links"),
      ...Array.from({ length: 9 }, (_, index) => probe(`p${index}`, index === 4 ? "records" : "plain", { from })),
    ];
    const kinds = { plain: kind(counted), records: kind(counted, "drop-records"), links };
    const results = await runProbes(probes, shopContext(), { kinds });
    expect(results.map(({ name }) => name)).toEqual(probes.map(({ name }) => name));
    expect(most).toBe(9);
    expect(besideLinks).toBe(0);
  });

  it("runs the probes of one source one after another, however the lab names it", async () => {
    let running = 0;
    let most = 0;
    const plain = kind(async () => {
      most = Math.max(most, ++running);
      await turn();
      running--;
      return [seen];
    });
    const from: PlannedProbe["from"][] = [
      { kind: "pod", namespace: "shop", name: "web-1" },
      { kind: "workload", namespace: "shop", workload: "deployment", name: "web" },
    ];
    const probes = Array.from(
      { length: 6 },
      (_, index) => ({ ...probe(`p${index}`), from: from[index % 2] }) as PlannedProbe,
    );
    await runProbes(probes, recordingContext(), { kinds: { plain } });
    expect(most).toBe(1);
  });

  it("makes an error observation of what a probe throws, with its name as the cell", async () => {
    const broken = kind(() => Promise.reject(new TypeError("undefined is not a function")));
    const [result] = await runProbes([probe("broken one", "plain", { expect: "blocked" })], shopContext(), {
      kinds: { plain: broken },
    });
    expect(result?.cells).toMatchObject([
      {
        key: { from: "shop/broken one", to: "broken one" },
        expected: "blocked",
        observation: { outcome: "error", reason: "internal error: TypeError: undefined is not a function" },
      },
    ]);
  });

  it("makes an error observation of a probe that does not end, even one that ignores its signal", async () => {
    const deaf = kind(() => new Promise(() => undefined));
    const [result] = await runProbes([probe("deaf")], shopContext(), { kinds: { plain: deaf }, probeBoundMs: 20 });
    expect(result?.cells[0]?.observation).toMatchObject({
      outcome: "error",
      reason: "PROBE_TOOK_TOO_LONG: the probe did not end within 0.02 s",
    });
  });

  it("makes an error observation of an unknown kind", async () => {
    const [result] = await runProbes([probe("odd", "constructor")], shopContext(), { kinds: {} });
    expect(result?.cells[0]?.observation?.reason).toBe('PROBE_UNKNOWN_KIND: there is no probe kind "constructor"');
  });

  it("rejects when the run is aborted, and starts nothing more", async () => {
    const abort = new AbortController();
    const started: string[] = [];
    const plain = kind(async (name, { signal }) => {
      started.push(name);
      if (name === "p0") abort.abort(new Error("interrupted"));
      await turn();
      signal.throwIfAborted();
      return [seen];
    });
    const probes = Array.from({ length: 20 }, (_, index) => probe(`p${index}`));
    const running = runProbes(probes, shopContext({}, { signal: abort.signal }), { kinds: { plain } });
    await expect(running).rejects.toThrow("interrupted");
    await turn();
    expect(started).toEqual(["p0"]);
  });

  it("names no cell in the rerun command of a matrix that failed as a whole", async () => {
    const thrown = () => Promise.reject(new Error("no pod matches"));
    const [result] = await runProbes([probe("all", "matrix")], shopContext(), { kinds: { matrix: kind(thrown) } });
    expect(result?.cells[0]?.rerun).not.toContain("--cell");
  });

  it("expects nothing of control cells and names cells of a matrix in their rerun command", async () => {
    const control: ProbedCell = { ...seen, key: { from: "b", to: "b" }, ungraded: "a control" };
    const cells = kind(async () => [seen, control]);
    const [result] = await runProbes([probe("all", "matrix", { expect: "policy" })], shopContext(), {
      kinds: { matrix: cells },
    });
    expect(result?.cells[0]).toMatchObject({
      expected: "policy",
      rerun: "cnilab probe shop-lab --only all --cell a,b",
    });
    expect(result?.cells[1]).not.toHaveProperty("expected");
    expect(result?.cells[1]?.ungraded).toBe("a control");
  });
});
