import { describe, expect, test } from "vitest";
import { describeHints } from "../../../src/cli/verbs/hint.ts";
import { recordVersion, type RunRecord } from "../../../src/run/record.ts";
import { nextHint } from "../../../src/run/lab-hints.ts";
import { planOf, task } from "./reference-plan.ts";

const at = (minute: number): string => `2026-01-01T00:0${minute}:00.000Z`;
const hints = [
  { text: "Look.", cost: 0 },
  { text: "Look\nthere.", cost: 1.5 },
];
const withHints = { ...task([]), name: "find it", hints };
const withBonusHint = { ...task([]), name: "more", isBonus: true as const, hints: [{ text: "Ask.", cost: 1 }] };

function recordWith(tasks: RunRecord["plan"]["tasks"]): RunRecord {
  const plan = planOf([], tasks);
  const common = { provider: "netns", handle: {}, state: "up" as const, createdAt: at(0), updatedAt: at(0) };
  return { schemaVersion: recordVersion, lab: "lab", ...common, plan, controls: [] };
}

const take = { isListOnly: false };

describe("hints of a running lab", () => {
  test("are taken one after the other, kept in the record, and end", () => {
    const record = recordWith([task([]), withHints]);
    const first = nextHint(record, take, new Date(at(1)));
    expect(first).toEqual({
      lab: "lab",
      shown: { task: "find it", number: 1 },
      tasks: [{ task: "find it", taken: [{ ...hints[0], at: at(1) }], left: 1, nextCost: 1.5, cost: 0 }],
    });
    expect(describeHints(first)).toBe(
      "find it\n  hint 1 of 2, no points: Look.\n  1 more, the next for 1.5 points: cnilab hint lab 'find it'\n",
    );
    const second = nextHint(record, take, new Date(at(2)));
    expect(describeHints(second)).toBe(
      "find it\n  hint 2 of 2, 1.5 points: Look\n    there.\n  there is no further hint\n",
    );
    expect(record).toMatchObject({
      hintsTaken: [
        { task: "find it", at: at(1) },
        { task: "find it", at: at(2) },
      ],
      updatedAt: at(2),
    });
    const third = nextHint(record, take, new Date(at(3)));
    expect(third.shown).toBeUndefined();
    expect(third.tasks).toMatchObject([{ left: 0, cost: 1.5, taken: [{ at: at(1) }, { at: at(2) }] }]);
    expect(record.hintsTaken).toHaveLength(2);
  });

  test("are listed without being taken", () => {
    const record = recordWith([withHints, withBonusHint]);
    nextHint(record, { ...take, task: "more" }, new Date(at(1)));
    const listed = nextHint(record, { isListOnly: true }, new Date(at(2)));
    expect(listed.tasks.map((each) => [each.task, each.isBonus, each.taken.length, each.cost])).toEqual([
      ["find it", undefined, 0, 0],
      ["more", true, 1, 1],
    ]);
    expect(record.hintsTaken).toHaveLength(1);
    expect(describeHints(listed)).toContain("find it\n  2 more, the next for no points");
  });

  test.each([
    ["there are none", [task([])], undefined, "USAGE_NO_HINTS"],
    ["the task has none", [task([]), withHints], "task-1", "USAGE_NO_HINTS"],
    ["there is no such task", [withHints], "fin it", "USAGE_UNKNOWN_TASK"],
    ["several tasks have some", [withHints, withBonusHint], undefined, "USAGE_WHICH_TASK"],
  ])("are refused where %s, and none is taken", (_why, tasks, name, code) => {
    const record = recordWith(tasks);
    expect(() => nextHint(record, { ...take, task: name }, new Date(at(1)))).toThrow(
      expect.objectContaining({ code }) as Error,
    );
    expect(record.hintsTaken).toBeUndefined();
  });
});
