import type { BackendRef } from "../../../kube/gateway/gateway-types.ts";
import { TRAEFIK_GROUP } from "../../../kube/traefik-kinds/middleware-types.ts";
import type { EndpointSlice, ServicePort } from "../../../kube/types.ts";
import type { ObjectStore } from "../../store/store.ts";
import { normalize } from "../normalize.ts";
import { crdName } from "../qualified-name.ts";
import type { LoadBalancer, Server } from "../types.ts";
import { CORE, isGranted } from "./grants.ts";

/** A backend that requests can be sent to, under the name that Traefik gives it. */
export interface Backend {
  name: string;
  /** Absent of one of another provider's. */
  service?: LoadBalancer;
}

/** Why a backend is none: the reason and the message of the route's condition ResolvedRefs. */
export interface BackendFault {
  reason: "RefNotPermitted" | "InvalidKind" | "UnsupportedProtocol" | "BackendNotFound";
  message: string;
}

/** Says that requests go to the Service's own address. */
const NATIVE = /^traefik\.io\/service\.nativelb$/i;

/** The service that Traefik makes of a backend of an HTTPRoute of that namespace (loadService): its ready endpoints. */
export function loadBackend(store: ObjectStore, routeNamespace: string, ref: BackendRef): Backend | BackendFault {
  const { kind = "Service", name, port = 0 } = ref;
  const group = ref.group === undefined || ref.group === "" ? CORE : ref.group;
  const namespace = ref.namespace === undefined || ref.namespace === "" ? routeNamespace : ref.namespace;
  const cannot = (reason: BackendFault["reason"], why: string): BackendFault => ({
    reason,
    message: `Cannot load HTTPBackendRef ${group}/${kind}/${namespace}/${name}: ${why}`,
  });
  const from = { kind: "HTTPRoute", namespace: routeNamespace } as const;
  if (!isGranted(store, from, { group, kind, name, namespace }))
    return cannot("RefNotPermitted", "missing ReferenceGrant");
  if (group === TRAEFIK_GROUP && kind === "TraefikService") return { name: crdName(namespace, name) };
  if (group !== CORE || kind !== "Service")
    return cannot("InvalidKind", `unsupported HTTPBackendRef ${ref.group ?? ""}/${kind}/${name}`);
  if (port === 0) return cannot("UnsupportedProtocol", "port is required");
  const found = serversOf(store, { namespace, name, port });
  const inShort = (reason: BackendFault["reason"], why: string): BackendFault => ({
    reason,
    message: `Cannot load HTTPBackendRef ${namespace}/${name}: ${why}`,
  });
  if (typeof found === "string") return inShort("BackendNotFound", found);
  const scheme = schemeOf(found.port);
  if (scheme.fault !== undefined) return inShort("UnsupportedProtocol", scheme.fault);
  const servers = found.servers.map((server): Server => ({ ...server, scheme: scheme.name, isFenced: false }));
  return { name: normalize(`${namespace}-${name}-http-${port}`), service: { servers, passHostHeader: true } };
}

function serversOf(
  store: ObjectStore,
  { namespace, name, port }: { namespace: string; name: string; port: number },
): { servers: { address: string; port: number }[]; port: ServicePort } | string {
  const service = store.get("Service", name, namespace);
  if (service === undefined) return "service not found";
  if (service.spec.type === "ExternalName")
    return "type ExternalName is not supported for Kubernetes Service reference";
  const spec = (service.spec.ports ?? []).find((each) => each.port === port);
  if (spec === undefined) return `service port ${port} not found`;
  const isNative = Object.entries(service.metadata.annotations ?? {}).some(
    ([key, value]) => NATIVE.test(key) && /^(?:true|1|t)$/i.test(value),
  );
  if (isNative) {
    const { clusterIP = "" } = service.spec;
    if (clusterIP === "" || clusterIP === "None") return `no clusterIP found for service: ${namespace}/${name}`;
    return { servers: [{ address: clusterIP, port: spec.port }], port: spec };
  }
  const slices = store.indexed("EndpointSlice", `${namespace}/${name}`);
  if (slices.length === 0) return "endpointslices not found";
  return { servers: readyServers(slices, spec.name ?? ""), port: spec };
}

/** Each address once. */
function readyServers(slices: readonly EndpointSlice[], portName: string): { address: string; port: number }[] {
  const servers = new Map<string, number>();
  for (const { ports = [], endpoints } of slices) {
    const { port = 0 } = ports.find(({ name = "" }) => name === portName) ?? {};
    if (port === 0) continue;
    for (const { addresses, conditions } of endpoints)
      if (conditions?.ready === true)
        for (const address of addresses) if (!servers.has(address)) servers.set(address, port);
  }
  return [...servers].map(([address, port]) => ({ address, port }));
}

/** By `appProtocol`; without it https is what port 443 and names that begin so mean (getHTTPServiceProtocol). */
function schemeOf(port: ServicePort): { name: string; fault?: string } {
  const { protocol = "TCP", name = "", appProtocol } = port;
  if (protocol !== "TCP") return { name: "", fault: "only TCP protocol is supported" };
  if (appProtocol === undefined) return { name: port.port === 443 || name.startsWith("https") ? "https" : "http" };
  const wanted = appProtocol.toLowerCase();
  if (wanted === "kubernetes.io/h2c") return { name: "h2c" };
  if (["http", "kubernetes.io/ws"].includes(wanted)) return { name: "http" };
  if (["https", "kubernetes.io/wss"].includes(wanted)) return { name: "https" };
  return { name: "", fault: `unsupported application protocol ${wanted}` };
}
