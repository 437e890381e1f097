import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import writeFileAtomic from "write-file-atomic";
import { LabError } from "../../../core/errors.ts";
import type { KubeObject, Pod, Service } from "../../../kube/types.ts";
import type { ResetResult } from "../../types.ts";
import type { KubernetesApi } from "../api/kubernetes-api.ts";
import { withoutServerFields } from "../api/apply-object.ts";
import { refOf } from "../api/object-text.ts";
import { pathOf } from "../api/resources.ts";
import type { Agents } from "../types.ts";
import { forgetNeighbours, removeFacts } from "./node-repair.ts";
import { readNode, residue, tokensOf, type NodeFact } from "./node-state.ts";
import { podLinks } from "./pod-links.ts";
import { SNAPSHOT_FILE } from "./snapshot-file.ts";
import { nodeWish, readObjects, type KeptObject } from "./object-state.ts";

export interface ResetOptions {
  api: KubernetesApi;
  agents: Agents;
  nodes: readonly string[];
  stateDirectory: string;
  /** Of the CNI; see CniInstall. */
  lastingRules: readonly RegExp[];
  /** Brings what changes with every settling to one state, and resolves when the nodes show it. */
  rest: () => Promise<void>;
}

interface Snapshot {
  objects: [string, KeptObject][];
  nodes: Record<string, NodeFact[]>;
}

/** Agents take rules away a moment after the objects are gone; nothing tells when. */
const AGENTS_CLEAN_MS = 8000;
/** And bring back what went with others' objects, such as a BGP session that was lost; a routing daemon takes its time. */
const AGENTS_BACK_MS = 30_000;
const LOOK_AGAIN_MS = 200;
const NAMED = 10;

/** Brings a cluster back to the state that was kept. */
export class Reset {
  private readonly options: ResetOptions;

  constructor(options: ResetOptions) {
    this.options = options;
  }

  /** Keeps the state as it is now; it holds the cluster's secrets, so that only we may read it. */
  async keep(): Promise<void> {
    const { api, stateDirectory, rest } = this.options;
    await rest();
    const [objects, nodes] = await Promise.all([readObjects(api), this.nodeFacts()]);
    const snapshot: Snapshot = { objects: [...objects], nodes };
    await writeFileAtomic(join(stateDirectory, SNAPSHOT_FILE), JSON.stringify(snapshot), { mode: 0o600 });
  }

  /**
   * Removes what is new, puts back what was changed or removed, and looks again: objects, and rules, routes and links of
   * every node. Rejects with RESET_NO_SNAPSHOT, or RESET_UNCLEAN naming what stays.
   */
  async run(): Promise<ResetResult> {
    const startedAt = performance.now();
    const snapshot = this.read();
    const before = new Map(snapshot.objects);
    const changes = [...(await this.removeNew(before)), ...(await this.putBack(before))];
    const now = await readObjects(this.options.api);
    const stays = [...differing(before, now)].map(([key, how]) => `${key} (${how})`);
    if (stays.length > 0) throw unclean(stays);
    await this.options.rest();
    changes.push(...(await this.cleanNodes(snapshot)));
    await Promise.all(this.options.nodes.map((node) => forgetNeighbours(this.options.agents, node)));
    return { changes, durationMs: performance.now() - startedAt };
  }

  private read(): Snapshot {
    const file = join(this.options.stateDirectory, SNAPSHOT_FILE);
    if (!existsSync(file)) {
      throw new LabError("RESET_NO_SNAPSHOT", "there is no snapshot of the cluster to go back to", {
        hint: "cnilab down LAB, then cnilab up LAB",
      });
    }
    return JSON.parse(readFileSync(file, "utf8")) as Snapshot;
  }

  private async nodeFacts(): Promise<Record<string, NodeFact[]>> {
    const { agents, nodes } = this.options;
    return Object.fromEntries(
      await Promise.all(nodes.map(async (node) => [node, await readNode(agents, node)] as const)),
    );
  }

  /** Webhooks first, since they may refuse the rest; definitions last, since their objects go with them. */
  private async removeNew(before: ReadonlyMap<string, KeptObject>): Promise<string[]> {
    const { api } = this.options;
    const found = await readObjects(api);
    const extra = [...found].filter(([key, { object }]) => !before.has(key) && object.kind !== "Node");
    const doomed = new Set(
      extra.flatMap(([, { object }]) => (object.kind === "Namespace" ? [object.metadata.name] : [])),
    );
    const alone = extra.filter(([, { object }]) => !doomed.has(object.metadata.namespace ?? ""));
    for (const step of [0, 1, 2]) {
      const refs = alone.filter(([, { object }]) => removalStep(object) === step).map(([, { object }]) => object);
      await api.delete(refs.map((object) => ({ ...refOf(object), apiVersion: object.apiVersion })));
    }
    return alone.map(([key]) => `removed ${key}`);
  }

