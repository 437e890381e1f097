import { TRAEFIK_NAME, TRAEFIK_NAMESPACE } from "../../../kube/traefik.ts";
import type { Plan } from "../../../plan/types.ts";
import type { ObjectRef } from "../../types.ts";

const DNS = { namespace: "kube-system", name: "coredns" };
const TRAEFIK = { namespace: TRAEFIK_NAMESPACE, name: TRAEFIK_NAME };

/** Whether the lab has asked for the Ingress controller. */
export function hasTraefik({ realCluster }: Pick<Plan, "realCluster">): boolean {
  return realCluster?.addOns.includes("traefik") ?? false;
}

/** What has to be available before a lab's own objects are applied. */
export function firstDeployments(plan: Pick<Plan, "realCluster">): ObjectRef[] {
  return [DNS, ...(hasTraefik(plan) ? [TRAEFIK] : [])].map((name) => ({ kind: "Deployment", ...name }));
}
