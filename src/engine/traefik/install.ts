import { gatewayObjects } from "../../kube/gateway/gateway-kinds.ts";
import { TRAEFIK_NAMESPACE, traefikObjects } from "../../kube/traefik.ts";
import type { ObjectStore } from "../store/store.ts";

/** Writes what the add-ons traefik and gateway-api bring, once. */
export function installTraefik(
  store: ObjectStore,
  {
    hasTraefik = false,
    hasGatewayApi = false,
    addressPool,
  }: { hasTraefik?: boolean; hasGatewayApi?: boolean; addressPool?: readonly string[] | undefined },
): void {
  if (!hasTraefik || store.get("Namespace", TRAEFIK_NAMESPACE) !== undefined) return;
  if (hasGatewayApi) for (const object of gatewayObjects()) store.create(object);
  for (const object of traefikObjects({ hasBalancers: addressPool !== undefined, hasGatewayApi })) store.create(object);
}
