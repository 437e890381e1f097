import { LabError } from "../../core/errors.ts";
import type { KubeObject } from "../../kube/types.ts";
import type { KubernetesApi } from "../real/api/kubernetes-api.ts";
import type { RealCluster } from "../real/cluster.ts";
import { DNS_SELECTOR } from "../real/settle.ts";
import type { SettleOptions, SettleResult } from "../settle.ts";
import type {
  ApplyResult,
  Cluster,
  ExecOptions,
  ExecResult,
  ObjectRef,
  Source,
  SweepCell,
  SweepCellResult,
  SweepResult,
  WaitFor,
} from "../types.ts";
import { agentsNamespace, LABELS, labelsOf, systemNamespace, type Owner } from "./names.ts";
import { createNamespace, labelled, namespacesOf, taken } from "./namespaces.ts";
import type { StandIns } from "./nodes.ts";
import { placed, shown } from "./placement.ts";
import { objectRefusal } from "./refusals.ts";

/** What cluster DNS is made of: flows to it are judged by it. */
const DNS_KINDS = ["Service", "Endpoints", "EndpointSlice", "Pod"];
const DNS_NAMESPACE = "kube-system";

export interface ExistingClusterOptions {
  api: KubernetesApi;
  real: RealCluster;
  owner: Owner;
  nodes: StandIns;
  /** The lab's namespaces as they are now; kept up to date here. */
  namespaces: Set<string>;
}

/**
 * A part of a cluster that is not ours alone: a lab's namespaces, and cluster DNS to look at. Nodes have the lab's names. What
 * would change, or start from, anything else is refused (EXISTING_NOT_OURS, EXISTING_NEEDS_NODE).
 */
export class ExistingCluster implements Cluster {
  private readonly options: ExistingClusterOptions;
  private readonly real: RealCluster;

  constructor(options: ExistingClusterOptions) {
    this.options = options;
    this.real = options.real;
  }

  async apply(objects: KubeObject[]): Promise<ApplyResult[]> {
    const { owner, nodes } = this.options;
    const isNamespace = ({ kind, apiVersion }: KubeObject): boolean => kind === "Namespace" && apiVersion === "v1";
    const wanted = objects.filter(isNamespace);
    await this.refuseForeign(objects);
    const ours = objects.map((object) => (isNamespace(object) ? labelled(object, owner) : placed(object, nodes)));
    const created = await this.createMissing(wanted);
    try {
      const results = await this.real.apply(ours);
      return results.map((result) =>
        result.ref.kind === "Namespace" && created.has(result.ref.name) ? { ...result, action: "created" } : result,
      );
    } catch (error) {
      await this.remove([...created].map((name) => ({ kind: "Namespace", name })));
      throw error;
    }
  }

  async delete(refs: ObjectRef[]): Promise<void> {
    for (const ref of refs) await this.requireOwn(ref);
    await this.remove(refs);
  }

  async scale(ref: ObjectRef, replicas: number): Promise<void> {
    await this.requireOwn(ref);
    await this.real.scale(ref, replicas);
  }

  async rolloutRestart(ref: ObjectRef, restartedAt: string): Promise<void> {
    await this.requireOwn(ref);
    await this.real.rolloutRestart(ref, restartedAt);
  }

  async list({ kind, namespace }: { kind?: string; namespace?: string } = {}): Promise<KubeObject[]> {
    const { api, nodes } = this.options;
    const kinds = kind === undefined ? {} : { kind };
    const places = [...this.options.namespaces].filter((place) => namespace === undefined || place === namespace);
    const inPlaces = places.map((place) => api.list({ ...kinds, namespace: place }));
    const clusterWide = ["Namespace", "Node"].filter((each) => kind === undefined || kind === each);
    const ofCluster = clusterWide.map(async (each) =>
      namespace === undefined ? (await api.list({ kind: each })).filter((object) => this.isSeen(object)) : [],
    );
    const dnsKinds = DNS_KINDS.filter((each) => kind === undefined || kind === each);
    const ofDns =
      dnsKinds.length > 0 && (namespace === undefined || namespace === DNS_NAMESPACE)
        ? [api.list({ kinds: dnsKinds, namespace: DNS_NAMESPACE, labelSelector: DNS_SELECTOR })]
        : [];
    const objects = (await Promise.all([...ofCluster, ...inPlaces, ...ofDns])).flat();
    return objects.flatMap((object) => shown(object, nodes) ?? []).toSorted(byCreation);
  }

  wait(condition: WaitFor, options: { timeoutMs: number; signal?: AbortSignal }): Promise<void> {
    const { ref } = condition;
    const name = ref.kind === "Node" ? (this.options.nodes.get(ref.name)?.name ?? ref.name) : ref.name;
    return this.real.wait({ ...condition, ref: { ...ref, name } }, options);
  }

  settle(options: SettleOptions): Promise<SettleResult> {
    return this.real.settle(options);
  }

  async exec(source: Source, argv: string[], options: ExecOptions): Promise<ExecResult> {
    this.requirePod(source);
    return this.real.exec(source, argv, options);
  }

  async serve(
    source: Source,
    argv: string[],
    options: { readyPort: number; timeoutMs: number },
  ): Promise<{ stop(): Promise<void> }> {
    this.requirePod(source);
    return this.real.serve(source, argv, options);
  }

