import { z } from "zod";
import { LabError } from "../core/errors.ts";
import { isPodReady } from "../kube/pods.ts";
import type { Pod } from "../kube/types.ts";
import { livePods, podName } from "../kube/workloads.ts";
import { podPatternField, protocolPortField } from "../lab/fields.ts";
import { matchPodPattern } from "../lab/refs.ts";
import type { PodPattern } from "../lab/refs.ts";
import { podSource } from "../providers/source.ts";
import type { ResolvedSource } from "../providers/source.ts";
import { controlCell, controlSweepCells, selfControls } from "./controls.ts";
import type { SelfControl } from "./controls.ts";
import { errorObservation } from "./observe.ts";
import { flowTo, podTarget } from "./resolve.ts";
import { observeSweepCell } from "./sweep-observation.ts";
import { defineProbe } from "./types.ts";
import type { ProbeContext, ProbedCell } from "./types.ts";

const patterns = z.union([podPatternField().transform((one) => [one]), z.array(podPatternField()).min(1)]);

const matrixOptions = z
  .strictObject({
    pods: patterns.optional().describe("Sources and destinations: shop/*, or a list of patterns"),
    from: patterns.optional().describe("Sources, where they differ from `pods`"),
    to: patterns.optional().describe("Destinations, where they differ from `pods`"),
    ports: z.array(protocolPortField()).min(1).describe("5432/tcp, 53/udp; each is tried on every destination"),
    external: z.boolean().optional().describe("The host outside the cluster is a source too"),
    nodes: z.boolean().optional().describe("Every node is a source too"),
  })
  .superRefine((options, issues) => {
    if (options.pods !== undefined || (options.from !== undefined && options.to !== undefined)) return;
    issues.addIssue({
      code: "custom",
      message: "a matrix needs pods, or both from and to",
      params: { code: "MATRIX_NO_PODS_NAMED", hint: "add pods: NAMESPACE/*" },
    });
  });

type MatrixOptions = z.output<typeof matrixOptions>;

/** Every pair of pods on every port, in one sweep; docs/probes/matrix.md. */
export const matrix = defineProbe<MatrixOptions>({
  kind: "matrix",
  summary: "tries every pair of pods on every port at once",
  options: matrixOptions,
  tools: [],
  references: () => [],
  run: async (options, _from, context) => {
    const { cells, controls } = planMatrix(options, context);
    return sweepMatrix(cells, controls, context);
  },
});

interface PlannedCell {
  cell: ProbedCell;
  address: string;
}

function planMatrix(options: MatrixOptions, context: ProbeContext): { cells: PlannedCell[]; controls: SelfControl[] } {
  const pods = livePods(context.objects);
  const sources = [...selectPods(options.from ?? options.pods ?? [], pods, "from"), ...otherSources(options, context)];
  const targets = selectPods(options.to ?? options.pods ?? [], pods, "to");
  const cells: PlannedCell[] = [];
  const controls = new Map<string, SelfControl>();
  for (const toPod of targets) {
    const to = podName(toPod);
    for (const { port, protocol } of options.ports) {
      for (const from of sources) {
        const fromName = isPod(from) ? podName(from) : from.name;
        // A pod to itself never leaves its namespace, and CNIs differ on it: never graded (docs/probes/matrix.md).
        if (fromName === to || !isWanted(context.cell, fromName, to)) continue;
        const key = { from: fromName, to, port, protocol };
        try {
          const source = isPod(from) ? podSource(from) : from;
          const target = podTarget(toPod, { port, protocol }, source);
          if (!isPodReady(toPod)) throw new LabError("TARGET_NOT_READY", `pod ${to} is not ready`);
          cells.push({ cell: { key, flow: flowTo(target, { port, protocol }, source) }, address: target.host });
          for (const control of selfControls(target, port, protocol)) controls.set(`${to} ${port}/${protocol}`, control);
        } catch (error) {
          if (!(error instanceof LabError)) throw error;
          cells.push({ cell: { key, observation: errorObservation(error) }, address: "" });
        }
      }
    }
  }
  return { cells, controls: [...controls.values()] };
}

