import type { Plan, PlannedObject } from "../../plan/types.ts";
import { AGNHOST_IMAGE } from "./agnhost-image.ts";
import { imagesOf } from "./upstream-manifest.ts";

/** Images of pods that a lab's manifests and solutions start, and of pods of our own. */
export function podImages({ scenario, tasks }: Plan): string[] {
  const planned: PlannedObject[] = [
    ...scenario.flatMap(({ objects }) => objects),
    ...tasks.flatMap(({ solution }) => solution),
  ];
  return [...new Set([...imagesOf(planned.map(({ object }) => object)), AGNHOST_IMAGE])];
}
