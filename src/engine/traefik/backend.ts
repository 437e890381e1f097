import type { IngressBackend } from "../../kube/ingress.ts";
import type { EndpointSlice, Service, ServicePort } from "../../kube/types.ts";
import type { ObjectStore } from "../store/store.ts";
import { serviceAnnotations, type ServiceAnnotations } from "./annotations.ts";
import type { LoadBalancer, Server } from "./types.ts";

/** Why a backend is no service, in Traefik's words. */
export class BackendError extends Error {}

/**
 * The load balancer that Traefik makes of a backend (pkg/provider/kubernetes/ingress loadService): its endpoints, not its ClusterIP, unless annotations of
 * the Service say so. Throws BackendError and AnnotationError.
 */
export function loadBackend(
  store: ObjectStore,
  namespace: string,
  { name, port }: NonNullable<IngressBackend["service"]>,
): LoadBalancer {
  const service = store.get("Service", name, namespace);
  if (service === undefined) throw new BackendError("service not found");
  if (service.spec.type === "ExternalName")
    throw new BackendError(`externalName services not allowed: ${namespace}/${name}`);
  const spec = (service.spec.ports ?? []).find(
    (each) => each.port === port?.number || ((each.name ?? "") !== "" && each.name === port?.name),
  );
  if (spec === undefined) throw new BackendError("service port not found");
  const said = serviceAnnotations(service.metadata.annotations);
  return {
    servers: serversOf(store, service, spec, said),
    passHostHeader: said.passHostHeader,
    ...(said.sticky === undefined ? {} : { sticky: said.sticky }),
    ...(said.serversTransport === "" ? {} : { serversTransport: said.serversTransport }),
  };
}

function serversOf(store: ObjectStore, service: Service, port: ServicePort, said: ServiceAnnotations): Server[] {
  const { namespace, name } = service.metadata;
  const scheme = schemeOf(port, said);
  if (said.nodePortLb && service.spec.type === "NodePort") return nodePortServers(store, port, scheme);
  if (!said.nativeLb) {
    const slices = store.indexed("EndpointSlice", `${namespace}/${name}`);
    return endpointServers(slices, port.name ?? "", scheme);
  }
  const address = service.spec.clusterIP ?? "";
  if (address === "None") throw nativeError(`no clusterIP on headless service: ${namespace}/${name}`);
  if (address === "") throw nativeError(`no clusterIP found for service: ${namespace}/${name}`);
  return [{ scheme, address, port: port.port, isFenced: false }];
}

function nativeError(why: string): BackendError {
  return new BackendError(`getting native Kubernetes Service address: ${why}`);
}

function schemeOf({ port, name = "" }: ServicePort, { serversScheme }: ServiceAnnotations): string {
  if (serversScheme !== "") return serversScheme;
  return port === 443 || name.startsWith("https") ? "https" : "http";
}

/** Each address once; one that ends and still serves is fenced (k8s.EndpointServing, KEP-1669). */
function endpointServers(slices: readonly EndpointSlice[], portName: string, scheme: string): Server[] {
  const servers = new Map<string, Server>();
  for (const { ports = [], endpoints } of slices) {
    const { port = 0 } = ports.find(({ name = "" }) => name === portName) ?? {};
    if (port === 0) continue;
    for (const { addresses, conditions: { ready = false, serving = false, terminating = false } = {} } of endpoints) {
      if (!ready && !serving) continue;
      for (const address of addresses)
        if (!servers.has(address)) servers.set(address, { scheme, address, port, isFenced: terminating && serving });
    }
  }
  return [...servers.values()];
}

function nodePortServers(store: ObjectStore, { nodePort = 0 }: ServicePort, scheme: string): Server[] {
  return store
    .list("Node")
    .flatMap(({ status }) => (status?.addresses ?? []).filter(({ type }) => type === "InternalIP"))
    .map(({ address }) => ({ scheme, address, port: nodePort, isFenced: false }));
}
