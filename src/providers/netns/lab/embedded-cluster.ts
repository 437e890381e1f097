import type { ChildProcess } from "node:child_process";
import { LabError } from "../../../core/errors.ts";
import { cnis } from "../../../cnis/registry.ts";
import type { Cni, CniNode } from "../../../cnis/types.ts";
import { createControlPlane, createStore } from "../../../engine/control-plane.ts";
import type { ControlPlane } from "../../../engine/control-plane.ts";
import { policyWarnings } from "../../../engine/nft/policy-enforcer.ts";
import { sendEchoes } from "../../../kernel/echo.ts";
import type { EchoReply, EchoRequest } from "../../../kernel/echo.ts";
import { untilServing } from "../../../kernel/listening.ts";
import { Nftables } from "../../../kernel/nftables.ts";
import { sandboxCommand } from "../../../kernel/sandbox.ts";
import { killGroup, startSandboxed } from "../../../kernel/sandboxed-command.ts";
import type { KubeObject } from "../../../kube/types.ts";
import type { Plan } from "../../../plan/types.ts";
import type { SettleResult } from "../../settle.ts";
import type {
  ApplyResult,
  ExecOptions,
  ExecResult,
  ObjectRef,
  Source,
  SweepCell,
  SweepResult,
  WaitFor,
} from "../../types.ts";
import { packCells, unpackResult } from "../packed-sweep.ts";
import type { PackedCells, PackedSweepResult } from "../packed-sweep.ts";
import type { JsonText } from "../protocol.ts";
import { ChangeFeed } from "./change-feed.ts";
import { Captures } from "./captures.ts";
import { Dataplane, evidenceSetsOf } from "./dataplane.ts";
import { EvidenceReader, type EvidenceSet } from "./evidence.ts";
import { execIn } from "./exec.ts";
import { Faults } from "./faults/faults.ts";
import { firstDeployments, traefikOptions } from "./first-deployments.ts";
import { meshAuthority, tellSidecars } from "./mesh.ts";
import { NamespaceRuntime } from "./namespace-runtime.ts";
import { Places } from "./places.ts";
import { PodNetwork } from "./pod-network.ts";
import { requestReader } from "./request-reader.ts";
import type { Scratch } from "./scratch.ts";
import type { ServerThread } from "./server-thread.ts";
import { sweepPacked } from "./sweep-packed.ts";
import type { Sweeper } from "./sweeper.ts";
import { metallbPool } from "./speaker.ts";
import { Underlay } from "./underlay.ts";

const READY_TIMEOUT_MS = 30_000;

function cniNamed(name: string): Cni {
  const cni = (cnis as Record<string, Cni>)[name];
  if (cni?.dataplane === undefined)
    throw new LabError("CNI_NOT_EMBEDDED", `the embedded engine has no model of the CNI ${name}`);
  return cni;
}

/** What runs beside the control loops; started early, since a thread takes as long to load as they do. */
export interface ClusterThreads {
  servers: ServerThread;
  sweeper: Sweeper;
}

/** A whole cluster in this process: nodes, CNI, control plane, data plane, servers, and what probes ask of them. */
export class EmbeddedCluster {
  private readonly plan: Plan;
  readonly underlay: Underlay;
  readonly network: PodNetwork;
  readonly controlPlane: ControlPlane;
  private readonly dataplane: Dataplane;
  private readonly runtime: NamespaceRuntime;
  readonly places: Places;
  private readonly sweeper: Sweeper;
  private readonly evidenceSets: EvidenceSet[];
  private readonly evidence: EvidenceReader;
  readonly faults: Faults;
  private readonly serving = new Map<number, ChildProcess>();
  readonly captures = new Captures();
  readonly feed: ChangeFeed;
  private nextServing = 1;

