import type { Command } from "commander";
import type { LabTests } from "../../report/test-types.ts";
import { exitCodeOf, exitCodes, exitCodeOfVerdict, type ExitCode } from "../exit-codes.ts";
import { labArgument, outputOption, quietOption, withExamples } from "../help.ts";
import type { CliIo } from "../io.ts";
import { overridesOf, withBundle, withOverrides, type OverrideOptions } from "../lab-options.ts";
import { writeData, type DataFormat } from "../write-data.ts";

interface Options extends OverrideOptions {
  output: DataFormat;
  quiet?: boolean;
  bundle?: string;
}

/** `cnilab test`: whether a lab's probes notice what they should. */
export function declareTest(program: Command, io: CliIo): void {
  const command = program
    .command("test")
    .summary("test labs' graders: no mutant of the reference solution may pass")
    .description(
      "Grades each lab untouched (it must score nothing), solved (everything), and with every mutant of its reference " +
        "solution: a rule left out, loosened, tightened. One that passes as the solution does is reported with the probe that is missing.",
    )
    .argument("<lab...>", labArgument)
    .addOption(outputOption())
    .addOption(quietOption());
  withExamples(withOverrides(withBundle(command)), [
    ["cnilab test ./labs/mine", "the lab that you are writing"],
    ["cnilab test labs/*", "all of them; those that do not claim netns are not run"],
    ["cnilab test default-deny --provider kind --cni weave", "by another data plane"],
    ["cnilab test default-deny -o json | jq '.labs[].findings'", "for programs"],
  ]).action(async (labs: string[], options: Options) => {
    const { testLabs } = await import("../../run/test-labs.ts");
    const tests = await testLabs(
      { labs, ...overridesOf(options) },
      io.runContext({ isQuiet: options.quiet, bundle: options.bundle }),
    );
    const { renderLabTests } = await import("../../report/test.ts");
    writeData(tests, options.output, io, () => renderLabTests(tests, { colour: io.hasColour }));
    io.exitCode = exitCodeOfLabTests(tests);
  });
}

/** 1 where a lab's grader fails; then what kept a lab from running that should have; then 3. */
export function exitCodeOfLabTests({ verdict, labs }: LabTests): ExitCode {
  if (verdict === "fail") return exitCodes.expectationFailed;
  const failed = labs.find(({ notRun }) => notRun?.isRefusal === false);
  return failed?.notRun === undefined ? exitCodeOfVerdict(verdict) : exitCodeOf(failed.notRun.code);
}
