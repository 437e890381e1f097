import { InvalidArgumentError, Option, type Command } from "commander";
import type { Comparison } from "../../report/compare-types.ts";
import type { LabOverrides } from "../../run/read-lab.ts";
import { exitCodeOf, exitCodes, type ExitCode } from "../exit-codes.ts";
import { labArgument, outputOption, quietOption, withExamples } from "../help.ts";
import type { CliIo } from "../io.ts";
import { cniOption, inventoryOption, parseCni, withBundle } from "../lab-options.ts";
import { writeData, type DataFormat } from "../write-data.ts";

/** Clusters at once; more only make each other slow. */
const mostParallel = 16;

interface Options {
  cni: NonNullable<LabOverrides["cni"]>[];
  cniOption: NonNullable<LabOverrides["cniOptions"]>;
  provider: string[];
  inventory?: string;
  solved?: boolean;
  both?: boolean;
  baseline?: string;
  save?: string;
  divergences?: string;
  parallel: number;
  output: DataFormat;
  quiet?: boolean;
  bundle?: string;
}

/** `cnilab compare`: one lab across CNIs, modes, providers, and time. */
export function declareCompare(program: Command, io: CliIo): void {
  const command = program
    .command("compare")
    .summary("run labs on several CNIs or providers and show what differs")
    .description(
      "Runs each lab once on every combination of CNI and provider named, and shows the cells that differ, with " +
        "figures side by side. Or compares with a run that was saved before.",
    )
    .argument("<lab...>", labArgument)
    .addOption(
      new Option("--cni <name[:mode],…>", "the CNIs to compare").argParser(list(parseCni)).default([], "the lab's"),
    )
    .addOption(cniOption())
    .addOption(
      new Option("--provider <name,…>", "the providers to compare")
        .argParser(list((name) => name))
        .default([], "the lab's"),
    )
    .addOption(inventoryOption())
    .option("--solved", "apply the tasks' reference solutions before grading")
    .addOption(new Option("--both", "compare the untouched lab, then the solved one").conflicts("solved"))
    .option("--baseline <file>", "compare with this saved run, too")
    .option("--save <file>", "save this run, for a later --baseline")
    .option("--divergences <file>", "known differences; by default those that come with cnilab")
    .addOption(new Option("--parallel <n>", "clusters at once").argParser(parseParallel).default(1))
    .addOption(outputOption())
    .addOption(quietOption());
  withExamples(withBundle(command), [
    ["cnilab compare flat-network --cni calico,flannel", "two CNIs"],
    ["cnilab compare flat-network --cni flannel:vxlan,flannel:host-gw", "two modes"],
    ["cnilab compare flat-network --provider kind --cni calico,weave --cni-option encrypted=true", "Weave encrypted"],
    ["cnilab compare labs/* --provider netns,kind --both", "the embedded engine against a real cluster"],
    ["cnilab compare default-deny --solved --save before.json", "keep a run …"],
    ["cnilab compare default-deny --solved --baseline before.json", "… and see what has changed since"],
  ]).action(async (labs: string[], options: Options) => {
    const { compareLabs } = await import("../../run/compare-labs.ts");
    const { comparison, failure } = await compareLabs(
      {
        labs,
        cnis: options.cni,
        cniOptions: options.cniOption,
        providers: options.provider,
        inventory: options.inventory,
        states: options.both === true ? ["untouched", "solved"] : options.solved === true ? ["solved"] : ["untouched"],
        baseline: options.baseline,
        save: options.save,
        divergences: options.divergences,
        parallel: options.parallel,
      },
      io.runContext({ isQuiet: options.quiet, bundle: options.bundle }),
    );
    const { renderComparison } = await import("../../report/compare.ts");
    writeData(comparison, options.output, io, () =>
      renderComparison(comparison, { colour: io.hasColour, width: io.width }),
    );
    io.exitCode = exitCodeOfComparison(comparison);
    if (failure !== undefined) throw failure;
  });
}

/**
 * 1 for what is unexplained; then what kept a variant from running that should have; then 3. A variant that lab or
 * provider refuse is no failure.
 */
export function exitCodeOfComparison({ verdict, labs }: Comparison): ExitCode {
  if (verdict === "different") return exitCodes.expectationFailed;
  const failed = labs.flatMap(({ variants }) => variants).find(({ notRun }) => notRun?.isRefusal === false);
  if (failed?.notRun !== undefined) return exitCodeOf(failed.notRun.code);
  return verdict === "inconclusive" ? exitCodes.inconclusive : exitCodes.pass;
}

/** `a,b`; given twice, both count. */
function list<Item>(parse: (text: string) => Item): (text: string, earlier: Item[]) => Item[] {
  return (text, earlier) => [
    ...earlier,
    ...text.split(",").map((part) => {
      if (part === "") throw new InvalidArgumentError("there is nothing between two commas.");
      return parse(part);
    }),
  ];
}

function parseParallel(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= mostParallel) return count;
  throw new InvalidArgumentError(`write a number from 1 to ${mostParallel}.`);
}
