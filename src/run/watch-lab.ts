import { watch, type FSWatcher } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { LabError, LabProblems } from "../core/errors.ts";
import type { Verdict } from "../grade/types.ts";
import type { PlannedProbe } from "../plan/types.ts";
import { enforcedWithin } from "../lab/enforced-within.ts";
import type { ApplyResult } from "../providers/types.ts";
import { probeKinds } from "../probes/registry.ts";
import type { ProbeKind } from "../probes/types.ts";
import type { WatchEvent, WatchedLab } from "../report/watch-types.ts";
import { AnswerObjects } from "./answer-objects.ts";
import { followFiles, type AnswerFiles } from "./answer-files.ts";
import { attachLab, runningRecord, type AttachedLab } from "./attach-lab.ts";
import type { RunContext } from "./context.ts";
import type { ObjectsChange } from "./enforcement-flows.ts";
import { refuseInExam } from "./exam/refuse-in-exam.ts";
import { findKnownLab } from "./find-lab.ts";
import { gradeLab } from "./grade-lab.ts";
import { lockLab, type LabLock } from "./lab-lock.ts";
import { readRecord, stampRecord, writeRecord } from "./record.ts";
import { labDirectory } from "./state-directory.ts";
import { isRepeated, isTimed } from "./timed-probes.ts";
import { enforcementProbes, watchEnforcement } from "./watch-enforcement.ts";
import { notPossible, WatchedGrade } from "./watched-grade.ts";

export interface WatchRequest {
  lab: string;
  /** Manifest files and folders that are applied, now and whenever they change. */
  files: string[];
  /** End when a full grade passes. */
  isUntilPass: boolean;
}

/** What the person at the terminal asks for: a full grade, or one and then the end. */
export type WatchKey = "grade" | "end";

/** Where a watch tells what happens, and hears of keys. */
export interface Watcher {
  begin(lab: WatchedLab): void;
  tell(event: WatchEvent): void;
  /** Calls back for each key that is pressed; never where there is no keyboard. */
  onKey(listen: (key: WatchKey) => void): void;
}

const lockPollMs = 100;

/**
 * Follows a running lab: whenever objects of its cluster or the given files change, what the change touches is probed again. Changes
 * nothing but what the files say, and may run beside anything else. Resolves with the last verdict when the lab ends, a key says so, or a
 * grade passes; rejects on abort. Throws LAB_NOT_RUNNING, WATCH_NOT_POSSIBLE.
 */
export async function watchLab(request: WatchRequest, watcher: Watcher, context: RunContext): Promise<Verdict> {
  const name = findKnownLab(context.stateRoot, request.lab);
  const attached = await attachLab(name, context);
  try {
    refuseInExam(attached.record, "watch", context);
  } catch (error) {
    await attached.cluster.close();
    throw error;
  }
  const session = new WatchSession(name, attached, request, watcher, context);
  try {
    return await session.run();
  } finally {
    session.close();
    await attached.cluster.close();
  }
}

class WatchSession {
  private readonly name: string;
  private readonly request: WatchRequest;
  private readonly watcher: Watcher;
  private readonly context: RunContext;
  private readonly attached: AttachedLab;
  private readonly answers: AnswerObjects;
  private readonly keys: WatchKey[] = [];
  private readonly closed = new AbortController();
  private files: AnswerFiles | undefined;
  private records: FSWatcher | undefined;
  private areFilesTouched = true;
  private isRecordTouched = false;
  private wake: () => void = () => undefined;
  /** Of the last grade that was shown. */
  private verdict: Verdict = "inconclusive";

  constructor(name: string, attached: AttachedLab, request: WatchRequest, watcher: Watcher, context: RunContext) {
    this.name = name;
    this.attached = attached;
    this.request = request;
    this.watcher = watcher;
    const emit: RunContext["emit"] = (event) => {
      if (event.type === "warning") watcher.tell(event);
    };
    this.context = { ...context, emit };
    this.answers = new AnswerObjects(attached.record.plan, attached.cluster, emit);
  }

  async run(): Promise<Verdict> {
    const { record, cluster } = this.attached;
    const { plan } = record;
    if (cluster.changes === undefined) throw notPossible(plan.provider);
    const unwatched = plan.probes.filter(isUnwatched);
    const { lab, provider, cni, topology } = plan;
    const files = this.request.files;
    const names = unwatched.map((probe) => probe.name);
    this.watcher.begin({ lab, provider, cni, nodes: topology.nodes.length, files, unwatched: names });
    this.watcher.onKey((key) => {
      this.keys.push(key);
      this.wake();
    });
    this.follow();
    const probes = plan.probes.filter((probe) => !isUnwatched(probe));
    const grade = new WatchedGrade(this.attached, probes, this.context, (event) => this.tell(event));
    try {
      return await this.loop(grade);
    } catch (error) {
      if (!isGone(error)) throw error;
      this.watcher.tell({ type: "ended", reason: "lab" });
      return this.verdict;
    }
  }

  close(): void {
    this.closed.abort();
    this.files?.close();
    this.records?.close();
  }