  constructor(plan: Plan, scratch: Scratch, threads: ClusterThreads) {
    this.sweeper = threads.sweeper;
    this.plan = plan;
    const cni = cniNamed(plan.cni.name);
    const model = cni.dataplane;
    if (model === undefined) throw new Error("unreachable: cniNamed checks it");
    const { topology, cluster } = plan;
    this.underlay = new Underlay(topology);
    const config = {
      mode: plan.cni.mode,
      podCidr: plan.cni.podCidrs[0] ?? cni.defaultPodCidr,
      ...(plan.cni.podCidrs[1] === undefined ? {} : { ipv6PodCidr: plan.cni.podCidrs[1] }),
      serviceCidr: cluster.serviceCidrs[0] ?? "",
      mtu: plan.cni.mtu,
      options: plan.cni.options,
    };
    this.network = new PodNetwork(
      this.underlay,
      model,
      config,
      (name) => {
        const network = topology.networks.find((each) => each.name === name);
        if (network === undefined) throw new Error(`no network ${name}`);
        return network;
      },
      (order) => threads.sweeper.makeNamespaces(order),
    );
    const authority = meshAuthority(plan);
    const store = createStore({ cluster, hasMesh: authority !== undefined });
    this.feed = new ChangeFeed(store);
    this.runtime = new NamespaceRuntime({
      servers: threads.servers,
      store,
      network: this.network,
      underlay: this.underlay,
      cluster,
      authority,
    });
    this.controlPlane = createControlPlane({
      nodes: topology.nodes,
      cluster,
      runtime: this.runtime,
      store,
      podCidrs: (node) => this.network.podCidrs(node),
      addressPool: metallbPool(plan),
      ...traefikOptions(plan),
      meshCertificate: authority?.certificate,
      readRequests: requestReader(plan, threads.servers),
      warningsOf: (object) => [...this.runtime.warningsOf(object), ...policyWarnings(cni.name, model.policy, object)],
    });
    this.dataplane = new Dataplane({
      store,
      underlay: this.underlay,
      network: this.network,
      dataplane: model,
      plan,
      servers: threads.servers,
    });
    this.controlPlane.addBarrier(() => this.dataplane.controllers.idle());
    this.controlPlane.addBarrier(() => this.runtime.factsAreKnown());
    if (authority !== undefined) tellSidecars(this.controlPlane, threads.servers, cluster);
    this.places = new Places({
      store,
      underlay: this.underlay,
      network: this.network,
      scratch,
      cluster,
      variablesOf: (pod) => this.runtime.variablesOf(pod),
    });
    let rules: Nftables | undefined;
    const { underlay, network, dataplane, controlPlane } = this;
    const fabricRules = (): Nftables => (rules ??= new Nftables(underlay.fabric.namespace));
    const tell = this.feed.tell.bind(this.feed);
    this.faults = new Faults({ underlay, network, dataplane, controlPlane, fabricRules }, tell);
    this.evidenceSets = evidenceSetsOf(model.policy, this.underlay.isDual ? ["ip", "ip6"] : ["ip"]);
    this.evidence = new EvidenceReader(
      [...this.underlay.nodes.values()].map(({ plan: { name }, host }) => ({ node: name, namespace: host.namespace })),
      this.evidenceSets,
    );
  }

  /** Resolves when cluster DNS answers for the first objects, and Traefik where the lab has it. Throws KERNEL_NFT_REFUSED. */
  async ready(): Promise<void> {
    await this.dataplane.ready();
    await this.runtime.serveExternal();
    for (const ref of firstDeployments(this.plan))
      await this.controlPlane.wait({ kind: "condition", ref, condition: "available" }, { timeoutMs: READY_TIMEOUT_MS });
    await this.settle(READY_TIMEOUT_MS);
  }

  nodes(): CniNode[] {
    return this.network.nodes();
  }

  apply(objects: KubeObject[]): ApplyResult[] {
    return this.controlPlane.apply(objects);
  }

