import type { Random } from "../seeded-random.ts";

/** One of the things, as often as its weight says; without any weight the first. Undefined where there is none. */
export function weightedChoice<Thing extends { weight?: number }>(
  things: readonly Thing[],
  random: Random,
): Thing | undefined {
  const total = things.reduce((sum, { weight = 0 }) => sum + weight, 0);
  if (total === 0) return things[0];
  let left = random() * total;
  for (const thing of things) {
    left -= thing.weight ?? 0;
    if (left < 0) return thing;
  }
  return things.findLast(({ weight = 0 }) => weight > 0);
}

/** Whether a fault that hits this percentage of requests hits this one; without a figure it hits all. */
export function isHit(percentage: { value?: number } | undefined, random: Random): boolean {
  return percentage === undefined || random() * 100 < (percentage.value ?? 0);
}
