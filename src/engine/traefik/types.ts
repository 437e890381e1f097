/** What a router asks of a request, in Traefik's words (doc.traefik.io/traefik/v3.5/routing/routers). */
export interface RouterRule {
  /** Its rule language; the longer of two rules comes first. */
  text: string;
  /** Exact in lower case, or `*.` and a domain; absent: any. */
  host?: string;
  path?: { matcher: "Path" | "PathPrefix" | "PathRegexp"; value: string };
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
  service: string;
}

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
}
