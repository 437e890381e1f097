import type { Command } from "commander";
import type { ReporterName } from "../../report/registry.ts";
import { outputOption, quietOption, runningLabArgument, withExamples } from "../help.ts";
import type { CliIo } from "../io.ts";
import { withReporters, type ReporterTarget } from "../lab-options.ts";
import { writeReport } from "../write-report.ts";

interface Options {
  output: ReporterName;
  reporter: ReporterTarget[];
  quiet?: boolean;
}

/** `cnilab grade`: probes a running lab and grades it; the grade is the exit code. */
export function declareGrade(program: Command, io: CliIo): void {
  const command = program
    .command("grade")
    .summary("grade a running lab")
    .description("Probes a running lab and grades it: points, tasks, and why what failed did.")
    .argument("<lab>", runningLabArgument)
    .addOption(outputOption())
    .addOption(quietOption());
  withExamples(withReporters(command), [
    ["cnilab grade default-deny", "points, and what is wrong"],
    ["cnilab grade default-deny --reporter junit=out.xml", "also for CI"],
  ]).action(async (lab: string, options: Options) => {
    const { gradeLab } = await import("../../run/grade-lab.ts");
    await writeReport(await gradeLab({ lab }, io.runContext({ isQuiet: options.quiet })), options, io);
  });
}
