import type { Command } from "commander";
import { labArgument, outputOption, withExamples } from "../help.ts";
import type { CliIo } from "../io.ts";
import { overridesOf, withOverrides, type OverrideOptions } from "../lab-options.ts";
import { formatError, formatWarning } from "../print-error.ts";
import { exitCodes } from "../exit-codes.ts";
import { writeData, type DataFormat } from "../write-data.ts";

interface Options extends OverrideOptions {
  output: DataFormat;
}

/** `cnilab validate`: every problem of every lab named, at once. */
export function declareValidate(program: Command, io: CliIo): void {
  const command = program
    .command("validate")
    .summary("check labs without making them")
    .description("Checks lab files and the manifests they apply; prints every problem with its line.")
    .argument("<lab...>", labArgument)
    .addOption(outputOption());
  withExamples(withOverrides(command), [
    ["cnilab validate labs/mine", "one"],
    ["cnilab validate labs/*", "several"],
    ["cnilab validate labs/mine --cni flannel", "whether it could run on another CNI"],
  ]).action(async (labs: string[], options: Options) => {
    const { validateLabs } = await import("../../run/validate-labs.ts");
    const results = await validateLabs(labs, overridesOf(options));
    const data = results.map(({ lab, problems, warnings }) => ({
      lab,
      valid: problems.length === 0,
      problems: problems.map(({ code, message, hint, span }) => ({ code, message, hint, span })),
      warnings,
    }));
    if (options.output === "table") {
      for (const { problems, warnings } of results) {
        for (const problem of problems) io.err(`${formatError(problem, io.errPaint)}\n`);
        for (const warning of warnings) io.err(`${formatWarning(warning, io.errPaint)}\n\n`);
      }
    }
    writeData(data, options.output, io, () =>
      results
        .map(({ lab, problems }) => `${lab}: ${problems.length === 0 ? "valid" : countOf(problems.length)}\n`)
        .join(""),
    );
    if (results.some(({ problems }) => problems.length > 0)) io.exitCode = exitCodes.usage;
  });
}

function countOf(count: number): string {
  return count === 1 ? "1 problem" : `${count} problems`;
}
