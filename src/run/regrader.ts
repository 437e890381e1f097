import { recordControls, type RecordedControl } from "../grade/controls.ts";
import type { GradeReport, JudgedCell, JudgedProbe } from "../grade/types.ts";
import type { KubeObject } from "../kube/types.ts";
import type { PlannedProbe } from "../plan/types.ts";
import type { RanCell, RanProbe } from "../probes/scheduler.ts";
import type { Flow } from "../providers/types.ts";
import { changedPlaces } from "../grade/last-cells.ts";
import { cellId } from "./cell-id.ts";
import { KeptCells } from "./kept-cells.ts";
import { MatrixCells } from "./matrix-cells.ts";
import { PolicyView } from "./policy-view.ts";
import type { ProbeBench } from "./probe-bench.ts";
import { combineTries } from "./second-try.ts";
import type { Impact } from "./watched-objects.ts";

/** One grade of which only what changes touch was probed again. */
export interface Regraded {
  grade: GradeReport;
  /** Cells that were probed, controls included, and all that there are. */
  probed: number;
  cells: number;
}

/**
 * Grades again and again, and probes each time only what a change may have touched: cells of pods that are not as they were, cells that
 * the policies treat otherwise than before, and whatever the oracle cannot speak of. A cell that was not probed again is one that nothing
 * which is known to have happened can have changed.
 */
export class Regrader {
  private readonly bench: ProbeBench;
  /** In the lab's order. */
  private readonly probes: readonly PlannedProbe[];
  private readonly ran = new Map<string, RanProbe>();
  /** Of matrices, as long as they have the same cells. */
  private readonly matrices = new Map<string, MatrixCells>();
  private lastGrade: GradeReport | undefined;
  private view: PolicyView;
  /** Seen while something changed: what they show may be of before or of after it. */
  private doubtful = new Set<RanCell>();
  /** Probed just now, by the names of their probes. */
  private fresh = new Map<string, Set<RanCell>>();

  constructor(bench: ProbeBench, probes: readonly PlannedProbe[]) {
    this.bench = bench;
    this.probes = probes;
    this.view = viewOf(bench);
  }

  /**
   * Probes what the changes touch, as the cluster is now; `objects` are settled. `onProbed` is called whenever something was probed, before
   * it is judged.
   */
  async regrade(objects: readonly KubeObject[], impact: Impact, onProbed: () => void): Promise<Regraded> {
    await this.bench.takeObjects(objects, !impact.hasReference);
    const before = this.view;
    this.view = viewOf(this.bench);
    this.fresh = new Map();
    const mayDiffer = impact.hasPolicies ? this.view.comparison(before) : (): boolean => false;
    const isTouched = (cell: RanCell): boolean => this.isTouched(cell, impact, mayDiffer);

    const matrices = this.probes.filter(({ kind }) => kind === "matrix");
    const others = this.probes.filter(
      (probe) => probe.kind !== "matrix" && this.isProbeTouched(probe, impact, isTouched),
    );
    for (const ran of await this.bench.run(others)) this.keep(ran);
    const isSame = this.rowsThatStay(impact, before);
    for (const probe of matrices) await this.runMatrix(probe, impact, (cells) => cells.touched(isTouched, isSame));
    onProbed();
    this.doubtful = new Set();
    const probed = this.freshCells().size;
    const grade = await this.tryFailuresAgain(onProbed);
    const cells = this.results().reduce((sum, each) => sum + each.cells.length, 0);
    return { grade, probed, cells };
  }

  /** Judges anew what was seen: what is known besides it has changed. */
  judge(): GradeReport {
    return this.bench.judge(this.results()).grade;
  }

  /** Answers among what was probed last, for later silences. */
  answers(): RecordedControl[] {
    const fresh = this.probes.flatMap(({ name, kind }) => {
      const cells = this.fresh.get(name);
      return cells === undefined ? [] : [{ kind, cells: [...cells] }];
    });
    return recordControls(fresh, this.bench.at);
  }

  /** Something changed while the last cells were probed: none of them is relied on. */
  distrust(): void {
    this.doubtful = this.freshCells();
  }

  private freshCells(): Set<RanCell> {
    return new Set([...this.fresh.values()].flatMap((cells) => [...cells]));
  }

  private results(): RanProbe[] {
    return this.probes.flatMap(({ name }) => this.ran.get(name) ?? []);
  }

  private keep(ran: RanProbe): void {
    const earlier = new Set(this.ran.get(ran.name)?.cells);
    this.addFresh(
      ran.name,
      ran.cells.filter((cell) => !earlier.has(cell)),
    );
    this.ran.set(ran.name, ran);
  }

  private addFresh(probe: string, cells: readonly RanCell[]): void {
    const fresh = this.fresh.get(probe) ?? new Set();
    for (const cell of cells) fresh.add(cell);
    this.fresh.set(probe, fresh);
  }

  /** Which rows of a matrix are as before; none where each cell has to be asked. */
  private rowsThatStay({ whole, pods, hasPolicies }: Impact, before: PolicyView): (flow: Flow) => boolean {
    if (whole.length > 0 || pods.size > 0 || this.doubtful.size > 0) return () => false;
    return hasPolicies ? this.view.evenness(before) : () => true;
  }