  private async putBack(before: ReadonlyMap<string, KeptObject>): Promise<string[]> {
    const { api } = this.options;
    const now = await readObjects(api);
    const changes: string[] = [];
    for (const [key, how] of differing(before, now)) {
      const kept = before.get(key)?.object;
      if (kept === undefined) continue;
      const { namespace, name } = kept.metadata;
      const resource = await api.resources.find(kept.kind, kept.apiVersion);
      if (kept.kind === "Node" && kept.apiVersion === "v1") {
        if (how === "changed") await this.putBackNode(kept, now.get(key)?.object);
      } else if (how === "gone") {
        await api.connection.send({ method: "POST", path: pathOf(resource, namespace), body: bare(kept) });
      } else {
        await api.connection.send({ method: "PUT", path: pathOf(resource, namespace, name), body: bare(kept) });
      }
      changes.push(`put back ${key}, which was ${how}`);
    }
    return changes;
  }

  private async putBackNode(kept: KubeObject, now: KubeObject | undefined): Promise<void> {
    const wish = nodeWish(kept);
    // A merge patch takes a label away by null.
    const strange = Object.keys(now?.metadata.labels ?? {}).map((label) => [label, null] as const);
    const labels = { ...Object.fromEntries(strange), ...wish.labels };
    await this.options.api.patch(
      { kind: "Node", name: kept.metadata.name },
      { metadata: { labels }, spec: { taints: wish.taints, unschedulable: wish.unschedulable } },
    );
  }

  private async cleanNodes(snapshot: Snapshot): Promise<string[]> {
    const changes: string[] = [];
    let left = await this.untilClean(snapshot, AGENTS_CLEAN_MS);
    for (const [node, { extra }] of left) {
      await removeFacts(this.options.agents, node, extra);
      if (extra.length > 0) changes.push(`removed ${extra.length} rules, routes or links of node ${node}`);
    }
    if (left.length > 0) left = await this.untilClean(snapshot, AGENTS_BACK_MS);
    if (left.length === 0) return changes;
    throw unclean(
      left.flatMap(([node, { extra, missing }]) => [
        ...extra.map((fact) => `node ${node}: ${fact}`),
        ...missing.map((fact) => `node ${node} lacks: ${fact}`),
      ]),
    );
  }

  /** Nodes that still differ when agents have had their time. */
  private async untilClean(
    { nodes: before }: Snapshot,
    timeoutMs: number,
  ): Promise<[string, ReturnType<typeof residue>][]> {
    const startedAt = performance.now();
    for (;;) {
      const [{ pods, services }, now] = await Promise.all([this.holdings(), this.nodeFacts()]);
      const tokens = new Set(tokensOf(pods, services, Object.values(now).flat()));
      let left = this.residues(before, now, tokens);
      if (left.some(([, { extra }]) => extra.some((fact) => fact.startsWith("link ")))) {
        for (const link of await podLinks(this.options.agents, pods)) tokens.add(link);
        left = this.residues(before, now, tokens);
      }
      if (left.length === 0 || performance.now() - startedAt > timeoutMs) return left;
      await pause(LOOK_AGAIN_MS);
    }
  }

  private residues(
    before: Snapshot["nodes"],
    now: Snapshot["nodes"],
    tokens: ReadonlySet<string>,
  ): [string, ReturnType<typeof residue>][] {
    return Object.entries(now)
      .map(([node, facts]): [string, ReturnType<typeof residue>] => [node, residue(before[node] ?? [], facts, tokens)])
      .map(([node, { extra, missing }]): [string, ReturnType<typeof residue>] => [
        node,
        { extra: extra.filter((fact) => !this.options.lastingRules.some((rule) => rule.test(fact))), missing },
      ])
      .filter(([, { extra, missing }]) => extra.length > 0 || missing.length > 0);
  }

  private async holdings(): Promise<{ pods: Pod[]; services: Service[] }> {
    const { api } = this.options;
    const [pods, services] = await Promise.all([api.list({ kind: "Pod" }), api.list({ kind: "Service" })]);
    return { pods: pods as Pod[], services: services as Service[] };
  }
}

function removalStep({ kind }: KubeObject): 0 | 1 | 2 {
  if (/Webhook|AdmissionPolicy|^APIService$/.test(kind)) return 0;
  return kind === "CustomResourceDefinition" ? 2 : 1;
}

function* differing(
  before: ReadonlyMap<string, KeptObject>,
  now: ReadonlyMap<string, KeptObject>,
): Generator<[string, "gone" | "changed" | "new"]> {
  for (const [key, { hash }] of before) {
    const found = now.get(key);
    if (found === undefined) yield [key, "gone"];
    else if (found.hash !== hash) yield [key, "changed"];
  }
  for (const key of now.keys()) if (!before.has(key)) yield [key, "new"];
}

/** The object as it can be written again. */
function bare(object: KubeObject): KubeObject {
  const { status: _status, ...rest } = object;
  return {
    ...rest,
    apiVersion: object.apiVersion,
    kind: object.kind,
    metadata: withoutServerFields(object.metadata),
  };
}

function unclean(stays: readonly string[]): LabError {
  const more = stays.length > NAMED ? `\n  and ${stays.length - NAMED} more` : "";
  return new LabError("RESET_UNCLEAN", `the reset left something:\n  ${stays.slice(0, NAMED).join("\n  ")}${more}`, {
    hint: "cnilab down LAB, then cnilab up LAB makes the cluster anew",
  });
}
