import { execFileSync } from "node:child_process";
import { expect } from "vitest";
import { LabError } from "../../src/core/errors.ts";
import type { Agents, Place, PlacedCell } from "../../src/providers/real/types.ts";
import type { SweepCellResult } from "../../src/providers/types.ts";

/** Of a sweep in these tests, where something is silent: one SYN retransmit and a little. */
export const deadlineMs = 1300;

export const cell = (from: Place, address: string, port: number, protocol: "tcp" | "udp" = "tcp"): PlacedCell => ({
  id: 0,
  from,
  address,
  port,
  protocol,
});

/** Results in the order of the cells. */
export async function sweep(agents: Agents, cells: PlacedCell[]): Promise<SweepCellResult[]> {
  const numbered = cells.map((each, index) => ({ ...each, id: index + 100 }));
  const { cells: results } = await agents.sweep(numbered, { deadlineMs });
  expect(results).toHaveLength(cells.length);
  return numbered.map(({ id }) => results.find((each) => each.id === id) as SweepCellResult);
}

export const outcomes = async (agents: Agents, cells: PlacedCell[]): Promise<string[]> =>
  (await sweep(agents, cells)).map(({ outcome }) => outcome);

/** What the work rejects with; it must. */
export async function failure(work: Promise<unknown>): Promise<LabError> {
  const error: unknown = await work.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(LabError);
  return error as LabError;
}

/** Of a container: its first process on the host. */
export const inspect = (container: string): { pid: number; id: string } =>
  JSON.parse(
    execFileSync("docker", ["inspect", "-f", '{"pid":{{.State.Pid}},"id":"{{.Id}}"}', container], { encoding: "utf8" }),
  ) as { pid: number; id: string };