  private async runMatrix(
    probe: PlannedProbe,
    impact: Impact,
    touchedOf: (cells: MatrixCells) => number[],
  ): Promise<void> {
    const earlier = this.ran.get(probe.name);
    const known = this.matrices.get(probe.name);
    const places = known === undefined ? [] : touchedOf(known);
    if (earlier !== undefined && places.length === 0 && !impact.hasReference) return;
    // Where pods come and go the matrix has other cells.
    if (earlier === undefined || known === undefined || impact.hasReference || places.length === earlier.cells.length)
      await this.runWithKept(probe, new KeptCells(earlier?.cells ?? [], cellsAt(earlier?.cells, places)));
    else await this.runPart(earlier, known, places);
  }

  private async runWithKept(probe: PlannedProbe, kept: KeptCells): Promise<void> {
    const [ran] = await this.bench.run([probe], undefined, {
      kept: (from, to, port, protocol) => kept.get(from, to, port, protocol),
    });
    if (ran === undefined) return;
    this.keep(ran);
    const { view } = this;
    this.matrices.set(
      probe.name,
      MatrixCells.of(ran.cells, (name) => view.isEnd(name)),
    );
  }

  /**
   * Probes the cells of a matrix at these places and its destinations' controls once more; all others stay where they are. Its pods are as
   * they were.
   */
  private async runPart(earlier: RanProbe, known: MatrixCells, touched: readonly number[]): Promise<void> {
    const places = known.withControls(touched);
    const again = places.map((place) => known.cells[place] as RanCell);
    const [ran] = await this.bench.run([earlier.probe], undefined, { again });
    const now = ran === undefined ? undefined : known.withNewer(ran.cells, places);
    // The probe as a whole could not be made.
    if (ran === undefined || now === undefined)
      return this.runWithKept(earlier.probe, new KeptCells(earlier.cells, new Set(again)));
    this.addFresh(earlier.name, ran.cells);
    this.matrices.set(earlier.name, now);
    this.ran.set(earlier.name, { ...ran, cells: now.cells });
  }

  private isProbeTouched(
    { name }: PlannedProbe,
    { pods, hasNames, hasReference }: Impact,
    isTouched: (cell: RanCell) => boolean,
  ): boolean {
    const earlier = this.ran.get(name);
    if (earlier === undefined || hasNames || hasReference || pods.size > 0) return true;
    return earlier.cells.some(isTouched);
  }

  private isTouched(cell: RanCell, { whole, pods }: Impact, mayDiffer: (cell: RanCell) => boolean): boolean {
    const { key, observation } = cell;
    if (whole.length > 0 || (this.doubtful.size > 0 && this.doubtful.has(cell))) return true;
    if (observation === undefined || observation.outcome === "error") return true;
    if (pods.size > 0 && (pods.has(key.from) || pods.has(key.to))) return true;
    // A pod's probe of itself never leaves it; no policy is asked.
    if (cell.ungraded !== undefined && key.from === key.to) return false;
    return mayDiffer(cell);
  }

  /**
   * As every grade does, but of what was probed just now only: what failed before has had its second try. Nor is there one where the
   * policies in force say the same: no chance is in what they were to do and the kernel has recorded.
   */
  private async tryFailuresAgain(onProbed: () => void): Promise<GradeReport> {
    const { grade } = this.bench.judge(this.results());
    let isRepeated = false;
    for (const [index, { name, cells, notEnforceable }] of grade.probes.entries()) {
      const first = this.ran.get(name);
      const fresh = this.fresh.get(name);
      if (first === undefined || fresh === undefined || notEnforceable !== undefined) continue;
      const byKey = new Map([...fresh].map((cell) => [cell.key, cell]));
      const judged = newlyJudged(this.lastGrade?.probes[index], { name, cells });
      const failed = judged.flatMap(({ key, verdict }) => (verdict === "fail" ? (byKey.get(key) ?? []) : []));
      const again = failed.filter((cell) => !this.view.foretells(cell));
      if (again.length === 0) continue;
      isRepeated = true;
      await this.tryAgain(first, again);
    }
    if (isRepeated) onProbed();
    this.lastGrade = isRepeated ? this.bench.judge(this.results()).grade : grade;
    return this.lastGrade;
  }

  private async tryAgain(first: RanProbe, again: readonly RanCell[]): Promise<void> {
    const known = this.matrices.get(first.name);
    if (known !== undefined) await this.runPart(first, known, known.placesOf(new Set(again)));
    else for (const ran of await this.bench.run([first.probe])) this.keep(ran);
    const second = this.ran.get(first.name);
    if (second === undefined) return;
    const kept = new Set(first.cells);
    const tried = new Map(again.map((cell) => [cellId(cell.key), cell]));
    const cells = second.cells.map((cell) => {
      const earlier = kept.has(cell) ? undefined : tried.get(cellId(cell.key));
      return earlier === undefined ? cell : combineTries(earlier, cell);
    });
    this.keep({ ...second, cells });
    if (known === undefined) return;
    const { view } = this;
    this.matrices.set(
      first.name,
      MatrixCells.of(cells, (name) => view.isEnd(name)),
    );
  }
}

/** A cell that was probed is judged anew: those of last time are not among them. */
function newlyJudged(
  before: Pick<JudgedProbe, "name" | "cells"> | undefined,
  { name, cells }: Pick<JudgedProbe, "name" | "cells">,
): readonly JudgedCell[] {
  const places = before?.name === name ? changedPlaces(before.cells, cells) : undefined;
  return places === undefined ? cells : places.map((place) => cells[place] as JudgedCell);
}

function cellsAt(cells: readonly RanCell[] | undefined, places: readonly number[]): Set<RanCell> {
  return new Set(places.map((place) => cells?.[place] as RanCell));
}

function viewOf({ lens }: ProbeBench): PolicyView {
  return new PolicyView(lens.liveWorld, lens.live);
}
