import { attachBaseline } from "../grade/baseline.ts";
import { attachControls, LastControls } from "../grade/controls.ts";
import { LastCells } from "../grade/last-cells.ts";
import { LastJudged } from "../grade/last-judged.ts";
import { gradeProbes } from "../grade/judge.ts";
import { bonusProbes, type TaskToJudge } from "../grade/points.ts";
import type { Cell, CellKey, GradeReport, ProbeResult } from "../grade/types.ts";
import type { KubeObject } from "../kube/types.ts";
import type { PlannedProbe, PlannedTask } from "../plan/types.ts";
import { enforcedWithin } from "../lab/enforced-within.ts";
import { probeKinds } from "../probes/registry.ts";
import { rerunCommand } from "../probes/rerun.ts";
import { runProbes, type RanCell, type RanProbe } from "../probes/scheduler.ts";
import type { ProbeContext, ProbedCell, ProbedChange, ProbeKind } from "../probes/types.ts";
import type { RunContext } from "./context.ts";
import { enforcementCell } from "./enforcement-cell.ts";
import { policyDigest } from "./enforcement-record.ts";
import { createLens, type Lens } from "./lens.ts";
import { stableNames } from "./pod-owner.ts";
import type { ProbingRequest } from "./probing.ts";
import type { HintTaken } from "./record.ts";
import { agreedCells, enforcementGap, resolveCells } from "./resolve-cells.ts";
import { cellsToRepeat, mergeSecondTry, unsteadyCells } from "./second-try.ts";

/** One SYN retransmit (RFC 6298: 1 s) and a little: before it, loss would look like a block. */
const deadlineMs = 1100;
const mostUnsteadyNamed = 5;

/** Runs and judges the probes of one request, each with the objects that the cluster had when it began. */
export class ProbeBench {
  readonly request: ProbingRequest;
  readonly context: RunContext;
  at: string;
  private view: { probeContext: ProbeContext; lens: Lens };
  private stableName: (end: string) => string;
  /** By the names of probes that have run. */
  private readonly lenses = new Map<string, Lens>();
  /** What policies say of thousands of cells takes longer than probing them, and is asked for after each try and at the end. */
  private resolved = new WeakMap<RanProbe, ProbeResult>();
  /** Cells that are kept from one look to the next are asked for once. */
  private readonly lastResolved = new LastCells<RanCell, Cell>();
  private readonly lastControlled = new LastControls();
  private readonly lastJudged = new LastJudged();
  /** When a cell was last seen that answered, by its key: of what is kept, or probed again, the key stays the same object. */
  private readonly seenAt = new WeakMap<CellKey, string>();
  private readonly bonus: ReadonlySet<string>;
  private done = 0;

  private constructor(request: ProbingRequest, context: RunContext, view: ProbeBench["view"]) {
    this.request = request;
    this.context = context;
    this.at = context.now().toISOString();
    this.view = view;
    this.stableName = stableNames(view.probeContext.objects);
    this.bonus = bonusProbes(request.plan.tasks);
  }

  static async open(request: ProbingRequest, context: RunContext): Promise<ProbeBench> {
    const objects = request.objects ?? (await request.cluster.list());
    return new ProbeBench(request, context, await viewOf(request, objects, context));
  }

  /** Looks at the cluster's objects anew, for the probes that follow. */
  async look(): Promise<void> {
    const objects = await this.request.cluster.list();
    this.view = await viewOf(this.request, objects, this.context);
    const [earlier, now] = [this.stableName, stableNames(objects)];
    // Pods that are gone by now keep the name that they had.
    this.stableName = (end) => (now(end) === end ? earlier(end) : now(end));
  }

  /**
   * Goes on with objects as they are now. `isReferenceSame`: no pod, namespace, node or workload changed, so that what should be is as
   * before. What was seen by earlier probes may be judged again.
   */
  async takeObjects(objects: readonly KubeObject[], isReferenceSame: boolean): Promise<void> {
    this.at = this.context.now().toISOString();
    this.view = await viewOf(this.request, objects, this.context, isReferenceSame ? this.view.lens : undefined);
    this.lenses.clear();
    if (isReferenceSame) return;
    this.stableName = stableNames(objects);
    this.resolved = new WeakMap();
    this.lastResolved.clear();
  }

  /** How the policies see the cluster as it was when it was last looked at. */
  get lens(): Lens {
    return this.view.lens;
  }

  /** What was seen, once; `onProbe` is called as each ends. `part` says which cells of matrices are probed. */
  async run(
    probes: readonly PlannedProbe[],
    onProbe?: (name: string) => void,
    part: Pick<ProbeContext, "kept" | "only" | "again"> = {},
  ): Promise<RanProbe[]> {
    const { context, request, view } = this;
    for (const { name } of probes) this.lenses.set(name, view.lens);
    const ran = await runProbes(
      probes,
      { ...view.probeContext, ...part },
      {
        onProbe: ({ name }) => {
          onProbe?.(name);
          this.done = Math.min(this.done + 1, request.probes.length);
          const { phase } = request;
          context.emit({ type: "progress", phase, message: name, done: this.done, total: request.probes.length });
        },
      },
    );
    const isAgain = part.again !== undefined;
    for (const { cells } of ran)
      for (const { key, observation } of cells)
        if (observation?.outcome === "allowed" && (isAgain || !this.seenAt.has(key))) this.seenAt.set(key, this.at);
    return ran;
  }

  /** One probe that watches a change: it waits for that change, so that its time has another bound. */
  watch(probe: PlannedProbe, change: ProbedChange, probeBoundMs: number): Promise<RanProbe[]> {
    this.lenses.set(probe.name, this.view.lens);
    return runProbes([probe], { ...this.view.probeContext, change }, { probeBoundMs });
  }

