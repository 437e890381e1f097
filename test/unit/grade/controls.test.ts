import { describe, expect, it } from "vitest";
import { controlKey } from "../../../src/grade/control-rows.ts";
import { attachControls, LastControls, mergeControls, recordControls } from "../../../src/grade/controls.ts";
import type { Cell, Outcome } from "../../../src/grade/types.ts";
import { cell, probe, saw } from "./cells.ts";

const NOW = "2026-01-02T00:00:00.000Z";
const THEN = "2026-01-01T00:00:00.000Z";

function flow(
  from: string,
  to: string,
  outcome: Outcome | undefined,
  more: Partial<Cell["key"]> = {},
  rest: Partial<Cell> = {},
): Cell {
  return cell("blocked", outcome === undefined ? undefined : saw(outcome), {
    key: { from, to, port: 80, protocol: "tcp", ...more },
    ...rest,
  });
}

function controlOf(cells: Cell[], earlier = recordControls([], THEN)) {
  return attachControls([probe("p", cells)], earlier, NOW)[0]?.cells.at(-1)?.control;
}

describe("a positive control", () => {
  it("is another source that the same destination answered, in any probe of the run", () => {
    const probes = [probe("p", [flow("c", "b", "allowed")]), probe("q", [flow("a", "b", "dropped")])];
    expect(attachControls(probes, [], NOW)[1]?.cells[0]?.control).toEqual({ by: "another-source", from: "c", at: NOW });
  });

  it("is not an answer on another port, protocol or destination", () => {
    const blocked = flow("a", "b", "dropped");
    expect(controlOf([flow("c", "b", "allowed", { port: 81 }), blocked])).toBeUndefined();
    expect(controlOf([flow("c", "b", "allowed", { protocol: "udp" }), blocked])).toBeUndefined();
    expect(controlOf([flow("c", "d", "allowed"), blocked])).toBeUndefined();
  });

  it.each(["rejected", "dropped", "error", undefined] as const)("is never a cell that was %s", (outcome) => {
    expect(controlOf([flow("c", "b", outcome), flow("a", "b", "dropped")])).toBeUndefined();
    expect(recordControls([probe("p", [flow("c", "b", outcome)])], NOW)).toEqual([]);
  });

  it("is not the cell's own source in the same run", () => {
    expect(controlOf([flow("a", "b", "allowed"), flow("a", "b", "dropped")])).toBeUndefined();
  });

  it("prefers another source to the destination itself", () => {
    const blocked = flow("a", "b", "dropped");
    expect(controlOf([flow("b", "b", "allowed"), blocked])).toEqual({ by: "itself", from: "b", at: NOW });
    expect(controlOf([flow("b", "b", "allowed"), flow("c", "b", "allowed"), blocked])?.from).toBe("c");
  });

  it("falls back to what was recorded: this source before, then anyone", () => {
    const anyone = recordControls([probe("p", [flow("c", "b", "allowed")])], THEN);
    const both = recordControls([probe("p", [flow("c", "b", "allowed"), flow("a", "b", "allowed")])], THEN);
    const itself = recordControls([probe("p", [flow("b", "b", "allowed")])], THEN);
    const blocked = flow("a", "b", "dropped");
    expect(controlOf([blocked], anyone)).toEqual({ by: "another-source", from: "c", at: THEN });
    expect(controlOf([blocked], both)).toEqual({ by: "before", from: "a", at: THEN });
    expect(controlOf([blocked], itself)).toEqual({ by: "itself", from: "b", at: THEN });
    expect(controlOf([flow("d", "b", "allowed"), blocked], both)).toEqual({ by: "another-source", from: "d", at: NOW });
  });

  it("is nothing from before once the destination refuses itself: its server is gone", () => {
    const earlier = recordControls([probe("p", [flow("c", "b", "allowed")])], THEN);
    const blocked = flow("a", "b", "dropped");
    expect(controlOf([flow("b", "b", "rejected"), blocked], earlier)).toBeUndefined();
    expect(controlOf([flow("b", "b", "dropped"), blocked], earlier)).toBeDefined();
    expect(controlOf([flow("b", "b", "rejected", { port: 81 }), blocked], earlier)).toBeDefined();
    expect(controlOf([flow("x", "b", "rejected"), blocked], earlier)).toBeDefined();
  });

  it("goes to rejected cells too, and to none that answered or was never probed", () => {
    expect(controlOf([flow("c", "b", "allowed"), flow("a", "b", "rejected")])).toBeDefined();
    expect(controlOf([flow("c", "b", "allowed"), flow("a", "b", "allowed")])).toBeUndefined();
    expect(controlOf([flow("c", "b", "allowed"), flow("a", "b", undefined)])).toBeUndefined();
  });

  it("goes by the destination's identity when there is one: a new pod of the old name must answer anew", () => {
    const old = flow("c", "b", "allowed", {}, { destination: "b@10.0.0.1" });
    expect(controlOf([old, flow("a", "b", "dropped", {}, { destination: "b@10.0.0.2" })])).toBeUndefined();
    expect(controlOf([old, flow("a", "other name", "dropped", {}, { destination: "b@10.0.0.1" })])).toBeDefined();
  });

  it("without a port is of one kind: a name that resolves does not vouch for a ping", () => {
    const key = { from: "c", to: "b" };
    const dns = controlKey("dns", cell("allowed", saw("allowed"), { key }));
    expect([dns, controlKey("ping", cell("allowed", saw("allowed"), { key }))]).toEqual(["b - dns", "b - ping"]);
    // With a port it is the transport that counts.
    expect(controlKey("curl", flow("a", "b", "allowed"))).toBe(controlKey("tcp", flow("a", "b", "allowed")));
  });
});