async function sweepMatrix(
  planned: readonly PlannedCell[],
  controls: readonly SelfControl[],
  context: ProbeContext,
): Promise<ProbedCell[]> {
  const cells = await sweepCells(planned.map(({ cell }) => cell), controls, context);
  return cells;
}

/**
 * Probes matrix cells again, all at once, such as those that were not as expected. Cells without a flow come back as they
 * are. `tries` counts on, and where the outcome changed, the earlier one is kept as evidence: a retry never hides a fault.
 */
export async function resweep(cells: readonly ProbedCell[], context: ProbeContext): Promise<ProbedCell[]> {
  const again = await sweepCells(
    cells.map(({ observation: _, ...cell }) => cell),
    [],
    context,
  );
  return again.map((cell, index) => {
    const before = cells[index]?.observation;
    if (before === undefined || cell.observation === undefined) return { ...cell, ...(before && { observation: before }) };
    const { evidence, outcome } = cell.observation;
    const changed =
      outcome === before.outcome
        ? []
        : [{ kind: "note" as const, text: `an earlier try was ${before.outcome}: ${before.reason}` }];
    return { ...cell, observation: { ...cell.observation, tries: before.tries + 1, evidence: [...changed, ...evidence] } };
  });
}

async function sweepCells(
  cells: readonly ProbedCell[],
  controls: readonly SelfControl[],
  context: ProbeContext,
): Promise<ProbedCell[]> {
  const tries = cells.flatMap(({ flow, observation }, id) =>
    flow === undefined || observation !== undefined || flow.port === undefined || flow.protocol === "icmp"
      ? []
      : [{ id, from: flow.from, address: flow.address, port: flow.port, protocol: flow.protocol }],
  );
  const firstControl = cells.length;
  const sweep = [...tries, ...controlSweepCells(controls, firstControl)];
  const results = sweep.length === 0 ? [] : (await context.cluster.sweep(sweep, { deadlineMs: context.deadlineMs })).cells;
  context.signal.throwIfAborted();
  const byId = new Map(results.map((result) => [result.id, result]));
  return [
    ...cells.map((cell, id) => {
      const result = byId.get(id);
      if (result === undefined || cell.flow === undefined || cell.flow.protocol === "icmp") return cell;
      return { ...cell, observation: observeSweepCell(result, cell.flow.protocol) };
    }),
    ...controls.map((control, index) => {
      const result = byId.get(firstControl + index);
      return controlCell(control, result === undefined ? undefined : observeSweepCell(result, control.protocol));
    }),
  ];
}

function isPod(source: Pod | ResolvedSource): source is Pod {
  return !("source" in source);
}

function otherSources({ external, nodes }: MatrixOptions, { plan }: ProbeContext): ResolvedSource[] {
  return [
    ...(nodes === true
      ? plan.topology.nodes.map(({ name }): ResolvedSource => ({ source: { kind: "node", name }, name: `node/${name}` }))
      : []),
    ...(external === true ? [{ source: { kind: "external" as const }, name: "external" }] : []),
  ];
}

function selectPods(wanted: readonly PodPattern[], pods: readonly Pod[], side: string): Pod[] {
  const found = pods.filter((pod) =>
    wanted.some((pattern) =>
      matchPodPattern(pattern, { namespace: pod.metadata.namespace ?? "default", name: pod.metadata.name }),
    ),
  );
  for (const pattern of wanted) {
    if (pods.some((pod) => matchPodPattern(pattern, { namespace: pod.metadata.namespace ?? "default", name: pod.metadata.name }))) continue;
    throw new LabError("MATRIX_MATCHES_NOTHING", `no pod matches ${pattern.namespace}/${pattern.name} (${side})`, {
      hint: "a pattern that matches nothing would make a matrix that proves nothing; cnilab status shows the pods",
    });
  }
  return found;
}

function isWanted(cell: ProbeContext["cell"], from: string, to: string): boolean {
  return cell === undefined || (cell.from === from && cell.to === to);
}
