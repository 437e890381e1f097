import { LabError } from "../core/errors.ts";
import { mergeControls, type RecordedControl } from "../grade/controls.ts";
import { applyTimeLimit, measureTime } from "../grade/time-limit.ts";
import type { GradeReport } from "../grade/types.ts";
import type { PlannedProbe } from "../plan/types.ts";
import type { ClusterChanges } from "../providers/changes.ts";
import type { Cluster } from "../providers/types.ts";
import type { WatchEvent } from "../report/watch-types.ts";
import type { AttachedLab } from "./attach-lab.ts";
import { changedCells } from "./changed-cells.ts";
import type { RunContext } from "./context.ts";
import { ProbeBench } from "./probe-bench.ts";
import type { ProbingRequest } from "./probing.ts";
import type { RunRecord } from "./record.ts";
import { Regrader, type Regraded } from "./regrader.ts";
import { sameJson } from "./object-edits.ts";
import { settleFirst } from "./settle-first.ts";
import { hasImpact, mergeImpacts, noImpact, WatchedObjects, type Impact } from "./watched-objects.ts";

/** The grade of a lab, kept up with what happens to it. */
export class WatchedGrade {
  /** Every watched probe passed in the last regrade, and nobody has found otherwise since. */
  isPassed = false;
  /** What answered, for a full grade. */
  answers: RecordedControl[] = [];
  private readonly cluster: Cluster;
  private readonly context: RunContext;
  private readonly tell: (event: WatchEvent) => void;
  private readonly objects = new WatchedObjects();
  private readonly probes: readonly PlannedProbe[];
  private record: RunRecord;
  private request: ProbingRequest;
  private regrader: Regrader | undefined;
  private point: unknown;
  /** What is known to have changed and is not probed yet. */
  private impact: Impact = { ...noImpact(), whole: ["the watch begins"] };
  private ongoing: string[] = [];
  /** Judged anew when nothing else changes. */
  private isRecordNew = false;
  private shown: GradeReport | undefined;
  /** As `shown`, before the time limit was applied. */
  private seen: GradeReport | undefined;

  constructor(
    { record, cluster }: AttachedLab,
    probes: readonly PlannedProbe[],
    context: RunContext,
    tell: (event: WatchEvent) => void,
  ) {
    this.cluster = cluster;
    this.context = context;
    this.tell = tell;
    this.probes = probes;
    this.record = record;
    const { plan } = record;
    this.request = { plan, cluster, probes, tasks: plan.tasks, controls: [], phase: "probe" };
    this.takeRecord(record);
    this.isRecordNew = false;
  }

  /** What other commands kept since: hints that were taken, answers, the time. */
  takeRecord(record: RunRecord): void {
    this.record = record;
    this.request.hintsTaken = record.hintsTaken;
    this.request.baseline = record.baseline;
    this.request.controls = mergeControls(record.controls, this.answers);
    this.isRecordNew = true;
  }

  /** Resolves when something changed, by whatever hand. Rejects with LAB_PROCESS_GONE when the lab ends. */
  async untilChanged(signal: AbortSignal): Promise<void> {
    if (this.point === undefined) return;
    await this.changes(true, signal);
  }

