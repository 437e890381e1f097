import { InvalidArgumentError, Option, type Command } from "commander";
import type { ReporterName } from "../../report/registry.ts";
import { outputOption, quietOption, runningLabArgument, withExamples } from "../help.ts";
import type { CliIo } from "../io.ts";
import { withReporters, type ReporterTarget } from "../lab-options.ts";
import { writeReport } from "../write-report.ts";

interface Options {
  only: string[];
  cell?: { from: string; to: string };
  output: ReporterName;
  reporter: ReporterTarget[];
  quiet?: boolean;
}

/** `cnilab probe`: what the probes see now, without points and tasks. */
export function declareProbe(program: Command, io: CliIo): void {
  const command = program
    .command("probe")
    .summary("probe a running lab, or rerun one probe of it")
    .description("Probes a running lab and compares what is seen with what should be; no points, no tasks.")
    .argument("<lab>", runningLabArgument)
    .option("--only <name>", "only this probe; may be given several times", collect, [])
    .addOption(
      new Option("--cell <from,to>", "only the cells of matrices between these two, as reports name them").argParser(
        parseCell,
      ),
    )
    .addOption(outputOption())
    .addOption(quietOption());
  withExamples(withReporters(command), [
    ["cnilab probe first-lab", "all probes"],
    ["cnilab probe first-lab --only 'a visitor finds the shop by name'", "one of them"],
    ["cnilab probe first-lab --cell shop/web-7f4bf959b6-dsfdf,shop/db-554579cdfd-zq26w", "between two pods"],
  ]).action(async (lab: string, options: Options) => {
    const { probeLab } = await import("../../run/probe-lab.ts");
    const report = await probeLab(
      { lab, only: options.only, cell: options.cell },
      io.runContext({ isQuiet: options.quiet }),
    );
    await writeReport(report, options, io);
  });
}

function collect(name: string, earlier: string[]): string[] {
  return [...earlier, name];
}

/** `shop/web-1,shop/db-0`. */
function parseCell(text: string): NonNullable<Options["cell"]> {
  const [from, to, ...rest] = text.split(",");
  if (from === undefined || from === "" || to === undefined || to === "" || rest.length > 0) {
    throw new InvalidArgumentError("write FROM,TO as a report names them.");
  }
  return { from, to };
}
