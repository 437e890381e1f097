import { TRAEFIK_NAME, TRAEFIK_NAMESPACE } from "../../kube/traefik.ts";
import type { Ingress, IngressAddress } from "../../kube/ingress.ts";
import type { Service } from "../../kube/types.ts";
import { keyOf, splitKey, type Controller } from "../controllers/controller.ts";
import { servedIngresses } from "./configuration.ts";

/**
 * Traefik's writing of where Ingresses are reached (pkg/provider/kubernetes/ingress updateIngressStatus, with `publishedService`): the addresses of
 * its own load balancer. A Service of type NodePort publishes the external addresses of nodes, of which a lab's have none.
 */
export const ingressStatus: Controller = {
  name: "traefik-ingress-status",
  kinds: ["Ingress", "IngressClass", "Service"],
  *keysOf({ type, key, object }, store) {
    if (key === "Ingress") {
      if (type !== "DELETED") yield keyOf(object);
      return;
    }
    const { name, namespace } = object.metadata;
    if (key === "Service" && (name !== TRAEFIK_NAME || namespace !== TRAEFIK_NAMESPACE)) return;
    for (const ingress of store.list("Ingress")) yield keyOf(ingress);
  },
  reconcile(key, { store }) {
    const { namespace, name } = splitKey(key);
    const published = store.get("Service", TRAEFIK_NAME, TRAEFIK_NAMESPACE);
    const ingress = store.get("Ingress", name, namespace);
    if (published === undefined || ingress === undefined || !servedIngresses(store).includes(ingress)) return;
    const wanted = addressesOf(published);
    if (wanted === undefined || isSame(ingress.status?.loadBalancer?.ingress ?? [], wanted)) return;
    const loadBalancer = wanted.length === 0 ? {} : { ingress: wanted };
    store.updateStatus<Ingress>({ ...ingress, status: { loadBalancer } });
  },
};

/** Undefined where nothing is to be written: the load balancer has no address yet. */
function addressesOf({ spec, status }: Service): IngressAddress[] | undefined {
  const { type = "ClusterIP", ports = [], externalIPs = [] } = spec;
  if (type === "LoadBalancer")
    return status?.loadBalancer?.ingress?.map(({ ip, hostname }) => ({
      ...(ip !== undefined && { ip }),
      ...(hostname !== undefined && { hostname }),
    }));
  if (type === "NodePort") return [];
  const published = ports.map(({ port, protocol = "TCP" }) => ({ port, protocol }));
  return externalIPs.map((ip) => ({ ip, ports: published }));
}

function isSame(one: readonly IngressAddress[], other: readonly IngressAddress[]): boolean {
  const names = (addresses: readonly IngressAddress[]): Set<string> =>
    new Set(addresses.map(({ ip = "", hostname = "" }) => hostname + ip));
  const known = names(one);
  return one.length === other.length && [...names(other)].every((name) => known.has(name));
}
