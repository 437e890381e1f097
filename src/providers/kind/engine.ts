import { setTimeout as delay } from "node:timers/promises";
import type Dockerode from "dockerode";
import { isMissing } from "../../exec/docker.ts";
import type { KindState } from "./state.ts";

/** dockerd gives containers 15 s to stop before it goes (`--shutdown-timeout`). */
const STOPS_WITHIN_MS = 20_000;
const LOOK_AGAIN_MS = 200;

/** What is another after each start of the engine: its default bridge is made anew. Undefined where it has none. */
export async function engineStart(docker: Dockerode): Promise<string | undefined> {
  try {
    return ((await docker.getNetwork("bridge").inspect()) as Dockerode.NetworkInspectInfo).Id;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/**
 * Before a removal that must last, where the engine seemed to stop: an engine that stops answers for a while, but no longer keeps
 * what it is told. Resolves once another has started, or when this one evidently stays; rejects as soon as it does not answer.
 */
export async function untilEngineKeeps(docker: Dockerode, { engine, engineStops }: KindState): Promise<void> {
  if (engineStops !== true || engine === undefined) return;
  const startedAt = performance.now();
  while (performance.now() - startedAt < STOPS_WITHIN_MS) {
    if ((await engineStart(docker)) !== engine) return;
    await delay(LOOK_AGAIN_MS);
  }
}
