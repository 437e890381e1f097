import type { Socket } from "node:net";
import { originalDestination } from "../../kernel/proxy-sockets.ts";
import type { NetworkNamespace } from "../../kernel/namespace.ts";
import type { MeshEndpoint, MeshFacts, Workload } from "../mesh/mesh-facts.ts";
import { workloadAt } from "../mesh/destination-rule.ts";
import type { Credentials } from "./dial.ts";

/** What the mesh is now; undefined before it is known. */
export interface MeshSource {
  current: MeshFacts | undefined;
}

/** A sidecar as its two sides see it. */
export interface PodSidecar {
  mesh: MeshSource;
  /** Undefined once the pod is stopped. */
  network: () => NetworkNamespace | undefined;
  credentials: Credentials;
  namespace: string;
  addresses: readonly string[];
  /** A line of its log. */
  log(line: string): void;
}

/** The pod itself; undefined before the mesh knows it. */
export function ownWorkload({ addresses }: PodSidecar, facts: MeshFacts): Workload | undefined {
  return workloadAt(facts, addresses[0] ?? "");
}

/** Where an accepted connection was going; undefined where it was meant for the sidecar's own port. */
export function originalOf(socket: Socket): MeshEndpoint | undefined {
  const handle: unknown = Reflect.get(socket, "_handle");
  const fd: unknown = typeof handle === "object" && handle !== null ? Reflect.get(handle, "fd") : undefined;
  return typeof fd === "number" && fd >= 0
    ? originalDestination(fd, socket.localAddress?.includes(":") ?? false)
    : undefined;
}