describe("cells that stand side by side", () => {
  const blocked = flow("a", "b", "dropped", {}, { destination: "b@1" });
  const answered = flow("c", "b", "allowed", {}, { destination: "b@1" });
  const both = (more: Partial<Cell["key"]>): [Cell, Cell] => [
    { ...blocked, key: { ...blocked.key, ...more } },
    { ...answered, key: { ...answered.key, ...more } },
  ];

  it.each<[string, Cell, Cell]>([
    ["protocol", ...both({ protocol: "udp" })],
    ["port", ...both({ port: 81 })],
    ["destination", flow("a", "b", "dropped"), flow("c", "b", "allowed")],
    ["name of a destination without identity", flow("a", "d", "dropped"), flow("c", "d", "allowed")],
  ])("do not vouch for each other where they differ by the %s", (_what, otherBlocked, otherAnswered) => {
    const controls = (...cells: Cell[]) =>
      attachControls([probe("p", cells)], [], NOW)[0]?.cells.map(({ control }) => control?.from);
    expect(controls(answered, otherBlocked, blocked)).toEqual([undefined, undefined, "c"]);
    expect(controls(answered, blocked, otherBlocked)).toEqual([undefined, "c", undefined]);
    expect(controls(otherAnswered, blocked, otherBlocked)).toEqual([undefined, undefined, "c"]);
    expect(recordControls([probe("p", [answered, otherAnswered])], NOW)).toHaveLength(2);
  });

  it("by the name alone, where it is the only identity", () => {
    const names = recordControls([probe("p", [flow("a", "b", "allowed"), flow("a", "c", "allowed")])], NOW);
    expect(names.map(({ destination }) => destination)).toEqual(["b 80 tcp", "c 80 tcp"]);
  });
});

