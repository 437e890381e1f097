import type { KubeObject, LabelSelector } from "../types.ts";

/** The Gateway API's group (gateway-api.sigs.k8s.io/reference/spec). */
export const GATEWAY_GROUP = "gateway.networking.k8s.io";

/** The release whose kinds and fields these are, its standard channel. */
export const GATEWAY_API_VERSION = "v1.3.0";

/** The GatewayClass that the add-on brings. */
export const GATEWAY_CLASS = "traefik";

/** Who serves Gateways of a class, as the GatewayClass has it. */
export const GATEWAY_CONTROLLER = "traefik.io/gateway-controller";

/** metav1.Condition. */
export interface Condition {
  type: string;
  status: "True" | "False" | "Unknown";
  reason: string;
  message: string;
  observedGeneration?: number;
  lastTransitionTime: string;
}

export interface GatewayClass extends KubeObject {
  kind: "GatewayClass";
  spec: { controllerName: string; description?: string };
  status?: { conditions?: Condition[] };
}

/** Of a listener: who may attach to it. */
export interface AllowedRoutes {
  namespaces?: { from?: "All" | "Same" | "Selector"; selector?: LabelSelector };
  kinds?: RouteKind[];
}

export interface RouteKind {
  group?: string;
  kind: string;
}

export interface CertificateRef {
  group?: string;
  kind?: string;
  name: string;
  namespace?: string;
}

export interface Listener {
  name: string;
  port: number;
  protocol: string;
  hostname?: string;
  tls?: { mode?: "Terminate" | "Passthrough"; certificateRefs?: CertificateRef[]; options?: Record<string, string> };
  allowedRoutes?: AllowedRoutes;
}

export interface ListenerStatus {
  name: string;
  attachedRoutes: number;
  supportedKinds: RouteKind[];
  conditions: Condition[];
}

export interface Gateway extends KubeObject {
  kind: "Gateway";
  spec: { gatewayClassName: string; listeners: Listener[]; addresses?: { type?: string; value?: string }[] };
  status?: { addresses?: { type?: string; value: string }[]; listeners?: ListenerStatus[]; conditions?: Condition[] };
}

/** What a route wants to be attached to. */
export interface ParentRef {
  group?: string;
  kind?: string;
  namespace?: string;
  name: string;
  sectionName?: string;
  port?: number;
}

export interface PathMatch {
  type?: "Exact" | "PathPrefix" | "RegularExpression";
  value?: string;
}

/** Of a header or a query parameter. */
export interface ValueMatch {
  type?: "Exact" | "RegularExpression";
  name: string;
  value: string;
}

/** All of it has to fit. */
export interface RouteMatch {
  path?: PathMatch;
  headers?: ValueMatch[];
  queryParams?: ValueMatch[];
  method?: string;
}

export interface HeaderFilter {
  set?: { name: string; value: string }[];
  add?: { name: string; value: string }[];
  remove?: string[];
}

export interface PathModifier {
  type: "ReplaceFullPath" | "ReplacePrefixMatch";
  replaceFullPath?: string;
  replacePrefixMatch?: string;
}

export interface RouteFilter {
  type: string;
  requestHeaderModifier?: HeaderFilter;
  responseHeaderModifier?: HeaderFilter;
  requestRedirect?: {
    scheme?: string;
    hostname?: string;
    port?: number;
    path?: PathModifier;
    statusCode?: number;
  };
  urlRewrite?: { hostname?: string; path?: PathModifier };
  extensionRef?: { group: string; kind: string; name: string };
}

export interface BackendRef {
  group?: string;
  kind?: string;
  namespace?: string;
  name: string;
  port?: number;
  weight?: number;
}

export interface RouteRule {
  name?: string;
  matches?: RouteMatch[];
  filters?: RouteFilter[];
  backendRefs?: BackendRef[];
}

/** What one controller says of one parent of a route. */
export interface RouteParentStatus {
  parentRef: ParentRef;
  controllerName: string;
  conditions: Condition[];
}

export interface HttpRoute extends KubeObject {
  kind: "HTTPRoute";
  spec: { parentRefs?: ParentRef[]; hostnames?: string[]; rules?: RouteRule[] };
  status?: { parents: RouteParentStatus[] };
}

/** Lets objects of other namespaces refer to those of its own. */
export interface ReferenceGrant extends KubeObject {
  kind: "ReferenceGrant";
  spec: {
    from: { group: string; kind: string; namespace: string }[];
    to: { group: string; kind: string; name?: string }[];
  };
}
