import { recordControls, type RecordedControl } from "../grade/controls.ts";
import type { GradeReport } from "../grade/types.ts";
import type { KubeObject } from "../kube/types.ts";
import type { PlannedProbe } from "../plan/types.ts";
import type { RanCell, RanProbe } from "../probes/scheduler.ts";
import { cellId } from "./cell-id.ts";
import { KeptCells } from "./kept-cells.ts";
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
  private view: PolicyView;
  /** Seen while something changed: what they show may be of before or of after it. */
  private doubtful = new Set<RanCell>();
  private fresh = new Set<RanCell>();

  constructor(bench: ProbeBench, probes: readonly PlannedProbe[]) {
    this.bench = bench;
    this.probes = probes;
    this.view = viewOf(bench);
  }

  /** Probes what the changes touch, as the cluster is now; `objects` are settled. */
  async regrade(objects: readonly KubeObject[], impact: Impact): Promise<Regraded> {
    await this.bench.takeObjects(objects, !impact.hasReference);
    const before = this.view;
    this.view = viewOf(this.bench);
    this.fresh = new Set();
    const isTouched = (cell: RanCell): boolean => this.isTouched(cell, impact, before);

    const matrices = this.probes.filter(({ kind }) => kind === "matrix");
    const others = this.probes.filter(
      (probe) => probe.kind !== "matrix" && this.isProbeTouched(probe, impact, isTouched),
    );
    for (const ran of await this.bench.run(others)) this.keep(ran);
    for (const probe of matrices) await this.runMatrix(probe, impact, isTouched);
    this.doubtful = new Set();
    const probed = this.fresh.size;
    const grade = await this.tryFailuresAgain();
    const cells = this.results().reduce((sum, each) => sum + each.cells.length, 0);
    return { grade, probed, cells };
  }

  /** Judges anew what was seen: what is known besides it has changed. */
  judge(): GradeReport {
    return this.bench.judge(this.results()).grade;
  }

  /** Answers among what was probed last, for later silences. */
  answers(): RecordedControl[] {
    const fresh = this.results().map((each) => ({ ...each, cells: each.cells.filter((cell) => this.fresh.has(cell)) }));
    return recordControls(fresh, this.bench.at);
  }

  /** Something changed while the last cells were probed: none of them is relied on. */
  distrust(): void {
    this.doubtful = this.fresh;
  }

  private results(): RanProbe[] {
    return this.probes.flatMap(({ name }) => this.ran.get(name) ?? []);
  }

  private keep(ran: RanProbe): void {
    const earlier = new Set(this.ran.get(ran.name)?.cells);
    for (const cell of ran.cells) if (!earlier.has(cell)) this.fresh.add(cell);
    this.ran.set(ran.name, ran);
  }

  private async runMatrix(probe: PlannedProbe, impact: Impact, isTouched: (cell: RanCell) => boolean): Promise<void> {
    const earlier = this.ran.get(probe.name);
    const touched = new Set(earlier?.cells.filter(isTouched));
    if (earlier !== undefined && touched.size === 0 && !impact.hasReference) return;
    await this.runWithKept(probe, new KeptCells(earlier?.cells ?? [], touched));
  }

  private async runWithKept(probe: PlannedProbe, kept: KeptCells): Promise<void> {
    const [ran] = await this.bench.run([probe], undefined, (from, to, port, protocol) =>
      kept.get(from, to, port, protocol),
    );
    if (ran !== undefined) this.keep(ran);
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

  private isTouched(cell: RanCell, { whole, pods, hasPolicies }: Impact, before: PolicyView): boolean {
    const { key, observation } = cell;
    if (whole.length > 0 || this.doubtful.has(cell)) return true;
    if (observation === undefined || observation.outcome === "error") return true;
    if (pods.size > 0 && (pods.has(key.from) || pods.has(key.to))) return true;
    // A pod's probe of itself never leaves it; no policy is asked.
    if (key.from === key.to && cell.ungraded !== undefined) return false;
    return hasPolicies && this.view.mayDiffer(cell, before);
  }

  /** As every grade does, but of what was probed just now only: what failed before has had its second try. */
  private async tryFailuresAgain(): Promise<GradeReport> {
    const { grade } = this.bench.judge(this.results());
    const failed = grade.probes.map((probe) => ({
      probe,
      ids: new Set(
        probe.notEnforceable === undefined
          ? probe.cells.filter(({ verdict }) => verdict === "fail").map(({ key }) => cellId(key))
          : [],
      ),
    }));
    let isRepeated = false;
    for (const { probe, ids } of failed) {
      const first = this.ran.get(probe.name);
      if (first === undefined || ids.size === 0) continue;
      const again = first.cells.filter((cell) => this.fresh.has(cell) && ids.has(cellId(cell.key)));
      if (again.length === 0) continue;
      isRepeated = true;
      await this.tryAgain(first, again);
    }
    return isRepeated ? this.bench.judge(this.results()).grade : grade;
  }

  private async tryAgain(first: RanProbe, again: readonly RanCell[]): Promise<void> {
    if (first.kind === "matrix") await this.runWithKept(first.probe, new KeptCells(first.cells, new Set(again)));
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
  }
}

function viewOf({ lens }: ProbeBench): PolicyView {
  return new PolicyView(lens.liveWorld, lens.live);
}
