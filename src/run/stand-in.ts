import { matchesLabels } from "../kube/selectors.ts";
import type { Service } from "../kube/types.ts";
import type { OracleWorld } from "../policy/types.ts";
import { OVER_IPV6 } from "../probes/target-family.ts";
import type { ProbedCell } from "../probes/types.ts";

/**
 * Why the pods behind a Service are not those that the solved lab's Service would select, undefined where they are or the
 * lab has no such Service: a Service that was turned to other pods would let them answer, or keep silent, in place of the
 * lab's own. `world` is the reference's, so that pods count by the labels of their manifests.
 */
export function standInBehind(
  { destination, flow }: Pick<ProbedCell, "destination" | "flow">,
  services: readonly Service[],
  world: OracleWorld,
): string | undefined {
  if (destination === undefined) return undefined;
  const service = services.find(
    ({ metadata: { namespace = "default", name } }) =>
      destination.replace(OVER_IPV6, "") === `${namespace}/service/${name}`,
  );
  const selector = service?.spec.selector;
  if (service === undefined || selector === undefined || Object.keys(selector).length === 0) return undefined;
  const namespace = service.metadata.namespace ?? "default";
  const other = flow?.to.find((end) => {
    if (end.kind !== "pod") return true;
    const pod = world.pods.find((each) => each.namespace === end.namespace && each.name === end.name);
    return pod !== undefined && (pod.namespace !== namespace || !matchesLabels(selector, pod.labels));
  });
  if (other === undefined) return undefined;
  const name = other.kind === "pod" ? `${other.namespace}/${other.name}` : other.kind;
  return `${name} is behind ${destination}, which the lab's Service does not select`;
}
