import { LabError } from "../core/errors.ts";
import type { EventSink } from "../core/events.ts";
import type { Plan } from "../plan/types.ts";
import type { Cluster, ObjectRef } from "../providers/types.ts";
import { idOf, readManifests, refOf } from "./apply-lab.ts";

/** The objects of followed files, as they were last applied. */
export class AnswerObjects {
  private readonly plan: Plan;
  private readonly cluster: Cluster;
  private readonly emit: EventSink;
  private readonly byFile = new Map<string, Map<string, ObjectRef>>();
  private readonly ofLab: ReadonlySet<string>;

  constructor(plan: Plan, cluster: Cluster, emit: EventSink) {
    this.plan = plan;
    this.cluster = cluster;
    this.emit = emit;
    this.ofLab = new Set(plan.scenario.flatMap(({ objects }) => objects.map(({ object }) => idOf(refOf(object)))));
  }

  /**
   * Applies the files, all objects or none, and deletes what they had when they were last applied and no file has any more, but for objects
   * of the lab's own manifests. Resolves with a line an object that is not as before. Throws LabProblems, MANIFEST_EMPTY and what the
   * cluster refuses; all is then as it was.
   */
  async apply(files: readonly string[]): Promise<string[]> {
    const read = files.map((file) => ({ file, ...this.read(file) }));
    const results = await this.cluster.apply(read.flatMap(({ objects }) => objects.map(({ object }) => object)));
    const dropped: ObjectRef[] = [];
    for (const { file, objects } of read) {
      const now = new Map(objects.map(({ object }) => [idOf(refOf(object)), refOf(object)]));
      const before = this.byFile.get(file) ?? new Map<string, ObjectRef>();
      this.byFile.set(file, now);
      for (const [id, ref] of before) if (!now.has(id)) dropped.push(ref);
    }
    const kept = new Set([...this.byFile.values()].flatMap((ids) => [...ids.keys()]));
    const gone = dropped.filter((ref) => !kept.has(idOf(ref)));
    const deleted = gone.filter((ref) => !this.ofLab.has(idOf(ref)));
    if (deleted.length > 0) await this.cluster.delete(deleted);
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

function textOf({ kind, namespace, name }: ObjectRef): string {
  return `${kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
}
