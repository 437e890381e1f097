import type { Command } from "commander";
import { LabError, LabProblems } from "../../core/errors.ts";
import { quietOption, runningLabArgument, withExamples } from "../help.ts";
import type { CliIo } from "../io.ts";

interface Options {
  all?: boolean;
  quiet?: boolean;
}

/** `cnilab down`: removes labs from what is known of them, without their lab files. */
export function declareDown(program: Command, io: CliIo): void {
  const command = program
    .command("down")
    .summary("remove a lab")
    .description("Removes labs, running or dead, whatever is left of them. Removing what is not there is no error.")
    .argument("[lab...]", runningLabArgument)
    .option("--all", "every lab there is")
    .addOption(quietOption());
  withExamples(command, [
    ["cnilab down default-deny", "one"],
    ["cnilab down --all", "all"],
  ]).action(async (labs: string[], options: Options) => {
    if (options.all === true && labs.length > 0) throw new LabError("USAGE_DOWN", "name labs or say --all, not both");
    if (options.all !== true && labs.length === 0) {
      throw new LabError("USAGE_NO_LAB", "which lab?", { hint: "cnilab status lists them; --all removes every one" });
    }
    const context = io.runContext({ isQuiet: options.quiet });
    const { downLab, knownLabs } = await import("../../run/down-lab.ts");
    const { labToRemove } = await import("../../run/find-lab.ts");
    const names = options.all === true ? knownLabs(context) : labs.map((lab) => labToRemove(context.stateRoot, lab));
    const problems: LabError[] = [];
    for (const name of names) {
      try {
        const { removed } = await downLab(name, context);
        io.closeProgress();
        io.out(removed ? `${name} removed\n` : `${name} was not there\n`);
      } catch (error) {
        // The others are removed all the same.
        if (!(error instanceof LabError)) throw error;
        problems.push(error);
      }
    }
    if (problems.length > 0) throw new LabProblems(problems);
    if (names.length === 0) io.out("no labs\n");
  });
}
