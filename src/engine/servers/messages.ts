import type { RequestReading } from "../metrics/metrics-server.ts";
import type { ZoneUpdate } from "../nameserver/zone-facts.ts";
import type { Configuration } from "../traefik/types.ts";
import type { MeshFacts } from "../mesh/mesh-facts.ts";
import type { Credentials } from "../sidecar/dial.ts";
import type { LogPart } from "./access-log.ts";
import type { Listen } from "./behaviour.ts";
import type { PodFacts } from "./http-apps.ts";
import type { StartedContainer } from "./pod-logs.ts";

/** A pod to serve: its network namespace must stay open until the answer has come, that of a pod with a sidecar until it is stopped. */
export interface PodToServe {
  /** The caller's; unique while the pod is served. */
  key: string;
  pod: PodFacts;
  /** Descriptor of the network namespace, of this process. */
  netnsFd: number;
  containers: StartedContainer[];
  listens: Listen[];
  /** Of a pod with a sidecar. */
  credentials?: Credentials;
  /** It is served already, and these containers start again. */
  isMore?: true;
}

/** What became of one {@link Listen}. */
export interface ListenResult {
  container: string;
  protocol: "TCP" | "UDP";
  port: number;
  /** Absent: it listens. `code` is an errno name (EADDRINUSE). */
  error?: { code: string; message: string };
}

/** To the server thread. `id` comes back in the answer. */
export type ServerRequest =
  | { type: "start"; id: number; pods: PodToServe[] }
  | { type: "stop"; id: number; keys: string[] }
  /** Ends some containers of a pod. */
  | { type: "kill"; id: number; key: string; containers: readonly string[] }
  /** Replaces what cluster DNS answers from; the answer comes when it is in effect. */
  | { type: "dns"; id: number; facts: ZoneUpdate }
  /** Replaces what Ingress controllers route by; the answer comes when it is in effect. */
  | { type: "ingress"; id: number; configuration: Configuration }
  /** Replaces what sidecars act by; the answer comes when it is in effect. */
  | { type: "mesh"; id: number; facts: MeshFacts }
  | { type: "logs"; id: number; key: string; container?: string; isPrevious?: boolean }
  /** Answered as soon as there is a line after that number, or the container has ended. */
  | { type: "follow"; id: number; key: string; container: string; after: number }
  /** The answer to a `follow` is wanted at once. */
  | { type: "unfollow"; id: number; follow: number }
  /** How many requests each container has answered. */
  | { type: "requests"; id: number }
  | { type: "close"; id: number };

/** From the server thread. */
export type ServerResponse =
  | { type: "ready" }
  /** Results in the order of the pods. */
  | { type: "started"; id: number; pods: ListenResult[][] }
  | { type: "stopped"; id: number }
  | { type: "dns"; id: number; version: number }
  | { type: "mesh"; id: number; version: number }
  | { type: "logs"; id: number; part: LogPart | undefined }
  | { type: "requests"; id: number; reading: RequestReading }
  | { type: "closed"; id: number }
  | { type: "failed"; id: number; message: string };