  /** A cell that may not start is an error of that cell alone. */
  async sweep(cells: SweepCell[], options: { deadlineMs: number }): Promise<SweepResult> {
    const refused: SweepCellResult[] = [];
    const allowed = cells.filter(({ id, from }) => {
      try {
        this.requirePod(from);
        return true;
      } catch (error) {
        if (!(error instanceof LabError)) throw error;
        refused.push({ id, outcome: "error", detail: error.message, latencyMs: 0 });
        return false;
      }
    });
    const result = await this.real.sweep(allowed, options);
    return { ...result, cells: [...result.cells, ...refused] };
  }

  async logs(source: Source & { kind: "pod" }): Promise<string> {
    this.requirePod(source);
    return this.real.logs(source);
  }

  async interactive(source: Source, argv: string[]): Promise<{ exitCode: number }> {
    this.requirePod(source);
    return this.real.interactive(source, argv);
  }

  async addresses(source: Source): Promise<string[]> {
    if (source.kind === "node") return this.options.nodes.get(source.name)?.addresses ?? [];
    return this.real.addresses(source);
  }

  close(): Promise<void> {
    return this.real.close();
  }

  private isSeen({ kind, metadata: { name } }: KubeObject): boolean {
    return kind === "Node" || this.options.namespaces.has(name) || name === DNS_NAMESPACE;
  }

  /** Everything that is wrong with objects that are to be applied, at once. */
  private async refuseForeign(objects: readonly KubeObject[]): Promise<void> {
    const { api, namespaces } = this.options;
    const wanted = objects.filter(({ kind }) => kind === "Namespace").map(({ metadata }) => metadata.name);
    const own = new Set([...namespaces, ...wanted]);
    const reasons: string[] = [];
    for (const object of objects) {
      const reason = objectRefusal(object, own);
      if (reason !== undefined) reasons.push(reason);
      else if (object.kind !== "Namespace" && !(await api.resources.find(object.kind, object.apiVersion)).namespaced) {
        reasons.push(
          `${object.kind} ${object.metadata.name} is of the whole cluster, and the cluster is not the lab's alone`,
        );
      }
    }
    if (reasons.length > 0) throw notOurs(reasons.join("\n"));
  }

  /** Makes those that are not there; throws where one is somebody else's. */
  private async createMissing(wanted: readonly KubeObject[]): Promise<Set<string>> {
    const { api, owner, namespaces } = this.options;
    const there = new Map(
      await Promise.all(
        wanted.map(async ({ metadata: { name } }) => [name, await api.get({ kind: "Namespace", name })] as const),
      ),
    );
    const foreign = [...there].filter(([, found]) => found !== undefined && !isOwn(found, owner)).map(([name]) => name);
    if (foreign.length > 0) throw taken(foreign);
    const created = new Set<string>();
    try {
      for (const namespace of wanted) {
        const { name } = namespace.metadata;
        if (there.get(name) === undefined) {
          await createNamespace(api, owner, namespace);
          created.add(name);
        }
        namespaces.add(name);
      }
    } catch (error) {
      await this.remove([...created].map((name) => ({ kind: "Namespace", name })));
      throw error;
    }
    return created;
  }

  private async remove(refs: ObjectRef[]): Promise<void> {
    await this.real.delete(refs);
    for (const { kind, name } of refs) if (kind === "Namespace") this.options.namespaces.delete(name);
  }

  private async requireOwn({ kind, namespace, name }: ObjectRef): Promise<void> {
    const { api, namespaces } = this.options;
    const { namespaced } = await api.resourceOf({ kind, name });
    const place = kind === "Namespace" ? name : namespaced ? (namespace ?? "default") : undefined;
    if (place !== undefined && namespaces.has(place)) return;
    throw notOurs(`${kind} ${namespace === undefined ? name : `${namespace}/${name}`} is not the lab's to change`);
  }

  private requirePod(source: Source): void {
    if (source.kind !== "pod") {
      throw new LabError(
        "EXISTING_NEEDS_NODE",
        `nothing is run ${source.kind === "node" ? `on node ${source.name}` : "on a host outside"}: the cluster is not the lab's alone`,
        { hint: "name a pod of the lab; provider kind has nodes of its own" },
      );
    }
    if (this.options.namespaces.has(source.namespace)) return;
    throw notOurs(`pod ${source.namespace}/${source.name} is not the lab's`);
  }
}

/** The lab's namespaces as they are now, without those of our own pods. */
export async function labNamespaces(api: KubernetesApi, owner: Owner): Promise<Set<string>> {
  const system = [systemNamespace(owner.lab), agentsNamespace(owner.lab)];
  const names = await namespacesOf(api, owner);
  return new Set(names.filter((name) => !system.includes(name)));
}

function isOwn({ metadata: { labels = {} } }: KubeObject, owner: Owner): boolean {
  return labels[LABELS.owner] === owner.owner && labels[LABELS.lab] === labelsOf(owner)[LABELS.lab];
}

function notOurs(message: string): LabError {
  return new LabError("EXISTING_NOT_OURS", message, {
    hint: "a lab works in namespaces that it creates itself; nothing else of the cluster is touched",
  });
}

function byCreation(a: KubeObject, b: KubeObject): number {
  const [first, second] = [a.metadata.creationTimestamp ?? "", b.metadata.creationTimestamp ?? ""];
  return first < second ? -1 : first > second ? 1 : 0;
}
