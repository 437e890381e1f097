import type { PodCondition } from "../../kube/types.ts";

/** Conditions with one of them set; its lastTransitionTime moves only when its status does. */
export function withCondition(
  conditions: readonly PodCondition[] | undefined,
  condition: PodCondition,
  now: string,
): PodCondition[] {
  const previous = conditions?.find(({ type }) => type === condition.type);
  const lastTransitionTime = previous?.status === condition.status ? (previous.lastTransitionTime ?? now) : now;
  const next = { ...condition, lastTransitionTime };
  if (previous === undefined) return [...(conditions ?? []), next];
  return (conditions ?? []).map((other) => (other.type === condition.type ? next : other));
}

/** The condition of this type, if there is one. */
export function conditionOf(conditions: readonly PodCondition[] | undefined, type: string): PodCondition | undefined {
  return conditions?.find((condition) => condition.type === type);
}
