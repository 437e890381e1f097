import { describe, expect, it } from "vitest";
import type { PlannedProbe } from "../../../src/plan/types.ts";
import type { RanProbe } from "../../../src/probes/scheduler.ts";
import type { ProbedChange } from "../../../src/probes/types.ts";
import { ChangeWatch } from "../../../src/run/change-watch.ts";

const probe = (name: string): PlannedProbe => ({ name, kind: "convergence", options: {}, expect: { within: 1000 } });
const ran = (name: string): RanProbe => ({ name }) as RanProbe;

function watch(
  names: string[],
  run: (name: string, change: ProbedChange, log: string[]) => Promise<void>,
): { changes: ChangeWatch; log: string[] } {
  const log: string[] = [];
  const changes = new ChangeWatch(names.map(probe), async ({ name }, change) => {
    await run(name, change, log);
    return [ran(name)];
  });
  return { changes, log };
}

const whole = async (name: string, change: ProbedChange, log: string[]): Promise<void> => {
  await change.sampled();
  log.push(`${name} sends`);
  const { askedMs, madeMs } = await change.flowing();
  log.push(`${name} saw it, ${madeMs >= askedMs ? "in order" : "backwards"}`);
};

describe("the watch of a change", () => {
  it("makes it when every probe sends, and tells them when it was made", async () => {
    const { changes, log } = watch(["slow", "quick"], async (name, change, lines) => {
      if (name === "slow") await new Promise((resolve) => setTimeout(resolve, 20));
      await whole(name, change, lines);
    });
    await changes.make(async () => void log.push("made"));
    expect((await changes.results()).map(({ name }) => name)).toEqual(["slow", "quick"]);
    expect(log.slice(0, 2).toSorted()).toEqual(["quick sends", "slow sends"]);
    expect(log[2]).toBe("made");
    expect(log.slice(3).toSorted()).toEqual(["quick saw it, in order", "slow saw it, in order"]);
  });

  it("waits for none that has ended, and makes it without any", async () => {
    const { changes, log } = watch(["ends", "fails", "ends late", "whole"], async (name, change, lines) => {
      if (name === "fails") throw new Error("interrupted");
      if (name === "ends") return;
      if (name === "ends late") return change.sampled();
      await whole(name, change, lines);
    });
    await changes.make(async () => void log.push("made"));
    await expect(changes.results()).rejects.toThrow("interrupted");
    expect(log).toEqual(["whole sends", "made", "whole saw it, in order"]);
    const none = watch([], whole);
    await none.changes.make(async () => void none.log.push("made"));
    expect(none.log).toEqual(["made"]);
    expect(await none.changes.results()).toEqual([]);
  });

  it("hands on why it could not be made, and ends the probes", async () => {
    const { changes } = watch(["one"], whole);
    await expect(changes.make(() => Promise.reject(new Error("no such link")))).rejects.toThrow("no such link");
    await expect(changes.results()).rejects.toThrow("no such link");
  });

  it("ends probes that wait, or come late, when it is cancelled", async () => {
    const { changes } = watch(["waits", "late"], async (name, change, lines) => {
      if (name === "late") await new Promise((resolve) => setTimeout(resolve, 10));
      await whole(name, change, lines);
    });
    changes.cancel(new Error("the fault was not made"));
    await expect(changes.results()).rejects.toThrow("the fault was not made");
  });
});
