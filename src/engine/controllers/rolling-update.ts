import type { Deployment, IntOrString, ReplicaSet } from "../../kube/types.ts";

/** How many pods an update may make too many, and how many may be missing meanwhile. */
export interface RollingLimits {
  maxSurge: number;
  maxUnavailable: number;
}

/** Reads counts and percentages as the API does: surge rounds up, unavailable down, and not both can be 0. */
export function rollingLimits(deployment: Deployment): RollingLimits {
  const replicas = deployment.spec.replicas ?? 1;
  const strategy = deployment.spec["strategy"] as
    | { rollingUpdate?: { maxSurge?: IntOrString; maxUnavailable?: IntOrString } }
    | undefined;
  const maxSurge = resolve(strategy?.rollingUpdate?.maxSurge ?? "25%", replicas, Math.ceil);
  const maxUnavailable = resolve(strategy?.rollingUpdate?.maxUnavailable ?? "25%", replicas, Math.floor);
  return { maxSurge, maxUnavailable: maxSurge === 0 && maxUnavailable === 0 ? 1 : maxUnavailable };
}

function resolve(value: IntOrString, replicas: number, round: (value: number) => number): number {
  if (typeof value === "number") return value;
  const number = Number.parseFloat(value);
  return value.endsWith("%") ? round((number * replicas) / 100) : number;
}

const wantedOf = (set: ReplicaSet): number => set.spec.replicas ?? 1;
const availableOf = (set: ReplicaSet): number => set.status?.availableReplicas ?? 0;
const total = (sets: readonly ReplicaSet[], of: (set: ReplicaSet) => number): number =>
  sets.reduce((sum, set) => sum + of(set), 0);

/** Replicas the new ReplicaSet should have now (deployment/util NewRSNewReplicas). */
export function newReplicas(
  replicas: number,
  limits: RollingLimits,
  next: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): number {
  const present = next === undefined ? 0 : wantedOf(next);
  if (present >= replicas) return replicas;
  const room = replicas + limits.maxSurge - present - total(old, wantedOf);
  return room <= 0 ? present : present + Math.min(room, replicas - present);
}

/**
 * Replicas the old ReplicaSets should have now, by name: first those go that never became available, then as many as
 * leave enough available (deployment/rolling.go reconcileOldReplicaSets).
 */
export function oldReplicas(
  replicas: number,
  limits: RollingLimits,
  next: ReplicaSet,
  old: readonly ReplicaSet[],
): Map<string, number> {
  const result = new Map(old.map((set) => [set.metadata.name, wantedOf(set)]));
  const minAvailable = replicas - limits.maxUnavailable;
  const newUnavailable = wantedOf(next) - availableOf(next);
  let room = total([...old, next], wantedOf) - minAvailable - newUnavailable;
  const take = (set: ReplicaSet, most: number): void => {
    const present = result.get(set.metadata.name) ?? 0;
    const count = Math.max(0, Math.min(present, most, room));
    room -= count;
    result.set(set.metadata.name, present - count);
  };
  for (const set of old) take(set, wantedOf(set) - availableOf(set));
  room = Math.min(room, total([...old, next], availableOf) - minAvailable);
  for (const set of old) take(set, wantedOf(set));
  return result;
}
