import { writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { LabError } from "../core/errors.ts";
import { reporters, type ReporterName } from "../report/registry.ts";
import type { Report } from "../report/types.ts";
import { makeFolder } from "../run/make-folder.ts";
import { exitCodeOfVerdict } from "./exit-codes.ts";
import type { CliIo } from "./io.ts";
import type { ReporterTarget } from "./lab-options.ts";

/** Writes the report to standard output and to the files asked for, and makes its verdict the exit code. */
export async function writeReport(
  report: Report,
  { output, reporter }: { output: ReporterName; reporter: ReporterTarget[] },
  io: CliIo,
): Promise<void> {
  io.closeProgress();
  io.exitCode = exitCodeOfVerdict(report.grade.verdict);
  const render = await reporters[output]();
  io.out(render(report, { colour: io.hasColour, width: io.width }));
  for (const { name, file } of reporter) {
    const text = (await reporters[name]())(report, { colour: false, width: io.width });
    try {
      makeFolder(dirname(file));
      await writeFile(file, text);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new LabError("USAGE_REPORT_FILE", `the ${name} report could not be written: ${reason}`, { cause });
    }
  }
}
