import { describe, expect, it } from "vitest";
import {
  compareEnforcement,
  enforcementExpect,
  enforcementFigures,
  isUnresolved,
  observeEnforcement,
  requestsText,
  type EnforcedFlow,
  type FlowChange,
} from "../../../src/probes/enforcement.ts";
import type { FlowRequest } from "../../../src/probes/request-flow.ts";

/** Requests every 100 ms from 0 on, decided 10 ms later; their round ends after 40 ms. The change is accepted at 300 ms. */
function requests(seen: string): FlowRequest[] {
  return [...seen].map((letter, index) => ({
    sentMs: index * 100,
    endMs: index * 100 + 40,
    result: { id: 0, outcome: letter === "+" ? "answered" : "no-answer", detail: "", latencyMs: 10 },
  }));
}

const figures = (seen: string, change: FlowChange = "closed") => enforcementFigures(requests(seen), 300, change);

function flow(name: string, seen: string, change: FlowChange = "closed"): EnforcedFlow {
  return { flow: name, figures: figures(seen, change), seen: requestsText(requests(seen), 300) };
}

describe("the figures of a flow across a change of policies", () => {
  it("say when it still passed for certain, and by when it was blocked", () => {
    expect(figures("+++" + "++" + "-----")).toEqual({
      change: "closed",
      requests: 7,
      wrong: 2,
      lateMs: 100,
      enforcedMs: 230,
      flaps: 0,
      watchedMs: 640,
    });
  });

  it("say when it was still blocked, where it is to pass", () => {
    expect(figures("---" + "---" + "+++++", "opened")).toMatchObject({ wrong: 3, lateMs: 200, enforcedMs: 330 });
  });

  it("count how often it went back, and from the last time on", () => {
    expect(figures("+++" + "+----++-+-----")).toMatchObject({ flaps: 2, wrong: 4, lateMs: 800, enforcedMs: 930 });
  });

  it("know no end of what is not steady", () => {
    expect(figures("+++" + "+++++++")).not.toHaveProperty("enforcedMs");
    expect(figures("+++" + "++----")).not.toHaveProperty("enforcedMs");
  });

  it("say nothing of requests before the change was accepted", () => {
    expect(figures("+-+" + "-----")).toMatchObject({ requests: 5, wrong: 0, lateMs: 0, enforcedMs: 30, flaps: 0 });
  });
});

describe("what a probe of several flows measured", () => {
  it("is that of the slowest, with the flaps of all", () => {
    const seen = observeEnforcement([flow("a", "+++-----"), flow("c", "++++++-----"), flow("b", "++++-+-----")]);
    expect(seen).toMatchObject({ outcome: "dropped", measured: { worst: "b", lateMs: 200, flaps: 1, flows: 3 } });
    expect(seen.reason).toBe(
      "slowest of 3 flows: b in force after 330ms, 2 of 8 requests still passed; went back 1 time",
    );
    expect(seen.evidence.map(({ text }) => text)).toEqual([
      "b, closed by the change: answered at -300ms; no-answer at 100ms; answered at 200ms; no-answer at 300ms; last request at 700ms",
      "c, closed by the change: answered at -300ms; no-answer at 300ms; last request at 700ms",
      "a, closed by the change: answered at -300ms; no-answer at 0ms; last request at 400ms",
    ]);
  });

  it("is late only where a request shows it", () => {
    const compare = (seen: string, within: number, change: FlowChange = "closed") =>
      compareEnforcement(observeEnforcement([flow("a", seen, change)]).measured ?? {}, { enforcedWithin: within });
    expect(compare("++++++-----", 300)).toBeUndefined();
    expect(compare("++++++-----", 200)).toBeUndefined();
    expect(compare("++++++-----", 150)).toBe(
      "expected in force within 150ms, but a still passed 200ms after the change, in force after 330ms",
    );
    expect(compare("---" + "----", 200, "opened")).toBe(
      "expected in force within 200ms, but a was still blocked 300ms after the change, was not steady when watched for 340ms",
    );
    expect(compare("+++" + "-+--+-----", 300)).toContain("; flows went back 2 times");
  });

  it("is unresolved between the last wrong request and the first right one", () => {
    expect([150, 200, 300, 329, 330].map((ms) => isUnresolved(figures("++++++-----"), ms))).toEqual([
      false,
      true,
      true,
      true,
      false,
    ]);
    expect(isUnresolved(figures("+++---"), 100)).toBe(true);
  });
});

it("takes times from 100ms to 60s", () => {
  const accepts = (enforcedWithin: string): boolean => enforcementExpect.safeParse({ enforcedWithin }).success;
  expect(["100ms", "2s", "60s"].map(accepts)).toEqual([true, true, true]);
  expect(["99ms", "61s", "soon"].map(accepts)).toEqual([false, false, false]);
});
