import { LabError } from "../core/errors.ts";
import type { EventSink } from "../core/events.ts";
import { ADMIN_POLICY_VERSIONS } from "../kube/admin-policy-types.ts";
import type { Plan } from "../plan/types.ts";
import type { ApplyResult, Cluster, ObjectRef } from "../providers/types.ts";
import { idOf, readManifests, refOf } from "./apply-lab.ts";
import type { ObjectsChange } from "./enforcement-flows.ts";

/** Makes a change that is about to be asked for, and may watch what it does. */
export type AroundChange = (change: ObjectsChange, make: () => Promise<ApplyResult[]>) => Promise<ApplyResult[]>;

/** The objects of followed files, as they were last applied. */
export class AnswerObjects {
  private readonly plan: Plan;
  private readonly cluster: Cluster;
  private readonly emit: EventSink;
  private byFile: ReadonlyMap<string, ReadonlyMap<string, ObjectRef>> = new Map();
  private readonly ofLab: ReadonlySet<string>;

  constructor(plan: Plan, cluster: Cluster, emit: EventSink) {
    this.plan = plan;
    this.cluster = cluster;
    this.emit = emit;
    this.ofLab = new Set(plan.scenario.flatMap(({ objects }) => objects.map(({ object }) => idOf(refOf(object)))));
  }

  /**
   * Applies the files, all objects or none, and deletes what they had when they were last applied and no file has any more, but for objects
   * of the lab's own manifests. `around` makes the change of policies, with everything that is applied; other objects are deleted after it. Resolves with
   * a line an object that is not as before. Throws LabProblems, MANIFEST_EMPTY and what the cluster refuses; all is then as it was.
   */
  async apply(files: readonly string[], around: AroundChange): Promise<string[]> {
    const read = files.map((file) => ({ file, ...this.read(file) }));
    const byFile = new Map(this.byFile);
    for (const { file, objects } of read)
      byFile.set(file, new Map(objects.map(({ object }) => [idOf(refOf(object)), refOf(object)])));
    const kept = new Set([...byFile.values()].flatMap((ids) => [...ids.keys()]));
    const before = read.flatMap(({ file }) => [...(this.byFile.get(file)?.values() ?? [])]);
    const gone = before.filter((ref) => !kept.has(idOf(ref)));
    const deleted = gone.filter((ref) => !this.ofLab.has(idOf(ref)));
    const policies = deleted.filter(isPolicyRef);
    // Pods take their time to end: a change of policies is not to be counted from there.
    const others = deleted.filter((ref) => !isPolicyRef(ref));
    const apply = read.flatMap(({ objects }) => objects.map(({ object }) => object));
    const results = await around({ apply, delete: policies }, async () => {
      const applied = await this.cluster.apply(apply);
      this.byFile = byFile;
      if (policies.length > 0) await this.cluster.delete(policies);
      return applied;
    });
    if (others.length > 0) await this.cluster.delete(others);
    for (const { warnings } of [...read, ...results])
      for (const warning of warnings) this.emit({ type: "warning", warning });
    return [
      ...results.filter(({ action }) => action !== "unchanged").map(({ ref, action }) => `${textOf(ref)} ${action}`),
      ...deleted.map((ref) => `${textOf(ref)} deleted`),
      ...gone.filter((ref) => this.ofLab.has(idOf(ref))).map((ref) => `${textOf(ref)} is the lab's own and stays`),
    ];
  }

  /** A file without any object is one from which all were taken out; one that was never applied has none by mistake. */
  private read(file: string): ReturnType<typeof readManifests> {
    try {
      return readManifests([file], this.plan);
    } catch (error) {
      if (error instanceof LabError && error.code === "MANIFEST_EMPTY" && this.byFile.has(file))
        return { objects: [], warnings: [] };
      throw error;
    }
  }
}

function isPolicyRef({ kind }: ObjectRef): boolean {
  return kind === "NetworkPolicy" || Object.hasOwn(ADMIN_POLICY_VERSIONS, kind);
}

function textOf({ kind, namespace, name }: ObjectRef): string {
  return `${kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
}
