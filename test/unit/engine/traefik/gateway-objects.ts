import type { ObjectStore } from "../../../../src/engine/store/store.ts";
import { createStore } from "../../../../src/engine/control-plane.ts";
import { installTraefik } from "../../../../src/engine/traefik/install.ts";
import { loadGateways, type LoadedGateways } from "../../../../src/engine/traefik/gateway/load-gateways.ts";
import type { Gateway, HttpRoute, Listener, ReferenceGrant } from "../../../../src/kube/gateway/gateway-types.ts";
import type { KubeObject } from "../../../../src/kube/types.ts";
import { namespace, service } from "../store/objects.ts";
import { slice } from "./objects.ts";

const cluster = { serviceCidrs: ["10.96.0.0/16"], dnsAddress: "10.96.0.10", dnsDomain: "cluster.local" };
const API = "gateway.networking.k8s.io";

/** A store with both add-ons, the namespaces default and `other`, and in each the Services `web` and `api`. */
export function storeWithGateways(...objects: KubeObject[]): ObjectStore {
  const store = createStore({ cluster });
  for (const name of ["default", "other"]) store.create(namespace(name));
  installTraefik(store, { hasTraefik: true, hasGatewayApi: true });
  for (const [index, name] of ["web", "api"].entries())
    for (const [at, where] of ["default", "other"].entries()) {
      const own = service(name, { ports: [{ name: "http", port: 80, targetPort: 8080 }] });
      store.create({ ...own, metadata: { ...own.metadata, namespace: where } });
      const endpoints = slice(name, [`10.0.${at}.${index + 1}`]);
      store.create({ ...endpoints, metadata: { ...endpoints.metadata, namespace: where } });
    }
  for (const object of objects) store.create(object);
  return store;
}

/** What Traefik makes of these objects. */
export function loadedGateways(...objects: KubeObject[]): LoadedGateways {
  const loaded = loadGateways(storeWithGateways(...objects));
  if (loaded === undefined) throw new Error("Traefik does not read the Gateway API");
  return loaded;
}

export const http: Listener = { name: "http", port: 8000, protocol: "HTTP" };

export function gateway(...listeners: Listener[]): Gateway {
  return {
    apiVersion: `${API}/v1`,
    kind: "Gateway",
    metadata: { name: "entry", namespace: "default" },
    spec: { gatewayClassName: "traefik", listeners: listeners.length === 0 ? [http] : listeners },
  };
}

export function route(spec: HttpRoute["spec"], name = "web", where = "default"): HttpRoute {
  return {
    apiVersion: `${API}/v1`,
    kind: "HTTPRoute",
    metadata: { name, namespace: where },
    spec: { parentRefs: [{ name: "entry", namespace: "default" }], ...spec },
  };
}

export const toWeb = [{ name: "web", port: 80 }];

/** Lets HTTPRoutes of `default` refer to Services of `other`, or to one of them. */
export function grant(
  more: { where?: string; name?: string; kind?: string; to?: string; from?: string } = {},
): ReferenceGrant {
  const { where = "other", name, kind = "HTTPRoute", to = "Service", from = "default" } = more;
  return {
    apiVersion: `${API}/v1beta1`,
    kind: "ReferenceGrant",
    metadata: { name: "grant", namespace: where },
    spec: {
      from: [{ group: API, kind, namespace: from }],
      to: [{ group: "", kind: to, ...(name === undefined ? {} : { name }) }],
    },
  };
}
