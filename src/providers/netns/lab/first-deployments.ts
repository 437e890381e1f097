import { TRAEFIK_NAME, TRAEFIK_NAMESPACE } from "../../../kube/traefik.ts";
import { hasAddOn } from "../../../plan/has-add-on.ts";
import type { Plan } from "../../../plan/types.ts";
import type { ObjectRef } from "../../types.ts";

const DNS = { namespace: "kube-system", name: "coredns" };
const TRAEFIK = { namespace: TRAEFIK_NAMESPACE, name: TRAEFIK_NAME };

/** What has to be available before a lab's own objects are applied. */
export function firstDeployments(plan: Pick<Plan, "realCluster">): ObjectRef[] {
  return [DNS, ...(hasAddOn(plan, "traefik") ? [TRAEFIK] : [])].map((name) => ({ kind: "Deployment", ...name }));
}

/** What the control plane has to know of Traefik. */
export function traefikOptions(plan: Pick<Plan, "realCluster">): { hasTraefik: boolean; hasGatewayApi: boolean } {
  return { hasTraefik: hasAddOn(plan, "traefik"), hasGatewayApi: hasAddOn(plan, "gateway-api") };
}