  delete(refs: ObjectRef[], signal: AbortSignal): Promise<void> {
    return this.controlPlane.delete(refs, { signal });
  }

  list(filter: { kind?: string; namespace?: string }): KubeObject[] {
    return this.controlPlane.store.all(filter);
  }

  scale(ref: ObjectRef, replicas: number): void {
    this.controlPlane.scale(ref, replicas);
  }

  rolloutRestart(ref: ObjectRef, restartedAt: string): void {
    this.controlPlane.rolloutRestart(ref, restartedAt);
  }

  wait(condition: WaitFor, timeoutMs: number, signal: AbortSignal): Promise<void> {
    return this.controlPlane.wait(condition, { timeoutMs, signal });
  }

  /** nftables transactions are in force when they return, so that idle loops mean a changed data plane. */
  async settle(timeoutMs: number): Promise<SettleResult> {
    const startedAt = performance.now();
    await this.controlPlane.settle({ timeoutMs });
    await this.dataplane.inForce();
    return { durationMs: performance.now() - startedAt };
  }

  async exec(source: Source, argv: string[], options: ExecOptions): Promise<ExecResult> {
    try {
      return await execIn(this.places.of(source), argv, options, this.plan.lab.name, () => this.evidence.read());
    } finally {
      this.sweeper.flowsEnded();
    }
  }

  /** The server ends with `stopServing`, and with the client that asked for it. */
  async serve(
    params: { source: Source; argv: string[]; readyPort: number; timeoutMs: number },
    gone: AbortSignal,
  ): Promise<{ id: number }> {
    const place = this.places.of(params.source);
    const child = startSandboxed(place.namespace, place.sandbox, params.argv, "ignore");
    gone.addEventListener("abort", () => killGroup(child), { once: true });
    await untilServing(child, params.argv, place.namespace, params);
    const id = this.nextServing++;
    this.serving.set(id, child);
    child.once("close", () => this.serving.delete(id));
    return { id };
  }

  async stopServing(id: number): Promise<void> {
    const child = this.serving.get(id);
    if (child === undefined) return;
    const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
    killGroup(child);
    await closed;
  }

  async capture(source: Source, filter: string, gone: AbortSignal): Promise<{ id: number }> {
    return this.captures.start(this.places.of(source), filter, gone);
  }

  async echo(source: Source, request: EchoRequest, signal: AbortSignal): Promise<EchoReply[]> {
    return sendEchoes(this.places.of(source).namespace, request, signal);
  }

  /** A cell whose source is not there is an error of that cell alone. */
  async sweep(cells: SweepCell[], deadlineMs: number): Promise<SweepResult> {
    const { text } = await this.sweepPacked(packCells(cells), deadlineMs);
    return unpackResult(JSON.parse(text) as PackedSweepResult, cells);
  }

  /** As {@link sweep}. */
  sweepPacked(packed: PackedCells, deadlineMs: number): Promise<JsonText<PackedSweepResult>> {
    if (packed.destinations.some(({ protocol }) => protocol === "udp")) this.network.liftIcmpLimits();
    const nodes = [...this.underlay.nodes.values()].map(({ plan: { name }, host }) => ({
      node: name,
      netnsFd: host.fd,
    }));
    return sweepPacked(packed, this.places, this.sweeper, { deadlineMs, nodes, sets: this.evidenceSets });
  }

  logs(source: Source & { kind: "pod" }): Promise<string> {
    return this.runtime.logs(source);
  }

  addresses(source: Source): string[] {
    return [...this.places.of(source).addresses];
  }

  entry(source: Source, argv: string[]): { netnsFd: number; argv: string[] } {
    const place = this.places.of(source);
    const terminal = process.env["TERM"] ?? "xterm-256color";
    const sandbox = { ...place.sandbox, env: { TERM: terminal, ...place.sandbox.env } };
    return { netnsFd: place.namespace.fd, argv: sandboxCommand(argv, sandbox) };
  }
}
