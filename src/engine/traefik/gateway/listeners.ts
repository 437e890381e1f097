import type {
  AllowedRoutes,
  CertificateRef,
  Gateway,
  Listener,
  RouteKind,
} from "../../../kube/gateway/gateway-types.ts";
import { GATEWAY_GROUP } from "../../../kube/gateway/gateway-types.ts";
import { matchesSelector, namespaceLabels } from "../../../kube/selectors.ts";
import type { ObjectStore } from "../../store/store.ts";
import { certificateOf } from "../secret-certificate.ts";
import type { EntryPoint } from "../types.ts";
import { told, type Told } from "./conditions.ts";
import { CORE, isGranted } from "./grants.ts";

/** A listener of a Gateway, as Traefik has read it. */
export interface LoadedListener {
  gateway: { namespace: string; name: string };
  name: string;
  port: number;
  protocol: string;
  hostname?: string;
  /** Absent where none has the port. */
  entryPoint?: string;
  /** Undefined: all of them. */
  namespaces: readonly string[] | undefined;
  kinds: RouteKind[];
  /** What is wrong with it; empty of a sound one. */
  conditions: Told[];
  /** Counted while routes are read. */
  attachedRoutes: number;
  /** Whether its routes count. */
  isAttached: boolean;
}

/** The listeners of a Gateway (loadGatewayListeners), and the certificates that they brought by their `namespace/name`. */
export interface LoadedGateway {
  listeners: LoadedListener[];
  certificates: Map<string, { cert: string; key: string }>;
}

const ROUTES: RouteKind[] = ["HTTPRoute", "GRPCRoute"].map((kind) => ({ group: GATEWAY_GROUP, kind }));

export function loadGateway(store: ObjectStore, gateway: Gateway, entryPoints: readonly EntryPoint[]): LoadedGateway {
  const certificates: LoadedGateway["certificates"] = new Map();
  const taken = new Set<string>();
  const listeners = gateway.spec.listeners.map((listener): LoadedListener => {
    const { name, port, protocol, hostname } = listener;
    const { namespace = "default", name: gatewayName } = gateway.metadata;
    const loaded: LoadedListener = {
      gateway: { namespace, name: gatewayName },
      name,
      port,
      protocol,
      ...(hostname === undefined ? {} : { hostname }),
      namespaces: [],
      kinds: [],
      conditions: [],
      attachedRoutes: 0,
      isAttached: false,
    };
    loaded.conditions = listenerFaults({ store, gateway, listener, loaded, entryPoints, taken, certificates });
    loaded.isAttached = loaded.conditions.length === 0;
    return loaded;
  });
  return { listeners, certificates };
}

interface Reading {
  store: ObjectStore;
  gateway: Gateway;
  listener: Listener;
  /** Filled in as far as the listener is sound. */
  loaded: LoadedListener;
  entryPoints: readonly EntryPoint[];
  /** Of the Gateway's listeners that were read before. */
  taken: Set<string>;
  certificates: LoadedGateway["certificates"];
}

/** The first thing that is wrong; what comes after it is not looked at. */
function listenerFaults(reading: Reading): Told[] {
  const { store, gateway, listener, loaded, entryPoints, taken } = reading;
  const { port, protocol, hostname = "", allowedRoutes = {} } = listener;
  const { generation } = gateway.metadata;
  const fault = (type: string, reason: string, message: string): Told[] => [
    told(type, type === "Conflicted", reason, { message, generation }),
  ];
  const entryPoint = entryPoints.find((each) => each.port === port && !(protocol === "HTTP" && each.hasTls));
  if (entryPoint === undefined) {
    const why = `no matching entryPoint for port ${port} and protocol ${JSON.stringify(protocol)}`;
    return fault("Accepted", "PortUnavailable", `Cannot find entryPoint for Gateway: ${why}`);
  }
  loaded.entryPoint = entryPoint.name;
  loaded.namespaces = allowedNamespaces(store, loaded.gateway.namespace, allowedRoutes);
  if (protocol === "TCP" || protocol === "TLS") {
    const message = `Protocol ${JSON.stringify(protocol)} requires the experimental channel support to be enabled, please use the \`experimentalChannel\` option`;
    // Conditions of an unknown protocol have no generation.
    return [
      told("Conflicted", true, protocol === "TCP" ? "ProtocolConflict" : "InvalidRouteKinds", {
        message,
        generation: undefined,
      }),
    ];
  }
  if (protocol !== "HTTP" && protocol !== "HTTPS") {
    const message = `Unsupported listener protocol ${JSON.stringify(protocol)}`;
    return [told("Conflicted", true, "UnsupportedProtocol", { message, generation: undefined })];
  }
  const { kinds, wrong } = allowedKinds(allowedRoutes);
  loaded.kinds = kinds;
  if (wrong.length > 0)
    return wrong.flatMap(({ group = "<nil>", kind }) =>
      fault(
        "ResolvedRefs",
        "InvalidRouteKinds",
        `Listener protocol ${JSON.stringify(protocol)} does not support RouteGroupKind ${group}/${kind}`,
      ),
    );
  const key = `${protocol}|${hostname}|${port}`;
  if (taken.has(key))
    return fault("Conflicted", "DuplicateListener", "A listener with same protocol, port and hostname already exists");
  taken.add(key);
  if (protocol === "HTTP" && listener.tls !== undefined)
    return fault(
      "Accepted",
      "InvalidTLSConfiguration",
      "TLS configuration must no be defined when using HTTP or TCP protocol",
    );
  return protocol === "HTTPS" ? tlsFaults(reading, fault) : [];
}

