import type { Container } from "../../kube/types.ts";
import type { ServiceVariables } from "../service-variables.ts";
import type { Listen } from "../servers/behaviour.ts";
import type { KeyPair } from "./key-pair.ts";

/** A socket before it is known whose container it is. */
export type ProcessListen = Omit<Listen, "container">;

/** What a process does when it is told to end, by SIGTERM or the signal that its image names (STOPSIGNAL). */
export interface ProcessStop {
  /** How long it goes on serving, milliseconds; Infinity: until it is killed. */
  afterMs: number;
  /** Of an end by itself. */
  exitCode: number;
}

/** What a process does, as far as the network sees it. */
export interface ProcessPlan {
  listens: ProcessListen[];
  /** Absent: it ends at once, with 0. */
  stop?: ProcessStop;
  /** Set where the process ends by itself; what it listened on is then closed. */
  end?: { exitCode: number; message: string };
  /** Set where nothing is known of the program: it is taken to listen on the container's declared ports. */
  isUnknown?: boolean;
}

/** What a program is started with. */
export interface ProcessContext {
  /** Arguments after the program's name. */
  args: readonly string[];
  /** Variables that are set; of those from a ConfigMap or Secret only that they are, their value undefined. */
  env: ReadonlyMap<string, string | undefined>;
  /** Repository of the image; some programs have other defaults in other images. */
  repository: string;
  container: Container;
  /** Text of a file of the container that a Secret or ConfigMap brings; undefined where there is none. */
  readFile(path: string): string | undefined;
}

/** A program that images hold, by the name it is called with. */
export type Program = (context: ProcessContext) => ProcessPlan;

/** Runs and listens on nothing. */
export const IDLE: ProcessPlan = { listens: [] };

/** Of a process without a handler: the kernel delivers such a signal to no process 1 of a pid namespace (pid_namespaces(7)). */
export const UNHANDLED: ProcessStop = { afterMs: Infinity, exitCode: 143 };

/** A Go program without a handler ends as process 1, too: its runtime has one (os/signal, dieFromSignal). */
export const GO_UNHANDLED: ProcessStop = { afterMs: 0, exitCode: 2 };

/** A process that has done its work. */
export function ended(
  exitCode = 0,
  message = exitCode === 0 ? "the process has ended" : `the process ended with exit code ${exitCode}`,
): ProcessPlan {
  return { listens: [], end: { exitCode, message } };
}

/** One HTTP server on one port. */
export function http(
  port: number,
  app: Extract<Listen["behaviour"], { kind: "http" }>["app"],
  extra: { text?: string; status?: number; isUnready?: boolean; address?: string; tls?: KeyPair } = {},
): ProcessListen {
  const { address, ...options } = extra;
  return {
    protocol: "TCP",
    port,
    behaviour: { kind: "http", app, ...options },
    ...(address === undefined ? {} : { address }),
  };
}

/**
 * The container's variables: those of Services, then its own, in which `$(NAME)` means what stands before. A name set twice
 * has its last value.
 */
export function environment(
  container: Container,
  services: ServiceVariables = new Map(),
): Map<string, string | undefined> {
  const variables = new Map<string, string | undefined>(services);
  for (const variable of container.env ?? [])
    variables.set(variable.name, "valueFrom" in variable ? undefined : expand(variable.value ?? "", variables));
  return variables;
}

/** Replaces `$(NAME)` as the kubelet does; an unknown name stays as it is, and `$$(NAME)` is an escape. */
export function expand(text: string, env: ReadonlyMap<string, string | undefined>): string {
  return text.replaceAll(/\$\$|\$\(([^()]*)\)/g, (match, name: string | undefined) =>
    match === "$$" ? "$" : (env.get(name ?? "") ?? match),
  );
}
