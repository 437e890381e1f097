import { expect, test } from "vitest";
import { forgetNeighbours, removeFacts } from "../../../../../src/providers/real/reset/node-repair.ts";
import type { Agents } from "../../../../../src/providers/real/types.ts";

function agentsThatEnd(exitCode: number, stderr: string, asked: unknown[] = []): Agents {
  return {
    exec: (...call: unknown[]) => {
      asked.push(call.slice(0, 2));
      return Promise.resolve({ exitCode, stdout: "", stderr });
    },
  } as unknown as Agents;
}

test("a node forgets its neighbours, but for permanent ones", async () => {
  const asked: unknown[] = [];
  await forgetNeighbours(agentsThatEnd(0, "", asked), "worker1");
  expect(asked).toEqual([[{ kind: "node", node: "worker1" }, ["ip", "neigh", "flush", "all"]]]);
});

test("routes are removed in their own family", async () => {
  const asked: unknown[] = [];
  const facts = ["route 10.9.9.9 dev cali9 scope link", "route6 fd00::9 dev cali9 metric 1024 pref medium"];
  await removeFacts(agentsThatEnd(0, "", asked), "worker1", facts);
  expect(asked.map((call) => (call as unknown[])[1])).toEqual([
    ["ip", "route", "del", "10.9.9.9", "dev", "cali9", "scope", "link"],
    ["ip", "-6", "route", "del", "fd00::9", "dev", "cali9", "metric", "1024", "pref", "medium"],
  ]);
});

test("a node that does not is told", async () => {
  await expect(forgetNeighbours(agentsThatEnd(1, "Flush not complete\n"), "worker1")).rejects.toMatchObject({
    code: "RESET_UNCLEAN",
    message: "node worker1: ip neigh flush all failed: Flush not complete",
  });
});
