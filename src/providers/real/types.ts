import type { EchoReply, EchoRequest } from "../../kernel/echo.ts";
import type { ExecOptions, ExecResult, SweepResult } from "../types.ts";

/*
 * What the providers of real clusters (kind, existing, ssh) share: an API server, and agents that work in the network
 * namespaces of pods and nodes.
 */

/** Where an agent works: a running pod, a node, or the host outside the cluster. */
export type Place =
  | { kind: "pod"; node: string; namespace: string; name: string; uid: string; container?: string }
  | { kind: "node"; node: string }
  | { kind: "external" };

/** One connection attempt of a sweep, its source resolved. */
export interface PlacedCell {
  id: number;
  from: Place;
  /** IP literal. */
  address: string;
  port: number;
  protocol: "tcp" | "udp";
}

/** What a tool on a node printed; `reason` says why it failed. */
export type NodeToolResult = { stdout: string; stderr: string } & ({ ok: true } | { ok: false; reason: string });

/** A command that runs until it is stopped. */
export interface FollowedCommand {
  /** Resolves when it has ended, however that came; rejects where it never started. */
  ended: Promise<void>;
  /** Kills it and all that it started; resolves when it has ended. */
  stop(): Promise<void>;
}

/**
 * Work in network namespaces of the cluster, one agent a node or one for all. No method needs anything of the pod's
 * image: tools are the agent's own, names resolve as in the pod (its resolv.conf and hosts). Rejects with AGENT_LOST
 * where an agent ended, SOURCE_MISSING where a pod has no running container, EXEC_NOT_STARTED where a tool is missing.
 */
export interface Agents {
  /** Whether the very pod that is meant, by its uid, runs now; only of agents that know without asking anybody. */
  sees?(pod: Place & { kind: "pod" }): boolean;
  /** All cells at once, whatever node they start from; one shared deadline. */
  sweep(cells: PlacedCell[], options: { deadlineMs: number }): Promise<SweepResult>;
  /** `untilDropped` is ignored: rules of a real cluster give no proof. */
  exec(place: Place, argv: string[], options: ExecOptions): Promise<ExecResult>;
  serve(
    place: Place,
    argv: string[],
    options: { readyPort: number; timeoutMs: number },
  ): Promise<{ stop(): Promise<void> }>;
  /** The user's own terminal is the command's. */
  interactive(place: Place, argv: string[]): Promise<{ exitCode: number }>;
  /** Starts argv and hands over what it prints as it prints it, for captures. */
  follow(place: Place, argv: string[], take: (text: string, stream: "out" | "err") => void): Promise<FollowedCommand>;
  /** Sends ICMP echo requests that nobody may fragment, whatever MTU was learnt before. */
  echo(place: Place, request: EchoRequest, signal: AbortSignal): Promise<EchoReply[]>;
  /**
   * Runs a tool of the node's own, in its files and its network: its iptables knows which tables are in use. That it fails
   * or is missing is a result; 5 s and 32 MiB at most.
   */
  nodeTool(node: string, argv: readonly string[]): Promise<NodeToolResult>;
  close(): Promise<void>;
}
