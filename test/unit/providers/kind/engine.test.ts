import type Dockerode from "dockerode";
import { expect, test } from "vitest";
import { engineStart, untilEngineKeeps } from "../../../../src/providers/kind/engine.ts";
import type { KindState } from "../../../../src/providers/kind/state.ts";

const state: KindState = {
  lab: "shop",
  cluster: "cnilab-shop",
  owner: "me",
  stage: "making",
  nodes: {},
  engine: "one",
};

/** An engine whose default bridge has these ids, one after another; an error stands for no answer. */
function engine(...ids: (string | Error)[]): { docker: Dockerode; asked: () => number } {
  let asked = 0;
  const inspect = (): Promise<{ Id: string }> => {
    const id = ids[Math.min(asked++, ids.length - 1)] ?? "";
    return id instanceof Error ? Promise.reject(id) : Promise.resolve({ Id: id });
  };
  return { docker: { getNetwork: () => ({ inspect }) } as unknown as Dockerode, asked: () => asked };
}

test("a lab that was removed under no suspicion is not waited for", async () => {
  const { docker, asked } = engine("one");
  await untilEngineKeeps(docker, state);
  expect(asked()).toBe(0);
});

test("an engine that stops is told once it does not answer, and one that has started anew is taken at once", async () => {
  const stopping: KindState = { ...state, engineStops: true };
  const gone = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
  await expect(untilEngineKeeps(engine("one", "one", gone).docker, stopping)).rejects.toThrow("ECONNREFUSED");
  const { docker, asked } = engine("one", "two");
  await untilEngineKeeps(docker, stopping);
  expect(asked()).toBe(2);
});

test("an engine without a default bridge has no start that could be told", async () => {
  const missing = Object.assign(new Error("no such network"), { statusCode: 404 });
  expect(await engineStart(engine(missing).docker)).toBeUndefined();
});
