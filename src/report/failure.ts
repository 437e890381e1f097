import type { Span } from "../core/errors.ts";
import { makeVisible, makeVisibleLine } from "../core/visible-text.ts";
import type { Evidence, JudgedCell, JudgedProbe } from "../grade/types.ts";
import { describeDuration, describeExpectation, describeKey, describeObservation, describePhase } from "./cell-text.ts";
import type { Paint } from "./colour.ts";

const mostEvidenceLines = 20;
const mostTries = 5;
const longestEvidenceLine = 200;
const indent = "    ";
const fieldWidth = 10;

/**
 * Everything that helps to understand one cell that did not pass: expected, observed with tries, the verdict's reason,
 * the oracle's reason with the policies' places, the evidence (at most 20 lines each) and the command that reruns it.
 */
export function renderFailure(probe: JudgedProbe, cell: JudgedCell, paint: Paint): string[] {
  const mark = cell.verdict !== "fail" ? paint.yellow("?") : probe.isBonus === true ? paint.dim("-") : paint.red("✗");
  const place = probe.span === undefined ? "" : paint.dim(`  ${describePlace(probe.span)}`);
  return [
    `${mark} ${paint.bold(makeVisibleLine(probe.name))}${place}`,
    indent + describeKey(cell.key),
    ...field("expected", [describeExpectation(cell.expected)], paint),
    ...field("observed", [describeObservation(cell.observation)], paint),
    ...layerLine(cell, paint),
    ...field("time", timeLines(probe, cell), paint),
    ...field("verdict", verdictLines(cell), paint),
    ...field("policy", policyLines(cell), paint),
    ...field("control", controlLines(cell), paint),
    ...evidenceBlock(cell.observation?.evidence ?? [], paint),
    ...(probe.hint === undefined ? [] : field("hint", makeVisible(probe.hint).trimEnd().split("\n"), paint)),
    ...field("rerun", [makeVisibleLine(cell.rerun)], paint),
  ];
}

/** `labs/deny/lab.yaml:14`. */
export function describePlace(span: Span): string {
  return `${makeVisibleLine(span.file)}:${span.line}`;
}

/** A failed connectivity cell is told by expected and observed alone. */
function verdictLines(cell: JudgedCell): string[] {
  if (cell.verdict === "fail" && typeof cell.expected === "string") return [];
  return [`${cell.verdict}: ${makeVisibleLine(cell.reason)}`];
}

/** The layer with what was looked up. */
function layerLine({ layer }: JudgedCell, paint: Paint): string[] {
  if (layer === undefined) return [];
  const text = makeVisibleLine(`${layer.name}: ${layer.text} (${layer.fact})`);
  return [`${indent}${paint.dim("stopped at:")} ${text}`];
}

/** When it was probed, where that counts: what was seen without the fault, and the tries after it, its restore, or the first of them. */
function timeLines({ phase, recovery }: JudgedProbe, { withoutFault }: JudgedCell): string[] {
  if (phase === undefined && recovery === undefined) return [];
  const since = phase === undefined ? "beginning" : phase.when === "during" ? "fault" : "restore";
  const tries = (recovery?.tries ?? []).map(
    ({ atMs, reason }, index) =>
      `try ${index + 1}, ${describeDuration(atMs)} after the ${since}: ${makeVisibleLine(reason)}`,
  );
  const shown =
    tries.length > mostTries ? [...tries.slice(0, mostTries), `… and ${tries.length - mostTries} more tries`] : tries;
  return [
    ...(phase === undefined ? [] : [makeVisibleLine(describePhase(phase))]),
    ...(withoutFault === undefined
      ? []
      : [`without the fault: ${describeObservation({ ...withoutFault, evidence: [] })}`]),
    ...shown,
  ];
}

function policyLines(cell: JudgedCell): string[] {
  if (cell.why === undefined) return [];
  const places = [...new Set(cell.why.spans.map(describePlace))];
  return [...cell.why.lines.map(makeVisibleLine), ...(places.length === 0 ? [] : [`see ${places.join(", ")}`])];
}

function controlLines(cell: JudgedCell): string[] {
  if (cell.control === undefined || cell.observation?.outcome === "allowed") return [];
  const who = { "another-source": "answered", itself: "answered itself", before: "answered this source before:" };
  return [`the destination ${who[cell.control.by]} ${makeVisibleLine(cell.control.from)} at ${cell.control.at}`];
}

function evidenceBlock(all: readonly Evidence[], paint: Paint): string[] {
  const details = all.filter(({ isDetail }) => isDetail === true).length;
  return [
    ...all.filter(({ isDetail }) => isDetail !== true).flatMap((evidence) => evidenceLines(evidence, paint)),
    ...(details === 0 ? [] : field("", [paint.dim(`… with details: -o json has ${details} more`)], paint)),
  ];
}

function evidenceLines(evidence: Evidence, paint: Paint): string[] {
  const all = makeVisible(evidence.text).trimEnd().split("\n");
  const shown = all.slice(0, mostEvidenceLines).map((line) => clip(line));
  if (all.length > shown.length) shown.push(paint.dim(`… ${all.length - shown.length} more lines; -o json has them`));
  const command = evidence.command === undefined ? [] : [paint.dim(`$ ${makeVisibleLine(evidence.command)}`)];
  const isOutput = evidence.kind === "tool-output" || evidence.kind === "capture";
  return field(
    "evidence",
    [...command, ...shown.map((line) => (isOutput ? `${paint.dim("│")} ${line}` : line))],
    paint,
  );
}

function clip(line: string): string {
  return line.length > longestEvidenceLine ? `${line.slice(0, longestEvidenceLine)}…` : line;
}

function field(name: string, lines: string[], paint: Paint): string[] {
  return lines.map((line, index) => {
    const head = index === 0 ? paint.dim(name.padEnd(fieldWidth)) : " ".repeat(fieldWidth);
    return `${indent}${head}${line}`.trimEnd();
  });
}
