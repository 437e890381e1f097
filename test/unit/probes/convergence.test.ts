import { describe, expect, it } from "vitest";
import { convergenceFigures } from "../../../src/probes/convergence-figures.ts";
import type { SettledState } from "../../../src/probes/convergence-figures.ts";
import { convergence } from "../../../src/probes/convergence.ts";
import type { ProbedChange } from "../../../src/probes/types.ts";
import type { SweepCellResult } from "../../../src/providers/types.ts";
import { shopContext } from "../../fixtures/shop-world.ts";

const web = { kind: "pod", namespace: "shop", name: "web-1" } as const;
const options = { to: "shop/deployment/db", port: 5432, every: "20ms", for: "1s" };
type Seen = SweepCellResult["outcome"];

/** Requests every 100 ms from 0 on, each ended 10 ms later; the change is asked for at 1000 ms and made 50 ms later. */
function figures(seen: string, settles: SettledState = "answered") {
  const flow = [...seen].map((letter, index) => ({
    sentMs: index * 100,
    endMs: index * 100 + 10,
    result: { id: 0, outcome: (letter === "+" ? "answered" : "no-answer") as Seen, detail: "", latencyMs: 10 },
  }));
  return convergenceFigures(flow, { askedMs: 1000, madeMs: 1050 }, settles);
}

describe("the figures of a flow across a change", () => {
  it("are of what failed after it, to the first request of those that were all answered", () => {
    expect(figures("++++++++++++---++++++")).toEqual({
      settles: "answered",
      before: "answered",
      requests: 11,
      wrong: 3,
      changeMs: 50,
      watchedMs: 1010,
      firstFailureMs: 200,
      lastFailureMs: 400,
      convergedMs: 500,
      outageMs: 300,
    });
  });

  it("add up what comes and goes, and have converged when the last failure is over", () => {
    expect(figures("+++++++++++-+--+++++")).toMatchObject({ outageMs: 300, lastFailureMs: 400, convergedMs: 500 });
  });

  it("count what had failed before, but not before the change", () => {
    expect(figures("----------" + "--+++++")).toMatchObject({
      before: "silent",
      wrong: 2,
      firstFailureMs: 0,
      convergedMs: 200,
    });
  });

  it("are 0 where nothing failed", () => {
    const seen = figures("+".repeat(20));
    expect(seen).toMatchObject({ wrong: 0, convergedMs: 0, outageMs: 0 });
    expect(seen).not.toHaveProperty("firstFailureMs");
  });

  it("know no end of what went on to the end, or ended only just before it", () => {
    expect(figures("+++++++++++---------")).not.toHaveProperty("convergedMs");
    expect(figures("++++++++++------++++")).not.toHaveProperty("convergedMs");
    expect(figures("++++++++++-----+++++")).toMatchObject({ convergedMs: 500 });
  });

  it("are of leaks, where requests are to be silent", () => {
    expect(figures("+++++++++++++-------", "silent")).toMatchObject({
      wrong: 3,
      firstLeakMs: 0,
      lastLeakMs: 200,
      leakedMs: 300,
      convergedMs: 300,
    });
  });
});

/** A shop whose database answers as `answers` says by the number of requests since the change; negative before it. */
async function watch(answers: (since: number) => Seen, more: Record<string, unknown> = {}, change?: ProbedChange) {
  let since = Number.NEGATIVE_INFINITY;
  const made: string[] = [];
  const own: ProbedChange = {
    sampled: async () => void made.push("sampled"),
    flowing: async () => {
      made.push("flowing");
      const askedMs = performance.now();
      since = 0;
      return { askedMs, madeMs: performance.now() };
    },
  };
  const context = shopContext(
    { sweep: () => ({ outcome: answers(since++), detail: "it was", latencyMs: 0.1 }) },
    { change: change ?? own },
  );
  const [cell] = await convergence.run(convergence.options.parse({ ...options, ...more }), web, context);
  return { cell, seen: cell?.observation, context, made };
}

const verdict = (measured: Record<string, unknown> | undefined, expected: Record<string, unknown>) =>
  convergence.compare?.(measured ?? {}, convergence.expect?.parse(expected) ?? {}, shopContext());

