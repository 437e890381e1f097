/** What a router asks of a request, in Traefik's words (doc.traefik.io/traefik/v3.5/routing/routers). */
export interface RouterRule {
  /** Its rule language; the longer of two rules comes first. */
  text: string;
  /** Exact in lower case, or `*.` and a domain; absent: any. */
  host?: string;
  path?: { matcher: "Path" | "PathPrefix" | "PathRegexp"; value: string };
  /** What an HTTPRoute asks beside; absent of Ingresses. */
  request?: RequestRule;
}

/** Of a header or a query parameter: one of its values is this one, or has a place that fits. */
export interface ValueRule {
  name: string;
  value: string;
  isRegexp: boolean;
}

/** What a match of an HTTPRoute asks; all of it has to fit. */
export interface RequestRule {
  /** Any of them, in lower case; `*.` and a domain is for names of any depth below it. Empty: every host. */
  hosts: string[];
  /** `element`: the value itself, and what is below it. */
  path: { matcher: "exact" | "element" | "regexp"; value: string };
  method?: string;
  headers: ValueRule[];
  queries: ValueRule[];
}

/** A route: which requests of which entry points go to which service. */
export interface Router {
  /** With its provider: `shop-web-shop-example@kubernetes`. */
  name: string;
  rule: RouterRule;
  /** 0: the length of the rule. */
  priority: number;
  /** Empty: all of them. */
  entryPoints: string[];
  middlewares: string[];
  /** Answers TLS alone, at whichever entry point. */
  isTls: boolean;
  /** Of services, or of weighted ones. */
  service: string;
  /** What is done with requests and answers, the first one outermost. */
  filters?: Filter[];
}

/** Changes of headers: set, then added, then removed. */
export interface HeaderChange {
  set: [name: string, value: string][];
  add: [name: string, value: string][];
  remove: string[];
}

/** Another path: whole, or instead of what the prefix is; a change of it keeps a slash at the end. */
export interface PathChange {
  path: string;
  prefix?: string;
}

/** What Traefik's middlewares of the Gateway API do (pkg/middlewares/gatewayapi). */
export type Filter =
  | { kind: "request-headers"; change: HeaderChange }
  | { kind: "response-headers"; change: HeaderChange }
  | {
      kind: "redirect";
      status: number;
      scheme?: string;
      hostname?: string;
      /** Empty: the scheme's own. */
      port?: string;
      path?: PathChange;
    }
  | { kind: "rewrite"; hostname?: string; path?: PathChange };

/** Where a service sends requests. */
export interface Server {
  scheme: string;
  address: string;
  port: number;
  /** It ends, though it still serves: only clients that stick to it are sent there. */
  isFenced: boolean;
}

/** The cookie that keeps a client at its server. */
export interface StickyCookie {
  name: string;
  secure: boolean;
  httpOnly: boolean;
  sameSite: string;
  maxAge: number;
  path: string;
  domain: string;
}

export interface LoadBalancer {
  servers: Server[];
  /** Whether the server sees the Host that the client asked for, or its own address. */
  passHostHeader: boolean;
  sticky?: StickyCookie;
  serversTransport?: string;
}

/** One of the services that share a route's requests. */
export interface WeightedService {
  /** Of services; absent: all requests are answered with this status. */
  service?: string;
  status?: number;
  /** Of 0 it gets none. */
  weight: number;
}

/** A line of Traefik's log. */
export interface LogLine {
  message: string;
  error?: string;
  /** Further fields, in any order. */
  fields: Readonly<Record<string, string>>;
}

/** What Traefik makes of the cluster's objects, as plain data: its dynamic configuration. */
export interface Configuration {
  routers: Router[];
  /** By name. */
  services: Record<string, LoadBalancer>;
  /** PEM, in the order of their Secrets' names. */
  certificates: { cert: string; key: string }[];
  /** What it cannot make anything of. */
  errors: LogLine[];
  /** The same of the Gateway API; absent where there is nothing of it. */
  gateway?: GatewayConfiguration;
}

/** What Traefik makes of the Gateway API's objects. */
export interface GatewayConfiguration extends Omit<Configuration, "gateway"> {
  /** By name. */
  weighted: Record<string, WeightedService[]>;
}

/** An address that Traefik listens at. */
export interface EntryPoint {
  name: string;
  port: number;
  address?: string;
  /** Routers without TLS of their own have TLS here. */
  hasTls: boolean;
  /** If any is, routers that name none are at these alone. */
  isDefault: boolean;
}

/** What its flags say: its static configuration. */
export interface StaticConfiguration {
  entryPoints: EntryPoint[];
  /** The entry point that answers `/ping`. */
  ping?: string;
  /** Whether it reads Ingresses. */
  hasIngressProvider: boolean;
  /** Absent: it does not read the Gateway API. */
  gatewayProvider?: {
    /** Whose load balancer's addresses Gateways have (`statusaddress.service`). */
    statusService?: { namespace: string; name: string };
  };
}
