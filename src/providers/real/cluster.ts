import { cnis } from "../../cnis/registry.ts";
import type { Cni } from "../../cnis/types.ts";
import { LabError } from "../../core/errors.ts";
import type { Evidence } from "../../grade/types.ts";
import { podAddresses } from "../../kube/pods.ts";
import type { EchoReply, EchoRequest } from "../../kernel/echo.ts";
import type { KubeObject, Pod } from "../../kube/types.ts";
import type { Plan } from "../../plan/types.ts";
import type { SettleOptions, SettleResult } from "../settle.ts";
import type {
  ApplyResult,
  Cluster,
  ExecOptions,
  ExecResult,
  Flow,
  ObjectRef,
  ResetResult,
  Source,
  SweepCell,
  SweepCellResult,
  SweepResult,
  WaitFor,
} from "../types.ts";
import type { NodeLinks, RunningCapture } from "../capture.ts";
import { isNodeFault, type Fault, type FaultPlace, type NodeFault, type NodeFaultPlace } from "../fault.ts";
import type { KubernetesApi } from "./api/kubernetes-api.ts";
import { flowEvidence } from "./evidence/flow-evidence.ts";
import { readNodeLinks } from "./node-links.ts";
import { capturePackets } from "./packet-capture.ts";
import { placeOf, placeOfPod } from "./places.ts";
import { Reset } from "./reset/reset.ts";
import { Sentinel } from "./sentinel.ts";
import { OWN_CLUSTER, type SystemPlace } from "./sentinel-objects.ts";
import { Settling } from "./settle.ts";
import type { Agents, Place, PlacedCell } from "./types.ts";

/** A node of a real cluster: its name is the lab's and Kubernetes' alike. */
export interface RealNode {
  name: string;
  /** One a family. */
  addresses: string[];
}

/** What breaks nodes of this sort of cluster and mends them. */
export interface NodeFaults {
  fault(fault: NodeFault): Promise<void>;
  restore(fault: NodeFaultPlace): Promise<void>;
  /** Nodes that a fault keeps from taking in changes now: nothing waits for them. */
  broken(): Promise<readonly string[]>;
}

export interface RealClusterOptions {
  api: KubernetesApi;
  agents: Agents;
  plan: Plan;
  nodes: readonly RealNode[];
  /** Addresses of the external host; without it the cluster has none. */
  externalAddresses?: readonly string[];
  faults?: NodeFaults;
  /** Where the snapshot for `reset` is kept; without it there is no reset. */
  stateDirectory?: string;
  /** Default: as in a cluster that is ours alone. */
  system?: SystemPlace;
  /** The lab's own namespaces as they are now, where the cluster is not ours alone: nothing waits for anything else. */
  namespaces?: () => readonly string[];
  onClose?: () => Promise<void>;
}

/** A cluster with a real API server, worked on through it and through agents. */
export class RealCluster implements Cluster {
  private readonly options: RealClusterOptions;
  private readonly api: KubernetesApi;
  private readonly agents: Agents;
  private readonly settling: Settling;
  /** Pods as they were when they were last listed, by namespace and name. */
  private readonly listed = new Map<string, Pod>();
  readonly fault?: (fault: Fault) => Promise<void>;
  readonly restore?: (fault: FaultPlace) => Promise<void>;
  readonly reset?: () => Promise<ResetResult>;
  /** Keeps the state that `reset` goes back to; for when CNI and add-ons are ready and no lab has been applied. */
  readonly keepSnapshot?: () => Promise<void>;