  /** Probes what changes since the last time touch, until nothing has changed meanwhile, and tells of it. */
  async catchUp(): Promise<void> {
    const startedMs = this.context.monotonicMs();
    this.impact = mergeImpacts(this.impact, await this.takeChanges());
    if (!hasImpact(this.impact)) {
      if (this.isRecordNew && this.regrader !== undefined) this.publishRecord(this.regrader);
      return;
    }
    this.tell({ type: "changing" });
    for (;;) {
      this.context.signal.throwIfAborted();
      await settleFirst(this.cluster, this.context);
      this.impact = mergeImpacts(this.impact, await this.takeChanges());
      const regrader = (this.regrader ??= await this.open());
      const { impact } = this;
      // Asked for while what was seen is judged.
      let asked: Promise<ClusterChanges> | undefined;
      const ask = (): void => {
        asked = this.changes(false, this.context.signal);
        // Whoever awaits it is told.
        asked.catch(() => undefined);
      };
      const regraded = await regrader.regrade(this.objects.objects(), impact, ask);
      this.addAnswers(regrader);
      const later = await (asked ?? this.changes(false, this.context.signal));
      this.impact = this.objects.take(later);
      this.point = later.point;
      this.ongoing = later.ongoing;
      if (!WatchedObjects.isSeen(later)) return this.publish(regraded, impact, startedMs);
      // What was probed meanwhile may be of before or of after.
      regrader.distrust();
      this.impact = mergeImpacts(this.impact, { ...noImpact(), what: impact.what, whole: impact.whole });
    }
  }

  /** A full grade was made: where it found otherwise, something changed that nothing told of, and all is probed again. */
  compare(full: GradeReport): void {
    this.isPassed = false;
    if (this.shown === undefined) return;
    const differing = changedCells(this.shown, full);
    if (differing.length === 0) return;
    this.impact.whole.push(
      `a full grade saw ${differing.length} ${differing.length === 1 ? "cell" : "cells"} otherwise`,
    );
  }

  private async open(): Promise<Regrader> {
    const bench = await ProbeBench.open({ ...this.request, objects: this.objects.objects() }, this.context);
    this.request = bench.request;
    return new Regrader(bench, this.probes);
  }

  private addAnswers(regrader: Regrader): void {
    this.answers = mergeControls(this.answers, regrader.answers());
    this.request.controls = mergeControls(this.request.controls, this.answers);
  }

  /** Told only where the grade is another by it: each command stamps the record. */
  private publishRecord(regrader: Regrader): void {
    this.isRecordNew = false;
    const grade = regrader.judge();
    const { seen } = this;
    const isSame =
      seen !== undefined &&
      sameJson([seen.earned, seen.bonus, seen.verdict], [grade.earned, grade.bonus, grade.verdict]) &&
      changedCells(seen, grade).length === 0;
    if (!isSame) this.publish({ grade, probed: 0, cells: 0 }, noImpact(), this.context.monotonicMs());
  }

  private publish({ grade: seen, probed, cells }: Regraded, impact: Impact, startedMs: number): void {
    const { timeLimit } = this.record.plan;
    const now = this.context.now();
    const time = timeLimit === undefined ? undefined : measureTime(timeLimit, this.record.timing, now);
    const grade = time === undefined ? seen : applyTimeLimit(seen, time);
    const changed = this.shown === undefined ? [] : changedCells(this.shown, grade);
    this.shown = grade;
    this.seen = seen;
    this.isRecordNew = false;
    this.isPassed = grade.probes.every(({ isBonus, verdict }) => isBonus === true || verdict === "pass");
    this.tell({
      type: "regrade",
      at: now.toISOString(),
      grade,
      because: impact.what,
      whole: impact.whole,
      probed,
      cells,
      changed,
      ongoing: this.ongoing,
      durationMs: this.context.monotonicMs() - startedMs,
    });
  }

  private async takeChanges(): Promise<Impact> {
    const changes = await this.changes(false, this.context.signal);
    this.point = changes.point;
    this.ongoing = changes.ongoing;
    return this.objects.take(changes);
  }

  private changes(isPatient: boolean, signal: AbortSignal): Promise<ClusterChanges> {
    const { cluster, point } = this;
    if (cluster.changes === undefined) throw notPossible(this.record.plan.provider);
    return cluster.changes(point, { isPatient, signal });
  }
}

/** The provider cannot tell when something changes. */
export function notPossible(provider: string): LabError {
  return new LabError("WATCH_NOT_POSSIBLE", `provider ${provider} does not tell of changes`, {
    hint: "cnilab grade LAB grades it as it is",
  });
}
