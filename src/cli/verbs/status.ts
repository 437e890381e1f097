import type { Command } from "commander";
import { makeVisibleLine } from "../../core/visible-text.ts";
import { describeTime } from "../../report/time-text.ts";
import type { RunContext } from "../../run/context.ts";
import type { LabContents } from "../../run/lab-contents.ts";
import type { LabStatus } from "../../run/lab-status.ts";
import { outputOption, runningLabArgument, withExamples } from "../help.ts";
import type { CliIo } from "../io.ts";
import { drawContents } from "../draw-contents.ts";
import { drawTable, writeData, type DataFormat } from "../write-data.ts";

/** What is in the one lab asked for, or in its `detail` why that is not known; a lab that is being made or removed has nothing to tell yet. */
async function contentsOfRunning(statuses: LabStatus[], context: RunContext): Promise<LabContents | undefined> {
  const [status] = statuses;
  if (status?.state !== "up") return undefined;
  const { readLabContents } = await import("../../run/lab-contents.ts");
  const contents = await readLabContents(status.name, context);
  if (contents === undefined) status.detail = "its process does not answer; it may be stopped";
  return contents;
}

/** `cnilab status`: the labs there are, and what is left of those that were. */
export function declareStatus(program: Command, io: CliIo): void {
  const command = program
    .command("status")
    .summary("show which labs run")
    .description(
      "Shows the labs of this user on this host: those that run, and what is left of those that were killed. " +
        "Of one that is named and runs, also its pods and Services.",
    )
    .argument("[lab]", runningLabArgument)
    .addOption(outputOption());
  withExamples(command, [
    ["cnilab status", "all labs"],
    ["cnilab status first-lab -o json", "one, for programs"],
  ]).action(async (lab: string | undefined, options: { output: DataFormat }) => {
    const context = io.runContext();
    const { labStatuses } = await import("../../run/lab-status.ts");
    const { findKnownLab } = await import("../../run/find-lab.ts");
    const statuses = await labStatuses(context, lab === undefined ? undefined : [findKnownLab(context.stateRoot, lab)]);
    const contents = lab === undefined ? undefined : await contentsOfRunning(statuses, context);
    const data = contents === undefined ? statuses : statuses.map((status) => ({ ...status, ...contents }));
    writeData(data, options.output, io, () => {
      if (statuses.length === 0) return "no labs are running; cnilab list shows those there are\n";
      const rows = statuses.map((status) => [
        status.name,
        status.state,
        status.provider ?? "-",
        status.cni ?? "-",
        status.nodes === undefined ? "-" : String(status.nodes),
        status.since ?? "-",
        gradeText(status.lastGrade),
      ]);
      const details = statuses.flatMap(({ name, detail, time }) => [
        ...(detail === undefined ? [] : [`${name}: ${makeVisibleLine(detail)}\n`]),
        ...(time === undefined ? [] : [`${name}: ${describeTime(time)}\n`]),
      ]);
      const table = drawTable(
        ["lab", "state", "provider", "cni", "nodes", "since", "last grade"],
        rows.map((row) => row.map(makeVisibleLine)),
      );
      return table + details.join("") + (contents === undefined ? "" : drawContents(contents));
    });
  });
}

/** `pass 10/10`, and ` +2/3` behind it where there are bonus points. */
function gradeText(grade: LabStatus["lastGrade"]): string {
  if (grade === undefined) return "-";
  const bonus = grade.bonus === undefined ? "" : ` +${grade.bonus.earned}/${grade.bonus.possible}`;
  return `${grade.verdict} ${grade.earned}/${grade.possible}${bonus}`;
}
