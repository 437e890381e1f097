import { writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { LabError } from "../core/errors.ts";
import type { Verdict } from "../grade/types.ts";
import { reporters, type ReporterName } from "../report/registry.ts";
import type { Report, ReportOptions } from "../report/types.ts";
import { makeFolder } from "../run/make-folder.ts";
import { exitCodeOfVerdict } from "./exit-codes.ts";
import type { CliIo } from "./io.ts";
import type { ReporterTarget } from "./lab-options.ts";

interface Targets {
  output: ReporterName;
  reporter: ReporterTarget[];
}

/** Writes the report to standard output and to the files asked for, and makes its verdict the exit code. */
export function writeReport(report: Report, targets: Targets, io: CliIo): Promise<void> {
  const render = async (format: ReporterName, style: ReportOptions): Promise<string> =>
    (await reporters[format]())(report, style);
  return writeTexts(render, report.grade.verdict, targets, io);
}

/** {@link writeReport} of whatever has a verdict and can be written in these formats. */
export async function writeTexts(
  render: (format: ReporterName, style: ReportOptions) => Promise<string>,
  verdict: Verdict,
  { output, reporter }: Targets,
  io: CliIo,
): Promise<void> {
  io.closeProgress();
  io.exitCode = exitCodeOfVerdict(verdict);
  io.out(await render(output, { colour: io.hasColour, width: io.width }));
  for (const { name, file } of reporter) {
    const text = await render(name, { colour: false, width: io.width });
    try {
      makeFolder(dirname(file));
      await writeFile(file, text);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new LabError("USAGE_REPORT_FILE", `the ${name} report could not be written: ${reason}`, { cause });
    }
  }
}
