import type { StaticConfiguration } from "../traefik/types.ts";

/** What a modelled HTTP server answers; names its entry in http-apps.ts. */
export type HttpAppName =
  | "nginx"
  | "apache"
  | "netexec"
  | "hostname"
  | "fixed-text"
  | "fixed-json"
  | "whoami"
  | "echo-json"
  | "echo-text"
  | "hello-app"
  | "directory-listing"
  | "coredns-metrics"
  | "proxy-health"
  | "ok";

/** How a socket of a modelled server behaves. Plain data: it is posted to the server thread. */
export type Behaviour =
  | {
      kind: "http";
      app: HttpAppName;
      text?: string;
      status?: number;
      isUnready?: boolean;
      /** PEM: it speaks HTTPS and nothing else. */ tls?: { cert: string; key: string };
    }
  /** Accepts, reads and says nothing. */
  | { kind: "sink" }
  | { kind: "echo" }
  /** Says `text` (the pod's name where absent) on connect, or to each datagram, and closes a connection. */
  | { kind: "say"; text?: string }
  /** The datagrams that agnhost netexec knows: hostname, clientip, echo MSG; others get no answer. */
  | { kind: "netexec-udp" }
  | { kind: "redis" }
  | { kind: "postgres" }
  | { kind: "mysql" }
  | { kind: "memcached" }
  /** The two sides of a mesh's sidecar. */
  | { kind: "sidecar-outbound" }
  | { kind: "sidecar-inbound" }
  /** Cluster DNS. */
  | { kind: "dns" }
  /** An entry point of Traefik. */
  | { kind: "traefik"; entryPoint: string; statics: StaticConfiguration };

/** One socket that a container's process would open. */
export interface Listen {
  container: string;
  protocol: "TCP" | "UDP";
  port: number;
  /** An IP literal; absent: every address of every family that the pod has. */
  address?: string;
  behaviour: Behaviour;
}
