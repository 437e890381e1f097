import type { Command } from "commander";
import { makeVisibleLine } from "../../core/visible-text.ts";
import { describeDuration } from "../../report/cell-text.ts";
import type { ResetOutcome } from "../../run/reset-lab.ts";
import { outputOption, quietOption, runningLabArgument, withExamples } from "../help.ts";
import type { CliIo } from "../io.ts";
import { writeData, type DataFormat } from "../write-data.ts";

interface Options {
  bare?: boolean;
  output: DataFormat;
  quiet?: boolean;
}

/** `cnilab reset`: the untouched lab again, without making the cluster anew where that would take long. */
export function declareReset(program: Command, io: CliIo): void {
  const command = program
    .command("reset")
    .summary("bring a running lab back to its untouched state")
    .description(
      "Brings the cluster back to how it was after CNI installation, applies the scenario and remembers what answers, " +
        "as up does. Everything that was applied, and the last grade, is gone.",
    )
    .argument("<lab>", runningLabArgument)
    .option("--bare", "stop before the scenario: only nodes, CNI and cluster DNS")
    .addOption(outputOption())
    .addOption(quietOption());
  withExamples(command, [
    ["cnilab reset default-deny", "start over"],
    ["cnilab reset default-deny --bare", "an empty cluster, to try something else"],
  ]).action(async (lab: string, options: Options) => {
    const { resetLab } = await import("../../run/reset-lab.ts");
    const outcome = await resetLab({ lab, isBare: options.bare === true }, io.runContext({ isQuiet: options.quiet }));
    writeData(outcome, options.output, io, () => describe(outcome));
  });

  function describe({ name, changes, resetMs, durationMs, isBare }: ResetOutcome): string {
    const what = isBare ? "is bare: nodes, CNI and cluster DNS" : "is untouched again";
    return [
      `${io.outPaint.bold(name)} ${what} (reset ${describeDuration(resetMs)}, in all ${describeDuration(durationMs)})\n`,
      ...(changes.length === 0 ? ["  nothing had changed\n"] : changes.map((line) => `  ${makeVisibleLine(line)}\n`)),
    ].join("");
  }
}