  constructor(options: RealClusterOptions) {
    this.options = options;
    const { api, agents, plan, faults, stateDirectory, system = OWN_CLUSTER } = options;
    this.api = api;
    this.agents = agents;
    const out = new Set<string>();
    const install = (cnis as Readonly<Record<string, Cni>>)[plan.cni.name]?.install;
    const sentinel = new Sentinel({
      api,
      agents,
      enforcesPolicy: plan.cni.enforcesPolicy,
      dnsDomain: plan.cluster.dnsDomain,
      isOut: (node) => out.has(node),
      system,
    });
    this.settling = new Settling({
      api,
      sentinel,
      out,
      broken: () => faults?.broken() ?? Promise.resolve([]),
      system,
      agent: install?.agent,
      namespaces: options.namespaces,
    });
    if (faults !== undefined) {
      this.fault = (fault) => faults.fault(onNode(fault)).finally(() => this.settling.forget());
      this.restore = (fault) => faults.restore(onNode(fault)).finally(() => this.settling.forget());
    }
    if (stateDirectory !== undefined) {
      const nodes = options.nodes.map(({ name }) => name);
      const rest = (): Promise<void> => this.settling.rest(SETTLE_AFTER_RESET_MS);
      const { lastingRules = [] } = install ?? {};
      const reset = new Reset({ api, agents, nodes, stateDirectory, lastingRules, rest });
      this.keepSnapshot = () => reset.keep();
      this.reset = async () => {
        const result = await reset.run();
        await this.settle({ timeoutMs: SETTLE_AFTER_RESET_MS });
        return result;
      };
    }
  }

  apply(objects: KubeObject[]): Promise<ApplyResult[]> {
    return this.api.apply(objects);
  }

  delete(refs: ObjectRef[]): Promise<void> {
    return this.api.delete(refs);
  }

  async list(filter: { kind?: string; namespace?: string } = {}): Promise<KubeObject[]> {
    const objects = await this.api.list(filter);
    for (const object of objects) if (object.kind === "Pod") this.listed.set(nameOf(object), object as Pod);
    return objects.filter((object) => this.isShown(object));
  }

  scale(ref: ObjectRef, replicas: number): Promise<void> {
    return this.api.scale(ref, replicas);
  }

  rolloutRestart(ref: ObjectRef, restartedAt: string): Promise<void> {
    return this.api.rolloutRestart(ref, restartedAt);
  }

  wait(condition: WaitFor, options: { timeoutMs: number; signal?: AbortSignal }): Promise<void> {
    return this.api.wait(condition, options);
  }

  /** By flows of our own that each node must show; see sentinel.ts. Rejects with SETTLE_TIMEOUT. */
  settle({ timeoutMs, atRest }: SettleOptions): Promise<SettleResult> {
    return this.settling.settle(timeoutMs, atRest);
  }

  async exec(source: Source, argv: string[], options: ExecOptions): Promise<ExecResult> {
    return this.agents.exec(await this.place(source), argv, options);
  }

  async serve(
    source: Source,
    argv: string[],
    options: { readyPort: number; timeoutMs: number },
  ): Promise<{ stop(): Promise<void> }> {
    return this.agents.serve(await this.place(source), argv, options);
  }

  /** A cell whose source is not there is an error of that cell alone. */
  async sweep(cells: SweepCell[], options: { deadlineMs: number }): Promise<SweepResult> {
    const pods = await this.runningPods(cells.map(({ from }) => from));
    const placed: PlacedCell[] = [];
    const failed: SweepCellResult[] = [];
    for (const { from, ...cell } of cells) {
      try {
        placed.push({ ...cell, from: this.placeIn(from, pods) });
      } catch (error) {
        if (!(error instanceof LabError)) throw error;
        failed.push({ id: cell.id, outcome: "error", detail: error.message, latencyMs: 0 });
      }
    }
    if (placed.length === 0) return { cells: failed, durationMs: 0, retransmits: 0 };
    const result = await this.agents.sweep(placed, options);
    return { ...result, cells: [...result.cells, ...failed] };
  }

  async capture(source: Source, filter: string): Promise<RunningCapture> {
    return capturePackets(this.agents, await this.place(source), filter);
  }

  async echo(source: Source, request: EchoRequest, signal: AbortSignal): Promise<EchoReply[]> {
    return this.agents.echo(await this.place(source), request, signal);
  }

  links(node: string): Promise<NodeLinks> {
    const planned = this.options.plan.topology.nodes.find(({ name }) => name === node)?.interfaces ?? [];
    const addresses = this.addressesIn({ kind: "node", name: node }, new Map());
    return readNodeLinks(this.agents, node, { addresses, planned: planned.map(({ name }) => name) });
  }

  logs(source: Source & { kind: "pod" }): Promise<string> {
    return this.api.logs(source);
  }

  async interactive(source: Source, argv: string[]): Promise<{ exitCode: number }> {
    return this.agents.interactive(await this.place(source), argv);
  }