  /** As {@link run}, and once more where something unexpected was seen: of matrices the cells that failed, other probes whole. */
  async runTwice(probes: readonly PlannedProbe[]): Promise<RanProbe[]> {
    const first = await this.run(probes);
    const judged = this.judge(first).grade.probes;
    const repeat = cellsToRepeat(judged);
    if (repeat.probes.size === 0) return first;
    const again = await this.run(
      // A change that was watched does not happen again.
      probes.filter(({ name, expect }) => repeat.probes.has(name) && enforcedWithin(expect) === undefined),
      undefined,
      { only: repeat.only },
    );
    const merged = mergeSecondTry(first, again, judged);
    this.warnOfUnsteady(unsteadyCells(first, merged));
    return merged;
  }

  judge(ran: readonly RanProbe[]): { results: ProbeResult[]; grade: GradeReport } {
    const { plan, controls, baseline = [], rerunPrefix = "", hintsTaken = [] } = this.request;
    const tasks = this.request.tasks.map((task) => taskToJudge(task, hintsTaken));
    const results = attachBaseline(
      attachControls(
        ran.map((probe) => this.resolve(probe)),
        controls,
        ({ key }) => this.seenAt.get(key) ?? this.at,
        this.lastControlled,
      ),
      baseline,
      (end) => this.stableName(end),
      (probe) => rerunPrefix + rerunCommand(plan.lab.name, probe),
    );
    const compareFigures = figureComparer(this.view.probeContext);
    return {
      results,
      grade: gradeProbes({
        probes: results,
        tasks,
        compareFigures,
        nameOf: (end) => this.nameOf(end),
        last: this.lastJudged,
      }),
    };
  }

  lensOf(probe: RanProbe): Lens {
    return this.lenses.get(probe.name) ?? this.view.lens;
  }

  nameOf(end: string): string {
    return this.stableName(end);
  }

  warn(code: string, message: string, hint: string): void {
    this.context.emit({ type: "warning", warning: { code, message, hint } });
  }

  private resolve(ran: RanProbe): ProbeResult {
    const known = this.resolved.get(ran);
    if (known !== undefined) return known;
    const resolved = this.resolveAnew(ran);
    this.resolved.set(ran, resolved);
    return resolved;
  }

  private resolveAnew(ran: RanProbe): ProbeResult {
    const { plan, rerunPrefix = "" } = this.request;
    const { probe, cells: ranCells, ...result } = ran;
    const lens = this.lensOf(ran);
    const fewer = lens.withoutOtherBonus(probe.name);
    const rerun = (_probe: PlannedProbe, cell: RanCell): string => rerunPrefix + cell.rerun;
    const resolve = (some: readonly RanCell[]): Cell[] => {
      const all = resolveCells(probe, some, { ...lens.reference, rerun });
      return fewer === undefined ? all : agreedCells(all, resolveCells(probe, some, { ...fewer, rerun }));
    };
    const cells = this.lastResolved.map(probe.name, ranCells, (changed) =>
      resolve(changed).map((cell, index) => {
        const { withoutFault } = changed[index] as RanCell;
        return withoutFault === undefined ? cell : { ...cell, withoutFault };
      }),
    );
    const notEnforceable = enforcementGap(plan.cni, cells);
    return {
      ...result,
      ...(this.bonus.has(probe.name) ? { isBonus: true } : {}),
      cells: cells as Cell[],
      ...(notEnforceable === undefined ? {} : { notEnforceable }),
    };
  }

  private warnOfUnsteady(cells: string[]): void {
    if (cells.length === 0) return;
    const named = cells.slice(0, mostUnsteadyNamed).join("; ");
    const more = cells.length > mostUnsteadyNamed ? `; and ${cells.length - mostUnsteadyNamed} more` : "";
    this.warn(
      "PROBE_UNSTEADY",
      `what was seen changed between two tries: ${named}${more}`,
      "the second try was judged; a change that takes effect late, or loss, looks like this",
    );
  }
}

/** A task as the grade takes it: of its hints only how many were taken, and what they cost. */
function taskToJudge({ name, text, isBonus, probes, hints }: PlannedTask, taken: readonly HintTaken[]): TaskToJudge {
  const shown = hints?.slice(0, taken.filter(({ task }) => task === name).length) ?? [];
  const cost = shown.reduce((total, hint) => total + hint.cost, 0);
  return {
    name,
    text,
    ...(isBonus === undefined ? {} : { isBonus }),
    probes,
    ...(hints === undefined ? {} : { hints: { taken: shown.length, of: hints.length, cost } }),
  };
}

async function viewOf(
  { plan, cluster, cell, enforcement: record }: ProbingRequest,
  objects: readonly KubeObject[],
  { signal }: RunContext,
  earlier?: Lens,
): Promise<ProbeBench["view"]> {
  const lens = await createLens(plan, objects, cluster, earlier);
  const enforcement = (probe: PlannedProbe): ProbedCell =>
    enforcementCell(probe, { record, policies: policyDigest(objects), cni: plan.cni });
  return {
    lens,
    probeContext: { plan, cluster, objects, signal, deadlineMs, enforcement, ...(cell === undefined ? {} : { cell }) },
  };
}

function figureComparer(context: ProbeContext) {
  return (kind: string, measured: Record<string, unknown>, expected: Record<string, unknown>): string | undefined => {
    const found = (probeKinds as unknown as Record<string, ProbeKind>)[kind];
    if (found?.compare === undefined) return `a ${kind} probe measures nothing that could be compared`;
    return found.compare(measured, expected, context);
  };
}