describe("convergence", () => {
  it.concurrent("samples, sends while the change is made, and tells when all was answered again", async () => {
    const { cell, seen, made, context } = await watch((since) => (since >= 0 && since < 10 ? "no-answer" : "answered"));
    expect(made).toEqual(["sampled", "flowing"]);
    expect(cell?.key).toMatchObject({ from: "shop/web-1", to: "shop/deployment/db", port: 5432, protocol: "tcp" });
    expect(seen).toMatchObject({ outcome: "allowed", measured: { settles: "answered", wrong: 10 } });
    expect(seen?.measured?.["convergedMs"]).toBeGreaterThan(150);
    expect(seen?.measured?.["convergedMs"]).toBeLessThan(900);
    expect(seen?.evidence.at(-1)?.text).toMatch(/answered at 0ms; no-answer \(it was\) at .*; answered at/);
    expect(context.cluster.sweeps.length).toBeLessThanOrEqual(60);
    expect(verdict(seen?.measured, { within: "1s" })).toBeUndefined();
    expect(verdict(seen?.measured, { within: "100ms" })).toMatch(/^expected within 100ms, observed \d+ms$/);
    expect(verdict(seen?.measured, { outage: "< 10 ms" })).toMatch(/^expected outage < 10 ms, observed \d+ms$/);
  });

  it.concurrent("fails, whatever the bound, what still failed at the end", async () => {
    const { seen } = await watch((since) => (since >= 0 ? "refused" : "answered"));
    expect(seen?.outcome).toBe("rejected");
    expect(verdict(seen?.measured, { within: "1s" })).toMatch(/^expected within 1s, observed still failing after 1/);
    expect(verdict(seen?.measured, { outage: "<= 1 m" })).toContain("observed still failing");
  });

  it.concurrent("watches for leaks", async () => {
    const { seen } = await watch((since) => (since < 5 ? "answered" : "no-answer"), { settles: "silent" });
    expect(seen).toMatchObject({ outcome: "dropped", measured: { settles: "silent" } });
    expect(seen?.measured?.["wrong"]).toBeGreaterThanOrEqual(5);
    expect(verdict(seen?.measured, { within: "900ms", leaked: "<= 900 ms" })).toBeUndefined();
    const open = await watch(() => "answered", { settles: "silent" });
    expect(verdict(open.seen?.measured, { leaked: "<= 1 m" })).toMatch(/observed still answered after 1/);
  });

  it("proves nothing without traffic before", async () => {
    const { seen, made } = await watch((since) => (since < -2 ? "no-answer" : "answered"));
    expect(seen?.outcome).toBe("error");
    expect(seen?.reason).toBe("CONVERGENCE_NO_TRAFFIC: only 0 of 5 requests were answered before the fault");
    expect(made).toEqual([]);
  });

  it("is an error where a request cannot be sent, the change is not made, or there is none", async () => {
    expect((await watch((since) => (since >= 0 ? "error" : "answered"))).seen?.reason).toMatch(/^CONVERGENCE_NOT_SENT/);
    const refused = { sampled: async () => undefined, flowing: () => Promise.reject(new Error("no such link")) };
    expect((await watch(() => "answered", {}, refused)).seen?.reason).toBe("internal error: Error: no such link");
    const [cell] = await convergence.run(convergence.options.parse(options), web, shopContext());
    expect(cell?.observation?.reason).toMatch(/^CONVERGENCE_NO_CHANGE/);
  });

  it("takes expectations that its options can answer", () => {
    const problem = (more: Record<string, unknown>, expected: Record<string, unknown>) =>
      convergence.expectProblem?.(
        convergence.options.parse({ ...options, ...more }),
        convergence.expect?.parse(expected) ?? {},
      );
    expect(problem({}, { within: "1s" })).toBeUndefined();
    expect(problem({}, { within: "2s" })).toContain("watched for 1s");
    expect(problem({}, { leaked: "< 1 s" })).toContain("settle to be silent");
    expect(problem({ settles: "silent" }, { outage: "< 1 s" })).toContain("settle to be answered");
  });
});
