import type { Cell, Evidence, GradeReport, JudgedCell } from "../grade/types.ts";
import type { RanProbe } from "../probes/scheduler.ts";
import { cellId } from "./cell-id.ts";
import type { FlowOracle } from "./flow-oracle.ts";

/**
 * Adds to every failed cell what the policies that are in the cluster now, the learner's included, say of its flow: the
 * reference says what should be, this says why it is not. The reference's own reason is left out where it would quote a
 * file of `solutionFiles`: it would be the answer.
 */
export function explainFailures(
  grade: GradeReport,
  ran: readonly RanProbe[],
  liveOf: (probe: RanProbe) => FlowOracle,
  solutionFiles: ReadonlySet<string>,
): GradeReport {
  const probes = grade.probes.map((probe) => {
    const own = ran.find(({ name }) => name === probe.name);
    const flows = new Map(own?.cells.map(({ key, flow }) => [cellId(key), flow]));
    const cells = probe.cells.map((judged): JudgedCell => {
      const cell = withoutAnswer(judged, solutionFiles);
      const flow = flows.get(cellId(cell.key));
      if (cell.verdict !== "fail" || cell.observation === undefined) return cell;
      if (own === undefined || flow === undefined) return cell;
      const { why } = liveOf(own).answer(flow);
      const isSame = JSON.stringify(why.lines) === JSON.stringify(cell.why?.lines);
      if (isSame || why.lines.length === 0) return cell;
      const note: Evidence = { kind: "note", text: ["policies in the cluster now:", ...why.lines].join("\n") };
      return { ...cell, observation: { ...cell.observation, evidence: [...cell.observation.evidence, note] } };
    });
    const ungraded = probe.ungraded?.map((cell) => withoutAnswer(cell, solutionFiles));
    return { ...probe, cells, ...(ungraded === undefined ? {} : { ungraded }) };
  });
  return { ...grade, probes };
}

/** Of cells that passed, too: a guard passes in the untouched lab. */
function withoutAnswer<Any extends Cell>(cell: Any, solutionFiles: ReadonlySet<string>): Any {
  const { why } = cell;
  if (why?.spans.some(({ file }) => solutionFiles.has(file)) !== true) return cell;
  return {
    ...cell,
    why: { ...why, lines: [`the reference solution ${why.allowed ? "allows" : "blocks"} it`], spans: [] },
  };
}
