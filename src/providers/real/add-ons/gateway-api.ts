import { gatewayObjects } from "../../../kube/gateway/gateway-kinds.ts";
import { GATEWAY_API_VERSION, GATEWAY_CLASS, type GatewayClass } from "../../../kube/gateway/gateway-types.ts";
import { TRAEFIK_NAMESPACE } from "../../../kube/traefik.ts";
import type { KubeObject } from "../../../kube/types.ts";
import type { AddOnInstall } from "./types.ts";
import { notReady, READY_TIMEOUT_MS } from "./until-ready.ts";

/** See {@link gatewayObjects}; Traefik has the flags and the rights for them. */
export const gatewayApi: AddOnInstall = {
  version: GATEWAY_API_VERSION,
  namespace: TRAEFIK_NAMESPACE,
  files: [],
  isFirst: true,
  objects: () => Promise.resolve(gatewayObjects()),
  async ready({ api, signal }) {
    const [definedClass] = gatewayObjects().slice(-1);
    const query = { kind: "GatewayClass", apiVersion: definedClass?.apiVersion ?? "", name: GATEWAY_CLASS };
    await api.until([query], ([found]) => acceptanceGap(found), {
      timeoutMs: READY_TIMEOUT_MS,
      signal,
      timeout: (gap) => notReady("gateway-api", gap),
    });
  },
};

function acceptanceGap(found: KubeObject | undefined): string | undefined {
  const conditions = (found as GatewayClass | undefined)?.status?.conditions ?? [];
  return conditions.some(({ type, status }) => type === "Accepted" && status === "True")
    ? undefined
    : `Traefik has not accepted the GatewayClass ${GATEWAY_CLASS}`;
}
