import { createHash } from "node:crypto";
import { LabError } from "../../core/errors.ts";
import { sharedSignal } from "../../core/shared-signal.ts";
import type { KubeObject } from "../../kube/types.ts";
import type { SettleResult } from "../settle.ts";
import type { KubernetesApi } from "./api/kubernetes-api.ts";
import { settleTimeout, type AgentPlace } from "./agent-trouble.ts";
import { QUIET_QUERIES, unsettled } from "./quiet.ts";
import type { ObjectQuery } from "./api/follow.ts";
import type { Sentinel } from "./sentinel.ts";
import { IN_EFFECT_ANNOTATION, type SystemPlace } from "./sentinel-objects.ts";
import type { Pulse } from "./sentinel-pulse.ts";
import { isNodeReady } from "../../kube/nodes.ts";

export interface SettlingOptions {
  api: KubernetesApi;
  sentinel: Sentinel;
  /** Kept up to date by settle: the nodes that cannot take in anything. */
  out: Set<string>;
  broken: () => Promise<readonly string[]>;
  system: SystemPlace;
  /** Where it is known; named when nothing else explains a time-out. */
  agent?: AgentPlace | undefined;
  /** As {@link RealClusterOptions} has it. */
  namespaces?: (() => readonly string[]) | undefined;
}

/** What the Service, the endpoints and the pods of cluster DNS are labelled with, whoever installed it. */
export const DNS_SELECTOR = "k8s-app=kube-dns";

/** Waits until all changes made before have their effect on every node that can take them in. */
export class Settling {
  private readonly options: SettlingOptions;
  private isForgotten = false;

  constructor(options: SettlingOptions) {
    this.options = options;
  }

  /** What was seen in effect may not be any more: nodes were broken or mended. */
  forget(): void {
    this.isForgotten = true;
  }

  /**
   * A change of policies is asked for at once, beside the question whether controllers are at rest; where they made pods
   * after it, another follows: what a pulse shows is all that was written before it. Services and endpoints are asked for
   * once they are as they will be, and only where they are others than those last seen in effect. `atRest` is called then.
   */
  async settle(timeoutMs: number, atRest?: () => Promise<void>): Promise<SettleResult> {
    const startedAt = performance.now();
    const late = AbortSignal.timeout(timeoutMs);
    const pulses: Pulse[] = [];
    const message = (gap: string): string => `the cluster did not settle within ${timeoutMs / 1000} s: ${gap}`;
    const timeout = (gap: string): LabError => new LabError("SETTLE_TIMEOUT", message(gap));
    const abandoned = new AbortController();
    const over = sharedSignal(AbortSignal.any([late, abandoned.signal]));
    try {
      await this.findOut();
      const quiet = this.options.api.until(this.queries(), (objects) => this.gap(objects), {
        timeoutMs: Math.max(1, Math.ceil(timeoutMs - (performance.now() - startedAt))),
        signal: abandoned.signal,
        timeout,
      });
      const policies = async (): Promise<void> => {
        const pulse = await this.policies(over, pulses);
        const objects = await quiet;
        if (pulse !== undefined && !isAfter(pulse, this.withoutSystem(objects))) await this.policies(over, pulses);
      };
      const services = async (): Promise<void> => this.services(await quiet, over, pulses);
      await Promise.all([policies(), services(), quiet.then(() => atRest?.())]);
      return { durationMs: performance.now() - startedAt };
    } catch (error) {
      if (!late.aborted || error instanceof LabError) throw error;
      throw await this.behind(message, pulses);
    } finally {
      abandoned.abort();
    }
  }

  /** One state of what changes with every settling, seen on every node. Rejects with SETTLE_TIMEOUT. */
  async rest(timeoutMs: number): Promise<void> {
    const pulse = await this.options.sentinel.restPolicies();
    if (pulse === undefined) return;
    const late = AbortSignal.timeout(timeoutMs);
    try {
      await pulse.effect(late);
    } catch (error) {
      if (!late.aborted || error instanceof LabError) throw error;
      throw await this.behind(
        (gap) => `the cluster did not come to rest within ${timeoutMs / 1000} s: ${gap}`,
        [pulse],
      );
    }
  }