type Fault = (type: string, reason: string, message: string) => Told[];

function tlsFaults({ store, listener, loaded, certificates }: Reading, fault: Fault): Told[] {
  const { tls, name, port, protocol } = listener;
  const refs = tls?.certificateRefs ?? [];
  if (tls === undefined || (refs.length === 0 && tls.mode === "Terminate")) {
    const of = `${name}:${port} and protocol ${JSON.stringify(protocol)}`;
    return fault("Accepted", "InvalidTLSConfiguration", `No TLS configuration for Gateway Listener ${of}`);
  }
  if (tls.mode === "Passthrough")
    return fault("Accepted", "UnsupportedProtocol", "HTTPS protocol is not supported with TLS mode Passthrough");
  const [ref] = refs;
  if (ref === undefined)
    return fault("ResolvedRefs", "InvalidCertificateRef", "One TLS CertificateRef is required in Terminate mode");
  return certificateFaults(store, ref, { loaded, certificates, fault });
}

/** Of several references the first counts. */
function certificateFaults(
  store: ObjectStore,
  { group = "", kind = "Secret", name, namespace }: CertificateRef,
  { loaded, certificates, fault }: Pick<Reading, "loaded" | "certificates"> & { fault: Fault },
): Told[] {
  if (kind !== "Secret" || (group !== "" && group !== CORE))
    return fault(
      "ResolvedRefs",
      "InvalidCertificateRef",
      `Unsupported TLS CertificateRef group/kind: ${group}/${kind}`,
    );
  const own = loaded.gateway.namespace;
  const of = namespace ?? own;
  if (!isGranted(store, { kind: "Gateway", namespace: own }, { group: CORE, kind, name, namespace: of }))
    return fault("ResolvedRefs", "RefNotPermitted", `Cannot load CertificateRef ${of}/${name}: missing ReferenceGrant`);
  const pair = certificateOf(store, of, name);
  if (typeof pair === "string") {
    const message = `Error while retrieving certificate: ${pair}`;
    return [...fault("ResolvedRefs", "InvalidCertificateRef", message), ...fault("Programmed", "Invalid", message)];
  }
  certificates.set(`${of}/${name}`, pair);
  return [];
}

function allowedNamespaces(
  store: ObjectStore,
  own: string,
  { namespaces: { from = "Same", selector } = {} }: AllowedRoutes,
): readonly string[] | undefined {
  if (from === "All") return undefined;
  if (from === "Same") return [own];
  return store
    .list("Namespace")
    .filter(({ metadata: { name, labels } }) => matchesSelector(selector, namespaceLabels(name, labels)))
    .map(({ metadata }) => metadata.name);
}

function allowedKinds({ kinds = [] }: AllowedRoutes): { kinds: RouteKind[]; wrong: RouteKind[] } {
  if (kinds.length === 0) return { kinds: ROUTES, wrong: [] };
  const isServed = ({ group = GATEWAY_GROUP, kind }: RouteKind): boolean =>
    group === GATEWAY_GROUP && ROUTES.some((each) => each.kind === kind);
  const served = kinds.filter((each) => isServed(each));
  return {
    kinds: served.filter(({ kind }, index) => served.findIndex((each) => each.kind === kind) === index),
    wrong: kinds.filter((each) => !isServed(each)),
  };
}
