import type { Command } from "commander";
import { wholeSeconds } from "../../report/time-text.ts";
import type { UpOutcome } from "../../run/up-lab.ts";
import { labArgument, outputOption, quietOption, withExamples } from "../help.ts";
import type { CliIo } from "../io.ts";
import { overridesOf, withBundle, withOverrides, type OverrideOptions } from "../lab-options.ts";
import { writeData, type DataFormat } from "../write-data.ts";

interface Options extends OverrideOptions {
  output: DataFormat;
  quiet?: boolean;
  bundle?: string;
  keepFailed?: boolean;
  force?: boolean;
}

/** `cnilab up`: makes a lab, applies its scenario and leaves it running. */
export function declareUp(program: Command, io: CliIo): void {
  const command = program
    .command("up")
    .summary("make a lab and leave it running")
    .description("Makes a lab, applies its scenario, remembers what answers, and leaves it running.")
    .argument("<lab>", labArgument)
    .option("--keep-failed", "leave what was made of a lab that fails, to look at it")
    .option("--force", "on machines: take away a cluster that is there, or what a dead lab has left, having told what")
    .addOption(outputOption())
    .addOption(quietOption());
  withExamples(withOverrides(withBundle(command)), [
    ["cnilab up default-deny", "a lab to work on"],
    ["cnilab up ./labs/mine/lab.yaml --cni calico:direct", "your own, with another mode of the CNI"],
  ]).action(async (lab: string, options: Options) => {
    const { upLab } = await import("../../run/up-lab.ts");
    const result = await upLab(
      { lab, ...overridesOf(options), keepFailed: options.keepFailed === true, force: options.force === true },
      io.runContext({ isQuiet: options.quiet, bundle: options.bundle }),
    );
    writeData(result, options.output, io, () => describe(result));
  });

  function describe({
    name,
    title,
    nodes,
    hasNodeShells,
    tasks,
    timeLimit,
  }: {
    name: string;
    title: string;
    nodes: string[];
    hasNodeShells: boolean;
    tasks: UpOutcome["tasks"];
    timeLimit?: UpOutcome["timeLimit"];
  }): string {
    const todo = tasks
      .map(
        ({ text, isBonus }, index) =>
          `  ${index + 1}. ${isBonus === true ? "Bonus: " : ""}${text.replaceAll("\n", "\n     ")}\n`,
      )
      .join("");
    const commands = [
      [`cnilab apply ${name} -f FILE`, "apply a manifest"],
      hasNodeShells
        ? [`cnilab shell ${name} node/${nodes.at(-1)}`, "look around"]
        : [`cnilab status ${name}`, "see what there is"],
      ...(tasks.some(({ hints }) => hints > 0)
        ? [[`cnilab hint ${name} --list`, "what hints there are"] as const]
        : []),
      [`cnilab grade ${name}`, "grade it"],
      [`cnilab down ${name}`, "remove it"],
    ] as const;
    const width = Math.max(...commands.map(([command]) => command.length));
    return [
      `${io.outPaint.bold(title)} is up: ${nodes.join(", ")}\n`,
      todo === "" ? "" : `\nYour tasks:\n${todo}`,
      timeLimit === undefined ? "" : `\nTime limit: ${wholeSeconds(timeLimit.limitMs)} from now.\n`,
      "\n",
      ...commands.map(([command, what]) => `  ${command.padEnd(width)}  ${what}\n`),
    ].join("");
  }
}
