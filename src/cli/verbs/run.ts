import { Option, type Command } from "commander";
import { LabError } from "../../core/errors.ts";
import type { ReporterName } from "../../report/registry.ts";
import { labArgument, outputOption, quietOption, withExamples } from "../help.ts";
import type { CliIo } from "../io.ts";
import {
  overridesOf,
  withBundle,
  withOverrides,
  withReporters,
  type OverrideOptions,
  type ReporterTarget,
} from "../lab-options.ts";
import { writeReport } from "../write-report.ts";

interface Options extends OverrideOptions {
  output: ReporterName;
  reporter: ReporterTarget[];
  quiet?: boolean;
  bundle?: string;
  keep?: boolean;
  solution?: boolean;
  defaultLab?: string;
}

/** `cnilab run`: up, scenario, probe, grade, down; the grade is the exit code. */
export function declareRun(program: Command, io: CliIo): void {
  const command = program
    .command("run")
    .summary("make a lab, probe it, grade it, remove it")
    .description("Makes a lab, applies its scenario, probes it, grades what was seen and removes it again.")
    .argument("[lab]", labArgument)
    .option("--keep", "leave the lab running, or what was made of one that failed")
    .option("--solution", "apply the tasks' reference solutions before probing")
    .addOption(new Option("--default-lab <lab>", "the lab when none is named").hideHelp())
    .addOption(outputOption())
    .addOption(quietOption());
  withExamples(withReporters(withOverrides(withBundle(command))), [
    ["cnilab run first-lab", "the first lab, from nothing to its grade"],
    ["cnilab run ./labs/mine --keep", "look around afterwards: cnilab shell mine node/worker1"],
    ["cnilab run default-deny --solution", "a lab with a task, solved by its own solution"],
    ["cnilab run flat-network --cni flannel:host-gw", "the same lab on another CNI"],
    ["cnilab run flat-network --provider kind --cni weave --cni-option encrypted=true", "on a real, encrypted one"],
    ["cnilab run first-lab -o json | jq .verdict", "for programs"],
    ["cnilab run first-lab --reporter junit=out.xml", "for CI"],
  ]).action(async (argument: string | undefined, options: Options) => {
    const lab = argument ?? options.defaultLab;
    if (lab === undefined) {
      throw new LabError("USAGE_NO_LAB", "which lab?", { hint: "cnilab list shows the labs there are" });
    }
    const { runLab } = await import("../../run/run-lab.ts");
    const { report, failure } = await runLab(
      {
        lab,
        ...overridesOf(options),
        keep: options.keep === true,
        solution: options.solution === true,
      },
      io.runContext({ isQuiet: options.quiet, bundle: options.bundle }),
    );
    await writeReport(report, options, io);
    if (failure !== undefined) throw failure;
  });
}
