import { join } from "node:path";
import type { LabWarning } from "../../../src/core/errors.ts";
import type { RunContext } from "../../../src/run/context.ts";

/** What explaining is run in: a state folder of the test's own in `folder`, clocks that stand, warnings kept where asked for. */
export function explainContext(
  folder: string,
  { env = {}, warnings }: { env?: RunContext["env"]; warnings?: LabWarning[] } = {},
): RunContext {
  return {
    env,
    bundle: undefined,
    stateRoot: join(folder, ".state"),
    signal: new AbortController().signal,
    emit: (event) => {
      if (event.type === "warning") warnings?.push(event.warning);
    },
    now: () => new Date(0),
    monotonicMs: () => 0,
  };
}
