import { TRAEFIK_NAME, TRAEFIK_NAMESPACE, TRAEFIK_VERSION, traefikObjects } from "../../../kube/traefik.ts";
import type { KubeObject } from "../../../kube/types.ts";
import type { AddOnContext, AddOnInstall } from "./types.ts";
import { notReady, READY_TIMEOUT_MS, untilRolledOut } from "./until-ready.ts";

const TRAEFIK = { namespace: TRAEFIK_NAMESPACE, name: TRAEFIK_NAME };

/** See {@link traefikObjects}. */
export const traefik: AddOnInstall = {
  version: TRAEFIK_VERSION,
  namespace: TRAEFIK_NAMESPACE,
  files: [],
  objects: (_supplies, addOns) => {
    const [hasBalancers, hasGatewayApi] = [addOns.includes("metallb"), addOns.includes("gateway-api")];
    return Promise.resolve(traefikObjects({ hasBalancers, hasGatewayApi }));
  },
  async ready(context) {
    await untilRolledOut("traefik", { kind: "Deployment", ...TRAEFIK }, context);
    if (context.addOns.includes("metallb")) await untilAddressed(context);
  },
};

async function untilAddressed({ api, signal, progress }: AddOnContext): Promise<void> {
  const query = { kind: "Service", apiVersion: "v1", ...TRAEFIK };
  const [service] = await api.until(
    [query],
    ([found]) => (addressOf(found) === undefined ? "its Service has no address yet" : undefined),
    { timeoutMs: READY_TIMEOUT_MS, signal, timeout: (gap) => notReady("traefik", gap) },
  );
  progress(`traefik is at ${addressOf(service)}`);
}

function addressOf(service: KubeObject | undefined): string | undefined {
  const status = service?.["status"] as { loadBalancer?: { ingress?: { ip?: string }[] } } | undefined;
  return status?.loadBalancer?.ingress?.[0]?.ip;
}