  private tell(event: WatchEvent): void {
    if (event.type === "regrade") this.verdict = event.grade.verdict;
    this.watcher.tell(event);
  }

  private follow(): void {
    const { files } = this.request;
    if (files.length > 0) {
      this.files = followFiles(files, () => {
        this.areFilesTouched = true;
        this.wake();
      });
    }
    // `apply`, `hint` and `grade` keep there what counts for the next grade.
    this.records = watch(labDirectory(this.context.stateRoot, this.name), (_event, file) => {
      if (file !== "record.json") return;
      this.isRecordTouched = true;
      this.wake();
    });
    // The lab was taken down: its end is told by the connection.
    this.records.on("error", () => undefined);
  }

  private async loop(grade: WatchedGrade): Promise<Verdict> {
    const { signal } = this.context;
    for (;;) {
      signal.throwIfAborted();
      if (this.areFilesTouched) await this.applyFiles();
      if (this.isRecordTouched) this.readRecord(grade);
      await grade.catchUp();
      const key = this.keys.shift();
      const isSolved = this.request.isUntilPass && grade.isPassed;
      if (key !== undefined || isSolved) {
        const isPassed = await this.gradeWhole(grade);
        if (key === "end") return this.end("asked");
        if (this.request.isUntilPass && isPassed) return this.end("passed");
        if (isSolved) grade.isPassed = false;
        continue;
      }
      await this.untilSomething(grade);
    }
  }

  private end(reason: "asked" | "passed"): Verdict {
    this.watcher.tell({ type: "ended", reason });
    return this.verdict;
  }

  private async untilSomething(grade: WatchedGrade): Promise<void> {
    if (this.areFilesTouched || this.isRecordTouched || this.keys.length > 0) return;
    const { signal } = this.context;
    const over = new AbortController();
    const woken = new Promise<void>((resolve) => {
      this.wake = resolve;
    });
    try {
      await Promise.race([woken, grade.untilChanged(AbortSignal.any([signal, over.signal]))]);
    } finally {
      over.abort();
    }
  }

  /** What is wrong with them is told, and everything stays as it was. */
  private async applyFiles(): Promise<void> {
    this.areFilesTouched = false;
    const changed = this.files?.changed() ?? [];
    if (changed.length === 0) return;
    let lock: LabLock | undefined;
    try {
      lock = await this.lock();
      const changes = await this.answers.apply(changed, (change, make) => this.watched(change, make));
      this.tell({ type: "applied", files: changed, changes });
    } catch (error) {
      if (!(error instanceof LabError || error instanceof LabProblems) || isGone(error)) throw error;
      this.context.signal.throwIfAborted();
      this.tell({ type: "problem", error });
    } finally {
      lock?.release();
    }
  }

  /** What the lab's probes ask of a change of policies is measured, and kept in the record for a full grade. The lab is locked. */
  private async watched(change: ObjectsChange, make: () => Promise<ApplyResult[]>): Promise<ApplyResult[]> {
    const { cluster, record } = this.attached;
    if (enforcementProbes(record.plan).length === 0) return make();
    const { context, name } = this;
    const latest = await runningRecord(name, context);
    const results = await watchEnforcement({ plan: latest.plan, cluster, record: latest }, change, context, make);
    stampRecord(latest, context.now());
    await writeRecord(context.stateRoot, latest);
    return results;
  }

  /** Nothing tells when a lock is given up, so that it is tried until it is; who holds it is told once. */
  private async lock(): Promise<LabLock> {
    let isTold = false;
    for (;;) {
      this.context.signal.throwIfAborted();
      try {
        return lockLab(this.context.stateRoot, this.name);
      } catch (error) {
        if (!(error instanceof LabError) || error.code !== "LAB_BUSY") throw error;
        const { code, message } = error;
        const hint = "the change is applied when it is done";
        if (!isTold) this.tell({ type: "warning", warning: { code, message, hint } });
        isTold = true;
      }
      await pause(lockPollMs, undefined, { signal: this.context.signal });
    }
  }

  private readRecord(grade: WatchedGrade): void {
    this.isRecordTouched = false;
    const finding = readRecord(this.context.stateRoot, this.name);
    if (finding.kind === "found") grade.takeRecord(finding.record);
  }

  private async gradeWhole(grade: WatchedGrade): Promise<boolean> {
    this.tell({ type: "grading" });
    (await this.lock()).release();
    const report = await gradeLab({ lab: this.name, answers: grade.answers }, this.context);
    this.verdict = report.grade.verdict;
    this.tell({ type: "graded", report });
    grade.compare(report.grade);
    return report.grade.verdict === "pass";
  }
}

/** Those that take seconds whatever they see, those about a change that was watched by whoever made it, and those for which a fault is made. */
function isUnwatched(probe: PlannedProbe): boolean {
  const kind = (probeKinds as unknown as Record<string, ProbeKind>)[probe.kind];
  return (
    isTimed(probe) || isRepeated(probe) || enforcedWithin(probe.expect) !== undefined || kind?.exclusive === "links"
  );
}

function isGone(error: unknown): boolean {
  return error instanceof LabError && error.code === "LAB_PROCESS_GONE";
}
