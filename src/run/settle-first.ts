import { LabError } from "../core/errors.ts";
import type { KubeObject } from "../kube/types.ts";
import type { Cluster } from "../providers/types.ts";
import type { RunContext } from "./context.ts";
import { settleTimeoutMs } from "./scenario.ts";

/**
 * Waits until what was changed before, by whatever tool, is in effect, so that no grade depends on how soon it is asked for. A
 * cluster that does not settle is graded as it is, with a warning: it may be broken on purpose. Gives the objects that are in effect
 * where they could be listed meanwhile.
 */
export async function settleFirst(cluster: Cluster, { emit }: RunContext): Promise<KubeObject[] | undefined> {
  let objects: KubeObject[] | undefined;
  const atRest = async (): Promise<void> => {
    objects = await cluster.list();
  };
  try {
    await cluster.settle({ timeoutMs: settleTimeoutMs, atRest });
    return objects;
  } catch (error) {
    if (!(error instanceof LabError) || error.code !== "SETTLE_TIMEOUT") throw error;
    const hint = "what is judged is how things are now; a change may still be on its way";
    emit({ type: "warning", warning: { code: error.code, message: error.message, hint } });
    return undefined;
  }
}