  private behind(message: (gap: string) => string, pulses: readonly Pulse[]): Promise<LabError> {
    const { api, agent } = this.options;
    const missing = pulses.flatMap((pulse) => pulse.missing()).join(", ");
    return settleTimeout(message(`${missing || "the API server"} is behind`), api, agent);
  }

  private async policies(over: AbortSignal, pulses: Pulse[]): Promise<Pulse | undefined> {
    const pulse = await this.options.sentinel.pulsePolicies();
    if (pulse === undefined) return undefined;
    pulses.push(pulse);
    await pulse.effect(over);
    return pulse;
  }

  private async services(objects: readonly KubeObject[], over: AbortSignal, pulses: Pulse[]): Promise<void> {
    const fingerprint = fingerprintOf(this.withoutSystem(objects));
    const { namespace } = this.options.system;
    const ours = objects.find(
      ({ kind, metadata }) => kind === "Service" && metadata.namespace === namespace && metadata.name === "sentinel",
    );
    if (!this.isForgotten && ours?.metadata.annotations?.[IN_EFFECT_ANNOTATION] === fingerprint) return;
    const pulse = await this.options.sentinel.pulseServices();
    pulses.push(pulse);
    await pulse.effect(over);
    await this.options.sentinel.recordServices(fingerprint);
    this.isForgotten = false;
  }

  private async findOut(): Promise<void> {
    const [broken, nodes] = await Promise.all([this.options.broken(), this.options.api.list({ kind: "Node" })]);
    const unready = nodes.filter((node) => !isNodeReady(node)).map(({ metadata }) => metadata.name);
    this.options.out.clear();
    for (const node of [...broken, ...unready]) this.options.out.add(node);
  }

  private gap(objects: readonly KubeObject[]): string | undefined {
    return unsettled(
      this.withoutSystem(objects).filter((object) => this.isWaitedFor(object)),
      (node) => this.options.out.has(node),
    );
  }

  private isWaitedFor({ metadata: { namespace } }: KubeObject): boolean {
    const { namespaces } = this.options;
    return namespace === undefined || namespaces === undefined || namespaces().includes(namespace);
  }

  /** Of a cluster that is not ours alone: the lab's namespaces, our own Service, and cluster DNS. */
  private queries(): readonly ObjectQuery[] {
    const { namespaces, system } = this.options;
    if (namespaces === undefined) return QUIET_QUERIES;
    const places = namespaces();
    return [
      ...QUIET_QUERIES.flatMap((query) =>
        query.kind === "Node" ? [query] : places.map((namespace) => ({ ...query, namespace })),
      ),
      { kind: "Service", namespace: system.namespace, name: "sentinel" },
      ...["Service", "EndpointSlice"].map((kind) => ({ kind, namespace: "kube-system", labelSelector: DNS_SELECTOR })),
    ];
  }

  private withoutSystem(objects: readonly KubeObject[]): KubeObject[] {
    return objects.filter(({ metadata }) => metadata.namespace !== this.options.system.namespace);
  }
}

/** Versions are compared within one kind, as the API allows (KEP-5504). */
function isAfter({ podVersion }: Pulse, objects: readonly KubeObject[]): boolean {
  return objects.every(({ kind, metadata }) => kind !== "Pod" || BigInt(metadata.resourceVersion ?? "0") <= podVersion);
}

/** Changes with every Service and endpoint that comes, goes or is changed; of cluster DNS servers too. */
function fingerprintOf(objects: readonly KubeObject[]): string {
  const versions = objects
    .filter(({ kind }) => kind === "Service" || kind === "EndpointSlice")
    .map(({ metadata }) => `${metadata.uid}@${metadata.resourceVersion}`);
  return createHash("sha256").update(versions.toSorted().join()).digest("hex").slice(0, 16);
}
