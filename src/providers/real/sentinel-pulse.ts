import { setTimeout as pause } from "node:timers/promises";
import { LabError } from "../../core/errors.ts";
import { podAddresses } from "../../kube/pods.ts";
import type { Pod } from "../../kube/types.ts";
import { placeOfPod } from "./places.ts";
import type { Agents, Place } from "./types.ts";

/** A SYN that a rule dropped is not waited for: the next try has a fresh one. */
const TRY_MS = 20;
const DNS_TRY_MS = 1000;

/** A change of ours, written. */
export interface Pulse {
  /** Pods up to this version came before it. */
  podVersion: bigint;
  /** Resolves when all that it asks show it; rejects with the signal's reason. */
  effect(signal: AbortSignal): Promise<void>;
  /** What does not show it yet, for people. */
  missing(): string[];
}

/** A flow that only the change opens, or closes, and who has to take it in for that. */
export interface SentinelFlow {
  caller: Pod;
  address: string;
  port: number;
  layer: string;
  /** Outcomes that mean it is. */
  shown: readonly string[];
}

/** A change that flows show. */
export class FlowPulse implements Pulse {
  readonly podVersion: bigint;
  private readonly agents: Agents;
  private readonly pending: Map<number, SentinelFlow>;
  private readonly tryMs: number;

  constructor(agents: Agents, flows: readonly SentinelFlow[], podVersion: bigint, tryMs = TRY_MS) {
    this.agents = agents;
    this.podVersion = podVersion;
    this.tryMs = tryMs;
    this.pending = new Map(flows.map((flow, id) => [id, flow]));
  }

  missing(): string[] {
    return [...new Set([...this.pending.values()].map(({ layer }) => layer))];
  }

  /** Nothing tells when a kernel's rules have changed: the flows themselves are tried until all show it. */
  async effect(signal: AbortSignal): Promise<void> {
    while (this.pending.size > 0) {
      signal.throwIfAborted();
      const startedAt = performance.now();
      const cells = [...this.pending].map(([id, { caller, address, port }]) => ({
        id,
        from: placeOfPod(caller),
        address,
        port,
        protocol: "tcp" as const,
      }));
      const result = await this.agents.sweep(cells, { deadlineMs: this.tryMs });
      for (const { id, outcome, detail } of result.cells) {
        const flow = this.pending.get(id);
        if (outcome === "error") {
          throw new LabError("SENTINEL_MISSING", `${flow?.layer ?? "a node"} cannot be asked: ${detail}`);
        }
        if (flow?.shown.includes(outcome) === true) this.pending.delete(id);
      }
      if (this.pending.size > 0) await restOf(startedAt, signal);
    }
  }
}

/** A change that a Service shows by leading to the sentinel of the caller's own node. */
export class ServicePulse implements Pulse {
  readonly podVersion = 0n;
  private readonly agents: Agents;
  private readonly caller: Pod;
  private readonly sentinel: Pod;
  private readonly url: string;
  private isShown = false;

  constructor(
    agents: Agents,
    pair: { caller: Pod; sentinel: Pod },
    { address, port }: { address: string; port: number },
  ) {
    this.agents = agents;
    this.caller = pair.caller;
    this.sentinel = pair.sentinel;
    this.url = hostnameUrl(address, port);
  }

  missing(): string[] {
    return this.isShown ? [] : [`kube-proxy of node ${this.caller.spec.nodeName}`];
  }

  async effect(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const startedAt = performance.now();
      const [name] = await askNames(this.agents, this.caller, [this.url], signal);
      this.isShown = name === this.sentinel.metadata.name;
      if (this.isShown) return;
      await restOf(startedAt, signal);
    }
  }
}

/** Where agnhost's netexec says the name of its pod. */
export function hostnameUrl(address: string, port: number): string {
  return `http://${address.includes(":") ? `[${address}]` : address}:${port}/hostname`;
}

/**
 * The names that answer at these URLs, in their order, empty where none does. A connection alone would prove nothing: what
 * no rule and no route of the cluster takes leaves it, and some networks answer every connection themselves.
 */
export async function askNames(
  agents: Agents,
  caller: Pod,
  urls: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const argv = ["curl", "--silent", "--globoff", "--max-time", "0.3", "--write-out", "\\n", "--noproxy", "*", ...urls];
  const { stdout } = await agents.exec(placeOfPod(caller), argv, { timeoutMs: 1000 * (urls.length + 1), signal });
  const lines = stdout.split("\n");
  return urls.map((_url, index) => lines[index] ?? "");
}

/** A change that a cluster DNS server shows by knowing the names it makes. */
export class NamePulse implements Pulse {
  readonly podVersion = 0n;
  private readonly agents: Agents;
  private readonly from: Place;
  private readonly server: Pod;
  private readonly names: readonly string[];
  private isShown = false;

  constructor(agents: Agents, from: Place, server: Pod, names: readonly string[]) {
    this.agents = agents;
    this.from = from;
    this.server = server;
    this.names = names;
  }

  missing(): string[] {
    return this.isShown ? [] : [`cluster DNS (${this.server.metadata.name})`];
  }

  async effect(signal: AbortSignal): Promise<void> {
    const [address = ""] = podAddresses(this.server);
    const questions = this.names.flatMap((name) => [name, "SRV"]);
    const argv = ["dig", `@${address}`, "+short", "+tries=1", `+time=${DNS_TRY_MS / 1000}`, ...questions];
    for (;;) {
      signal.throwIfAborted();
      const startedAt = performance.now();
      const { stdout } = await this.agents.exec(this.from, argv, { timeoutMs: 3 * DNS_TRY_MS, signal });
      this.isShown = this.names.every((name) => stdout.includes(ownerOf(name)));
      if (this.isShown) return;
      await restOf(startedAt, signal);
    }
  }
}

/** The SRV name that a Service's port has (KEP-3 of cluster DNS: _port._protocol.service.namespace.svc.domain). */
export function serviceName(port: string, service: string, namespace: string, domain: string): string {
  return `_${port}._tcp.${service}.${namespace}.svc.${domain}.`;
}

/** What the target of such a record ends with: the Service's own name. */
function ownerOf(name: string): string {
  return name.split(".").slice(2).join(".");
}

/** Several pulses as one. */
export function together(pulses: readonly Pulse[]): Pulse {
  return {
    podVersion: 0n,
    missing: () => pulses.flatMap((pulse) => pulse.missing()),
    effect: async (signal) => {
      await Promise.all(pulses.map((pulse) => pulse.effect(signal)));
    },
  };
}

/** What answers at once, but not yet as it should, is not asked again at once. */
async function restOf(startedAt: number, signal: AbortSignal): Promise<void> {
  const rest = TRY_MS - (performance.now() - startedAt);
  if (rest > 0) await pause(rest, undefined, { signal });
}
