import type { Random } from "../../src/engine/seeded-random.ts";
import type { Cnilab } from "./cnilab.ts";
import { labProcesses, processes, treeOf, until } from "./host-state.ts";

/**
 * Runs a command and kills one of its processes, any at any moment of `runMs`; resolves once nothing of its labs runs.
 * The name of what was killed, undefined where the command had ended before; rejects with `what` where something stays.
 */
export async function killAtRandom(
  cnilab: Cnilab,
  command: readonly string[],
  { random, runMs, namespaces, what }: { random: Random; runMs: number; namespaces: ReadonlySet<string>; what: string },
): Promise<string | undefined> {
  const child = cnilab.start(...command);
  const ended = new Promise((resolve) => child.once("exit", resolve));
  await new Promise((resolve) => setTimeout(resolve, random() * runMs));
  const tree = treeOf(child.pid ?? -1, processes());
  const victim = tree[Math.floor(random() * tree.length)];
  if (victim !== undefined) {
    try {
      process.kill(victim.pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
  await ended;
  const left = (): unknown[] => labProcesses(cnilab.stateHome, namespaces);
  await until(
    () => left().length === 0,
    10_000,
    () => `${what}: still there: ${JSON.stringify(left())}`,
  );
  return victim?.commandLine.split(" ").find((word) => !word.startsWith("-"));
}
