import type { Pod } from "../kube/types.ts";

/** What a preStop hook does. */
export interface PreStopHook {
  /** How long it takes, milliseconds. */
  takesMs: number;
  /** Why it fails. */
  fault?: string;
  /** The exit code of the container's process, which the hook ends with its last command. */
  exitCode?: number;
}

/** How a container ends when it is told to. */
export interface ContainerStop {
  /** How long it goes on after SIGTERM, milliseconds; Infinity: until it is killed. */
  afterMs: number;
  /** Of an end by itself. */
  exitCode: number;
  preStop?: PreStopHook;
}

/** What became of a container when its pod was started. */
export interface ContainerStart {
  name: string;
  /** `exited`: its process ended by itself or could not listen; `waiting`: it was never started. */
  state:
    | { kind: "running" }
    | { kind: "exited"; exitCode: number; message: string }
    | { kind: "waiting"; reason: string; message: string };
  /** Why a running container is not ready (its readiness probe would fail); absent when it is. */
  notReady?: string;
  /** Why its startup or liveness probe would fail each time; absent where it would pass or there is none. */
  unhealthy?: { startup?: string; liveness?: string };
  /** Of a running one; absent: it ends at once, with 0. */
  stop?: ContainerStop;
}

/** A started pod: its addresses, one a family, and its containers. */
export interface PodStart {
  podIPs: string[];
  containers: ContainerStart[];
}

/** A pod that could not be given a network at all; tried again later. */
export interface PodStartFailure {
  error: Error;
}

/** What runs pods: a network namespace, addresses, and servers for the containers. */
export interface PodRuntime {
  /** Starts pods together; one result a pod, in their order. Rejecting means that none of them started. */
  start(pods: readonly Pod[]): Promise<(PodStart | PodStartFailure)[]>;
  /** Starts containers of a started pod once more; the others go on. One result a container, in their order. */
  restart(pod: Pod, containers: readonly string[]): Promise<ContainerStart[]>;
  /** Ends containers of a started pod, their connections with them; the others go on. Rejects where that failed. */
  kill(pod: Pod, containers: readonly string[]): Promise<void>;
  /** Stops pods and frees what they held; a pod that is not there is not an error. */
  stop(pods: readonly Pod[]): Promise<void>;
}