describe("the cells of last time", () => {
  const blocked = flow("a", "b", "dropped");
  const answered = flow("c", "b", "allowed");
  const attach = (last: LastControls, cells: Cell[], at = NOW, earlier: typeof cells = []) =>
    attachControls([probe("p", cells)], recordControls([probe("p", earlier)], THEN), at, last)[0]?.cells ?? [];

  it("are kept as they are where their control is the same, and where they have none", () => {
    const last = new LastControls();
    const first = attach(last, [answered, blocked]);
    expect(attach(last, [answered, blocked])[1]).toBe(first[1]);
    expect(first[1]?.control).toEqual({ by: "another-source", from: "c", at: NOW });
    expect(attach(new LastControls(), [blocked])[0]).toBe(blocked);
  });

  it("get the control of now where it is of another source, time or kind, or the first", () => {
    const again = (first: Parameters<typeof attach>, second: Parameters<typeof attach>) => {
      attach(...first);
      return attach(...second).at(-1)?.control;
    };
    let last = new LastControls();
    const other = flow("d", "b", "allowed");
    expect(again([last, [answered, blocked]], [last, [other, blocked]])?.from).toBe("d");
    last = new LastControls();
    expect(again([last, [answered, blocked]], [last, [{ ...answered }, blocked], THEN])?.at).toBe(THEN);
    last = new LastControls();
    expect(again([last, [other, blocked]], [last, [flow("d", "b", "dropped"), blocked]])).toBeUndefined();
    // b answered another, then itself, at the same time.
    last = new LastControls();
    const [itself, another] = [flow("x", "x", "allowed", {}, { destination: "b" }), flow("x", "b", "allowed")];
    expect(again([last, [another, blocked]], [last, [itself, blocked]])?.by).toBe("itself");
    last = new LastControls();
    expect(again([last, [flow("d", "b", "dropped"), blocked]], [last, [answered, blocked]])?.from).toBe("c");
  });
});

describe("recorded controls", () => {
  it("are a few sources a destination, other sources first", () => {
    const cells = ["b", "c", "c", "d", "e"].map((from) => flow(from, "b", "allowed"));
    expect(recordControls([probe("p", cells)], NOW).map(({ from }) => from)).toEqual(["c", "d"]);
  });

  it("say when each cell was seen, where they were not seen at one time", () => {
    const cells = [flow("a", "b", "allowed"), flow("c", "b", "allowed")];
    const seenAt = ({ key }: Cell): string => (key.from === "a" ? THEN : NOW);
    expect(recordControls([probe("p", cells)], seenAt).map(({ from, at }) => [from, at])).toEqual([
      ["a", THEN],
      ["c", NOW],
    ]);
  });

  it("merge with other sources before the destination itself, however late", () => {
    const earlier = recordControls([probe("p", [flow("c", "b", "allowed"), flow("d", "b", "allowed")])], THEN);
    const later = recordControls([probe("p", [flow("b", "b", "allowed")])], NOW);
    expect(mergeControls(earlier, later).map(({ from }) => from)).toEqual(["c", "d"]);
  });

  it("merge to the latest of each source", () => {
    const earlier = recordControls([probe("p", [flow("c", "b", "allowed"), flow("c", "x", "allowed")])], THEN);
    const later = recordControls([probe("p", [flow("c", "b", "allowed")])], NOW);
    expect(mergeControls(earlier, later).map(({ destination, at }) => [destination, at])).toEqual([
      ["b 80 tcp", NOW],
      ["x 80 tcp", THEN],
    ]);
  });
});

describe("during a fault", () => {
  const during = { phase: { when: "during", fault: "cut" } } as const;
  const before = (outcome: Outcome) => ({ withoutFault: { outcome, reason: "it was", tries: 1, at: THEN } });

  it("is the cell's own answer without it, whoever else was answered", () => {
    const others = probe("p", [flow("c", "b", "allowed")]);
    const controlDuring = (rest: Partial<Cell>) =>
      attachControls([others, probe("q", [flow("a", "b", "dropped", {}, rest)], during)], [], NOW)[1]?.cells[0]
        ?.control;
    expect(controlDuring(before("allowed"))).toEqual({ by: "before", from: "a", at: THEN });
    expect(controlDuring(before("dropped"))).toBeUndefined();
    expect(controlDuring({})).toBeUndefined();
  });

  it("what a server refuses itself does not take its earlier answers from others", () => {
    const earlier = recordControls([probe("p", [flow("a", "b", "allowed")])], THEN);
    const refused = probe("p", [flow("b", "b", "rejected")], during);
    const probes = [refused, probe("q", [flow("a", "b", "dropped")])];
    expect(attachControls(probes, earlier, NOW)[1]?.cells[0]?.control?.by).toBe("before");
  });
});