  async addresses(source: Source): Promise<string[]> {
    await this.place(source);
    return this.addressesIn(source, await this.pods([source]));
  }

  /** Rejects with SOURCE_MISSING and the like where there is nobody to try the flow again. */
  async evidence(flow: Flow): Promise<Evidence[]> {
    const to = flow.to.slice(0, MOST_TARGETS);
    const pods = await this.pods([flow.from, ...to]);
    const targets = to.flatMap((source) => {
      try {
        return [{ place: this.placeIn(source, pods), addresses: this.addressesIn(source, pods) }];
      } catch (error) {
        // A pod that is gone captures nothing; the way up to its node is seen all the same.
        if (error instanceof LabError) return [];
        throw error;
      }
    });
    const nodeAddresses = this.options.nodes.flatMap(({ addresses }) => addresses);
    return flowEvidence(this.agents, { flow, source: this.placeIn(flow.from, pods), targets, nodeAddresses });
  }

  async close(): Promise<void> {
    await this.agents.close();
    this.api.close();
    await this.options.onClose?.();
  }

  private addressesIn(source: Source, pods: ReadonlyMap<string, Pod>): string[] {
    if (source.kind === "external") return [...(this.options.externalAddresses ?? [])];
    if (source.kind === "node") return this.options.nodes.find(({ name }) => name === source.name)?.addresses ?? [];
    const pod = pods.get(`${source.namespace}/${source.name}`);
    return pod === undefined ? [] : podAddresses(pod);
  }

  private isShown({ kind, metadata: { name, namespace } }: KubeObject): boolean {
    const { system = OWN_CLUSTER } = this.options;
    return (kind === "Namespace" ? name : namespace) !== system.namespace;
  }

  private async place(source: Source): Promise<Place> {
    return this.placeIn(source, await this.runningPods([source]));
  }

  private placeIn(source: Source, pods: ReadonlyMap<string, Pod>): Place {
    if (source.kind === "external" && this.options.externalAddresses === undefined) {
      throw new LabError("SOURCE_MISSING", "this cluster has no external host");
    }
    return placeOf(source, pods, new Set(this.options.nodes.map(({ name }) => name)));
  }

  /** As {@link pods}, but without asking the API where agents see that pods listed before still run: only their places are right. */
  private async runningPods(sources: readonly Source[]): Promise<ReadonlyMap<string, Pod>> {
    const areSeen = sources.every((source) => {
      if (source.kind !== "pod") return true;
      const pod = this.listed.get(`${source.namespace}/${source.name}`);
      return pod !== undefined && this.agents.sees?.(placeOfPod(pod)) === true;
    });
    return areSeen ? this.listed : this.pods(sources);
  }

  /** The pods that sources name, as they are now: one alone by its name, several by their namespaces. */
  private async pods(sources: readonly Source[]): Promise<Map<string, Pod>> {
    const wanted = new Map(
      sources.flatMap((source) =>
        source.kind === "pod" ? [[`${source.namespace}/${source.name}`, source] as const] : [],
      ),
    );
    const [only] = wanted.values();
    if (only === undefined) return new Map();
    const { namespace, name } = only;
    const namespaces = new Set([...wanted.values()].map((source) => source.namespace));
    const filters = wanted.size === 1 ? [{ namespace, name }] : [...namespaces].map((each) => ({ namespace: each }));
    const found = await Promise.all(filters.map((filter) => this.api.list({ kind: "Pod", ...filter })));
    return new Map(found.flat().map((pod) => [nameOf(pod), pod as Pod]));
  }
}

function nameOf({ metadata: { namespace, name } }: KubeObject): string {
  return `${namespace}/${name}`;
}

const SETTLE_AFTER_RESET_MS = 60_000;
/** Pods of a Service at which evidence listens. */
const MOST_TARGETS = 3;

/** Plans refuse the others; a record of another release may still have one. */
function onNode<Each extends FaultPlace>(fault: Each): Each & { kind: NodeFault["kind"] } {
  if (isNodeFault(fault)) return fault;
  throw new LabError("FAULT_NOT_POSSIBLE", `a real cluster cannot carry the fault ${fault.kind}`);
}
