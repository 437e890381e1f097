import type { KubeObject } from "./types.ts";

/** Whether the node's Ready condition is True; a node without the condition, or none at all, is not ready. */
export function isNodeReady(node: KubeObject | undefined): boolean {
  const { conditions = [] } = (node?.["status"] ?? {}) as { conditions?: { type: string; status: string }[] };
  return conditions.some(({ type, status }) => type === "Ready" && status === "True");
}
