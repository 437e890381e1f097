import { LabError } from "../../../core/errors.ts";
import type { KubeObject } from "../../../kube/types.ts";
import type { ApiConnection } from "./connection.ts";
import { Followed, type ObjectQuery } from "./follow.ts";
import type { ApiResources } from "./resources.ts";

/** What a condition over objects still lacks, in a sentence, or undefined when it holds; throws what can never hold. */
export type Look = (objects: readonly KubeObject[]) => string | undefined;

export interface UntilOptions {
  timeoutMs: number;
  signal?: AbortSignal | undefined;
  /** The error when the time is over; the gap is what the last look gave. */
  timeout: (gap: string) => LabError;
}

/**
 * Resolves once `look` finds no gap in the objects of all queries, looking again at each change; the objects it found
 * then. Lists first: watches are opened only where there is something to wait for. Rejects with `timeout`'s error, what
 * `look` throws, or the signal's reason.
 */
export async function untilObjects(
  connection: ApiConnection,
  resources: ApiResources,
  queries: readonly ObjectQuery[],
  look: Look,
  { timeoutMs, signal, timeout }: UntilOptions,
): Promise<readonly KubeObject[]> {
  const ended = new AbortController();
  const late = AbortSignal.timeout(timeoutMs);
  const over = AbortSignal.any([late, ended.signal, ...(signal === undefined ? [] : [signal])]);
  let gap: string | undefined = "the API server has not answered yet";
  const follows: Followed[] = [];
  try {
    for (const query of queries) {
      follows.push(new Followed(connection, await resources.find(query.kind, query.apiVersion), query));
    }
    await Promise.all(follows.map((followed) => followed.list(over)));
    const all = (): KubeObject[] => follows.flatMap((followed) => followed.objects());
    gap = look(all());
    if (gap === undefined) return all();
    return await new Promise<readonly KubeObject[]>((resolve, reject) => {
      over.addEventListener("abort", () => reject(over.reason as Error), { once: true });
      if (over.aborted) reject(over.reason as Error);
      const onChange = coalesced(() => {
        if (over.aborted) return;
        try {
          const objects = all();
          gap = look(objects);
          if (gap === undefined) resolve(objects);
        } catch (error) {
          reject(error as Error);
        }
      });
      for (const followed of follows) followed.watch(over, onChange).catch(reject);
    });
  } catch (error) {
    signal?.throwIfAborted();
    if (!late.aborted || (error instanceof LabError && error.code !== "API_UNREACHABLE")) throw error;
    const trouble = follows.find((followed) => followed.trouble !== undefined)?.trouble;
    throw timeout(trouble === undefined ? (gap ?? "it came true at the last moment") : `${gap} (${trouble})`);
  } finally {
    ended.abort();
  }
}

/** Runs `act` once for all calls of one turn of the event loop: a chunk of a watch may hold many events. */
function coalesced(act: () => void): () => void {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    setImmediate(() => {
      isDue = false;
      act();
    });
  };
}
